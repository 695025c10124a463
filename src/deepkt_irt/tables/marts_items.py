"""What authors of content look at: which items to mend, and why."""

from deepkt_irt.tables.contract import Column, Layer, View
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_HEALTH, ITEM_PARAMETERS
from deepkt_irt.tables.silver import ITEMS, SKILLS

ITEM_WATCHLIST = View(
    layer=Layer.GOLD,
    name="item_watchlist",
    comment="Every item that was met, with what was found about it and what to do.",
    columns=(
        Column("item_id", "string", "joins silver.items"),
        Column("item", "string", "its title, or else its id in the source"),
        Column("source", "string", "source system"),
        Column("skill_id", "string", "its first skill; null if it has none", nullable=True),
        Column("skill", "string", "name of that skill", nullable=True),
        Column("status", "string", "act, watch, good or insufficient_data"),
        Column("needs_attention", "boolean", "status is act or watch"),
        Column("n_reasons", "int", "findings"),
        Column("reasons", "string", "what was found, worst first; empty if nothing"),
        Column("suggested_action", "string", "null if nothing needs doing", nullable=True),
        Column("drift_status", "string", "of the latest window with enough responses",
               nullable=True),
        Column("is_drifting", "boolean", "drift_status is act"),
        Column("n_responses", "bigint", "first attempts that count"),
        Column("exposure", "double", "share of the source's students who met it"),
        Column("p_value", "double", "mean share of credit on first attempts", nullable=True),
        Column("difficulty", "double", "b by the latest calibration", nullable=True, unit="logit"),
        Column("difficulty_se", "double", "its standard error", nullable=True, unit="logit"),
        Column("slope", "double", "of the curve by that calibration", nullable=True),
        Column("latency_median_ms", "double", "median response time", nullable=True, unit="ms"),
        Column("checked_at", "timestamp", "as-of instant of the check, UTC"),
    ),
    key=("item_id",),
    reads=(ITEM_HEALTH, ITEMS, SKILLS, ITEM_PARAMETERS, CALIBRATIONS),
    query="""
WITH latest AS (SELECT max(calibration_version) AS calibration_version FROM {calibrations}),
calibrated AS (
  SELECT p.item_id, p.difficulty, p.difficulty_se, p.slope
  FROM {item_parameters} p JOIN latest USING (calibration_version)
)
SELECT h.item_id, coalesce(i.title, i.source_item_id, h.item_id) AS item,
       coalesce(i.source, '') AS source, s.skill_id, s.name AS skill,
       h.status, h.status IN ('act', 'watch') AS needs_attention,
       size(h.reasons) AS n_reasons, array_join(h.reasons, '; ') AS reasons, h.suggested_action,
       h.drift_status, coalesce(h.drift_status = 'act', false) AS is_drifting,
       h.n_responses, h.exposure, h.p_value, c.difficulty, c.difficulty_se, c.slope,
       h.latency_median_ms, h.checked_at
FROM {item_health} h
     LEFT JOIN {items} i USING (item_id)
     LEFT JOIN {skills} s ON s.skill_id = get(i.skill_ids, 0)
     LEFT JOIN calibrated c USING (item_id)
""",
)  # fmt: skip
