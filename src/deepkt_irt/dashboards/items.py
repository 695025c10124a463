"""The dashboard of authors: which items to mend, and where new ones are missing."""

from deepkt_irt.dashboards.rows import (
    LOW,
    NUMBER,
    columns,
    counted,
    counter_row,
    filter_of,
    narrowed,
    whole_row,
)
from deepkt_irt.dashboards.widgets import Dashboard, Dataset, Field, Page, Row, Widget

_COUNTERS = ("items_to_mend", "items_to_watch", "items_drifting")
_FILTERED = ("items_counted", "flagged", "all_items")

ITEMS = Dashboard(
    name="items",
    title="Items and content: what to mend",
    decides="An author decides which items to mend, and where to write new ones.",
    datasets=(
        counted("items_counted", "Items and what they need", _COUNTERS,
                ("source", "coalesce(skill, 'no skill') AS skill")),
        Dataset("flagged", "Items that need attention", """
SELECT item, coalesce(skill, 'no skill') AS skill, source, status, reasons, suggested_action,
       drift_status, n_responses, p_value, difficulty, checked_at
FROM {item_watchlist} WHERE needs_attention
ORDER BY status, n_reasons DESC, n_responses DESC, item
"""),
        Dataset("all_items", "All items", """
SELECT item, coalesce(skill, 'no skill') AS skill, source, status,
       coalesce(drift_status, 'not watched') AS drift_status, n_responses, exposure, p_value,
       difficulty, slope,
       CASE WHEN difficulty < -1 THEN '1 easy' WHEN difficulty < 0 THEN '2 rather easy'
            WHEN difficulty < 1 THEN '3 rather hard' WHEN difficulty >= 1 THEN '4 hard'
            ELSE '5 not calibrated' END AS band
FROM {item_watchlist}
"""),
    ),
    pages=(
        Page("mend", "To mend", (
            counter_row(*(narrowed(name, "items_counted") for name in _COUNTERS)),
            Row(LOW, (
                (6, filter_of("mend_source", "Source", _FILTERED, "source")),
                (6, filter_of("mend_skill", "Skill", _FILTERED, "skill")),
            )),
            whole_row(10, Widget("flagged_items", "table",
                "Items that need attention, worst first", "flagged", columns(
                    Field("Item", "`item`"), Field("Skill", "`skill`"),
                    Field("Status", "`status`"), Field("What was found", "`reasons`"),
                    Field("What to do", "`suggested_action`"), Field("Drift", "`drift_status`"),
                    Field("First attempts", "`n_responses`", NUMBER),
                    Field("Right", "`p_value`", NUMBER, "percent")))),
            Row(6, (
                (6, Widget("status", "bar", "Items by status", "all_items", (
                    ("x", Field("Status", "`status`")),
                    ("y", Field("Items", "COUNT(`item`)", NUMBER)),
                ), aggregated=True)),
                (6, Widget("drift", "bar", "Items by drift", "all_items", (
                    ("x", Field("Drift", "`drift_status`")),
                    ("y", Field("Items", "COUNT(`item`)", NUMBER)),
                ), aggregated=True)),
            )),
        )),
        Page("coverage", "Coverage", (
            whole_row(8, Widget("bands", "heatmap", "Items by skill and difficulty", "all_items", (
                ("x", Field("Difficulty", "`band`")),
                ("y", Field("Skill", "`skill`")),
                ("color", Field("Items", "COUNT(`item`)", NUMBER)),
            ), aggregated=True, description="Write items where a skill has none of a band.")),
            whole_row(8, Widget("curve", "scatter", "Difficulty and share right", "all_items", (
                ("x", Field("Difficulty", "`difficulty`", NUMBER)),
                ("y", Field("Share right", "`p_value`", NUMBER, "percent")),
                ("color", Field("Status", "`status`")),
            ))),
        )),
    ),
)  # fmt: skip
