"""The three AI/BI dashboards: of teachers, of authors of content, of operators."""

from deepkt_irt.dashboards.measures import Unit, measure
from deepkt_irt.dashboards.widgets import (
    COLUMNS,
    FILTER,
    Dashboard,
    Dataset,
    Field,
    Page,
    Row,
    Scale,
    Widget,
)

_NUMBER, _TIME = Scale.QUANTITATIVE, Scale.TEMPORAL
_FORMATS = {Unit.SHARE: "percent", Unit.USD: "currency", Unit.FIGURE: "number"}
_COUNTER_HEIGHT = 2


def dashboards() -> tuple[Dashboard, ...]:
    """All of them."""
    return (teaching(), items(), operations())


def teaching() -> Dashboard:
    """Who needs help today, on what and why; what classes know."""
    counters = ("students", "students_needing_help", "students_without_item")
    return Dashboard(
        name="teaching",
        title="Teaching: who needs help today",
        decides="A teacher decides whom to help first, and with what.",
        datasets=(
            *_of_measures(counters),
            Dataset("needing", "Students who need help", """
SELECT class_key, student, skill, array_join(reasons, '; ') AS why, n_signs, n_waiting, mastery,
       mastery_low, mastery_high, coalesce(next_item, 'nothing is offered') AS next_item,
       next_p_correct, next_reason
FROM {student_today} WHERE needs_help
ORDER BY n_signs DESC, n_waiting DESC, mastery, student
"""),
            Dataset("classes", "Classes and skills", """
SELECT if(class_key = '', 'no class', class_key) AS class_key, skill, n_students, mean_mastery,
       mean_margin, n_low, n_falling
FROM {class_skill_mastery}
"""),
        ),
        pages=(
            Page("today", "Today", (
                _text("today_how", "A student is listed for a skill practised lately whose "
                      "mastery is surely too low, whose last answers were all wrong, or whose "
                      "mastery has surely fallen. Most signs come first."),
                _counters(counters),
                _filter("today_class", "Class", ("needing",), "class_key"),
                _whole(10, Widget("who", "table", "Who needs help, on what and why", "needing",
                    _columns(
                    Field("Class", "`class_key`"), Field("Student", "`student`"),
                    Field("On", "`skill`"), Field("Why", "`why`"),
                    Field("Mastery", "`mastery`", _NUMBER, "percent"),
                    Field("Practise next", "`next_item`"),
                    Field("Expected success", "`next_p_correct`", _NUMBER, "percent"),
                    Field("Because", "`next_reason`")))),
            )),
            Page("classes", "Classes", (
                _filter("classes_class", "Class", ("classes",), "class_key"),
                _whole(8, Widget("know", "heatmap", "Mean mastery; empty below ten students",
                    "classes", (
                        ("x", Field("Skill", "`skill`")),
                        ("y", Field("Class", "`class_key`")),
                        ("color", Field("Mean mastery", "AVG(`mean_mastery`)", _NUMBER, "percent")),
                    ), aggregated=True)),
                Row(7, (
                    (6, Widget("behind", "bar", "Students surely below what the next skill needs",
                        "classes", (
                            ("x", Field("Students", "SUM(`n_low`)", _NUMBER)),
                            ("y", Field("Skill", "`skill`")),
                        ), aggregated=True,
                        description="Teach the topmost again before going on.")),
                    (6, Widget("falling", "bar", "Students whose mastery has fallen", "classes", (
                        ("x", Field("Students", "SUM(`n_falling`)", _NUMBER)),
                        ("y", Field("Skill", "`skill`")),
                    ), aggregated=True, description="Repeat what is being forgotten.")),
                )),
            )),
        ),
    )  # fmt: skip


def items() -> Dashboard:
    """Which items to mend, and where new ones are missing."""
    counters = ("items_to_mend", "items_to_watch", "items_drifting")
    return Dashboard(
        name="items",
        title="Items and content: what to mend",
        decides="An author decides which items to mend, and where to write new ones.",
        datasets=(
            *_of_measures(counters),
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
                _counters(counters),
                Row(_COUNTER_HEIGHT, (
                    (6, _filtering("mend_source", "Source", ("flagged", "all_items"), "source")),
                    (6, _filtering("mend_skill", "Skill", ("flagged", "all_items"), "skill")),
                )),
                _whole(10, Widget("flagged_items", "table",
                    "Items that need attention, worst first", "flagged", _columns(
                        Field("Item", "`item`"), Field("Skill", "`skill`"),
                        Field("Status", "`status`"), Field("What was found", "`reasons`"),
                        Field("What to do", "`suggested_action`"), Field("Drift", "`drift_status`"),
                        Field("First attempts", "`n_responses`", _NUMBER),
                        Field("Right", "`p_value`", _NUMBER, "percent")))),
                Row(6, (
                    (6, Widget("status", "bar", "Items by status", "all_items", (
                        ("x", Field("Status", "`status`")),
                        ("y", Field("Items", "COUNT(`item`)", _NUMBER)),
                    ), aggregated=True)),
                    (6, Widget("drift", "bar", "Items by drift", "all_items", (
                        ("x", Field("Drift", "`drift_status`")),
                        ("y", Field("Items", "COUNT(`item`)", _NUMBER)),
                    ), aggregated=True)),
                )),
            )),
            Page("coverage", "Coverage", (
                _whole(8, Widget("bands", "heatmap", "Items by skill and difficulty", "all_items", (
                    ("x", Field("Difficulty", "`band`")),
                    ("y", Field("Skill", "`skill`")),
                    ("color", Field("Items", "COUNT(`item`)", _NUMBER)),
                ), aggregated=True, description="Write items where a skill has none of a band.")),
                _whole(8, Widget("curve", "scatter", "Difficulty and share right", "all_items", (
                    ("x", Field("Difficulty", "`difficulty`", _NUMBER)),
                    ("y", Field("Share right", "`p_value`", _NUMBER, "percent")),
                    ("color", Field("Status", "`status`")),
                ))),
            )),
        ),
    )  # fmt: skip


def operations() -> Dashboard:
    """What is late, broken or expensive, and whether models are still good."""
    counters = ("tasks_failed", "success_rate", "quarantine_share", "cost_usd")
    figures = ("auc", "ece", "mean_reward", "explanations_verified", "tokens_used",
               "items_drifting")  # fmt: skip
    return Dashboard(
        name="operations",
        title="Operations: what is late, broken or expensive",
        decides="An operator decides what to look at first.",
        datasets=(
            *_of_measures((*counters, *figures)),
            Dataset("runs", "Task runs", """
SELECT task, run_id, started_at, seconds, outcome, rows_in, rows_out,
       CASE WHEN has_failed THEN 0.0D ELSE 1.0D END AS succeeded,
       rows_received, rows_quarantined, auc
FROM {operations}
"""),
            Dataset("last_runs", "Last run of each task", """
SELECT task, outcome, started_at, ended_at, seconds, rows_out,
       (unix_micros(current_timestamp()) - unix_micros(ended_at)) / 3.6e9D AS hours_ago
FROM {operations} WHERE is_last
ORDER BY outcome, ended_at
"""),
            Dataset("quality", "Evaluations of models", """
SELECT model_name, coalesce(model_version, 'baseline') AS version, protocol, split, evaluated_at,
       auc, auc_low, auc_high, ece, log_loss, is_champion
FROM {model_quality} WHERE NOT is_baseline
"""),
            Dataset("spending", "Requests to language models", """
SELECT day, task, model, n_requests, n_requests - n_answered AS n_failed, tokens_used, cost_usd,
       latency_median_ms, latency_p95_ms
FROM {llm_usage}
"""),
            Dataset("policies", "Recommendations", """
SELECT decided_at, policy, n_students, n_without, n_items, mean_propensity, n_rewarded,
       mean_reward, difference, decision
FROM {policy_quality}
"""),
            Dataset("drifting", "Drift of items", """
SELECT coalesce(drift_status, 'not watched') AS drift_status, source, item FROM {item_watchlist}
"""),
            Dataset("worded", "Explanations", """
SELECT day, audience, model, n_explanations, n_verified, n_abstained, n_without_sources
FROM {explanation_quality}
"""),
        ),
        pages=(
            Page("runs", "Runs and files", (
                _counters(counters),
                _filter("runs_task", "Task", ("runs", "last_runs"), "task"),
                Row(8, (
                    (7, Widget("last", "table", "Last run of each task, failed ones first",
                        "last_runs", _columns(
                            Field("Task", "`task`"), Field("Outcome", "`outcome`"),
                            Field("Ended", "`ended_at`", _TIME),
                            Field("Hours ago", "`hours_ago`", _NUMBER, "number"),
                            Field("Seconds", "`seconds`", _NUMBER, "number"),
                            Field("Rows written", "`rows_out`", _NUMBER)))),
                    (5, Widget("rates", "bar", "Success rate of each task", "runs", (
                        ("x", Field("Runs that succeeded", "AVG(`succeeded`)", _NUMBER, "percent")),
                        ("y", Field("Task", "`task`")),
                    ), aggregated=True)),
                )),
                Row(7, (
                    (6, Widget("times", "line", "Seconds of each task", "runs", (
                        ("x", Field("Started", "`started_at`", _TIME)),
                        ("y", Field("Seconds", "`seconds`", _NUMBER, "number")),
                        ("color", Field("Task", "`task`")),
                    ), description="A step upwards: compare what came in that day.")),
                    (6, Widget("refused", "bar", "Rows refused per delivery", "runs", (
                        ("x", Field("Day", "DATE_TRUNC('DAY', `started_at`)", _TIME)),
                        ("y", Field("Rows", "SUM(`rows_quarantined`)", _NUMBER)),
                    ), aggregated=True, description="ops.quarantine has each with its reason.")),
                )),
            )),
            Page("models", "Models and decisions", (
                _counters(figures),
                Row(7, (
                    (6, Widget("aucs", "line", "AUC by version, on held-out students", "quality", (
                        ("x", Field("Evaluated", "`evaluated_at`", _TIME)),
                        ("y", Field("AUC", "`auc`", _NUMBER, "number")),
                        ("color", Field("Model", "`model_name`")),
                    ))),
                    (6, Widget("eces", "line", "Calibration error by version", "quality", (
                        ("x", Field("Evaluated", "`evaluated_at`", _TIME)),
                        ("y", Field("ECE", "`ece`", _NUMBER, "number")),
                        ("color", Field("Model", "`model_name`")),
                    ))),
                )),
                Row(7, (
                    (6, Widget("worth", "line", "Mean worth of recommendations", "policies", (
                        ("x", Field("Decided", "`decided_at`", _TIME)),
                        ("y", Field("Mean reward", "`mean_reward`", _NUMBER, "number")),
                        ("color", Field("Policy", "`policy`")),
                    ))),
                    (6, Widget("drifts", "bar", "Items by drift", "drifting", (
                        ("x", Field("Drift", "`drift_status`")),
                        ("y", Field("Items", "COUNT(`item`)", _NUMBER)),
                    ), aggregated=True)),
                )),
            )),
            Page("spending", "Language models", (
                Row(7, (
                    (6, Widget("tokens", "bar", "Tokens used", "spending", (
                        ("x", Field("Day", "`day`", _TIME)),
                        ("y", Field("Tokens", "SUM(`tokens_used`)", _NUMBER)),
                        ("color", Field("Task", "`task`")),
                    ), aggregated=True)),
                    (6, Widget("costs", "bar", "Cost", "spending", (
                        ("x", Field("Day", "`day`", _TIME)),
                        ("y", Field("Cost", "SUM(`cost_usd`)", _NUMBER, "currency")),
                        ("color", Field("Model", "`model`")),
                    ), aggregated=True)),
                )),
                Row(7, (
                    (6, Widget("waits", "line", "Time until an answer, 95 of 100", "spending", (
                        ("x", Field("Day", "`day`", _TIME)),
                        ("y", Field("Milliseconds", "MAX(`latency_p95_ms`)", _NUMBER)),
                        ("color", Field("Model", "`model`")),
                    ), aggregated=True)),
                    (6, Widget("held_back", "bar", "Explanations held back", "worded", (
                        ("x", Field("Day", "`day`", _TIME)),
                        ("y", Field("Explanations", "SUM(`n_abstained`)", _NUMBER)),
                        ("color", Field("For", "`audience`")),
                    ), aggregated=True)),
                )),
            )),
        ),
    )  # fmt: skip


def _of_measures(names: tuple[str, ...]) -> tuple[Dataset, ...]:
    return tuple(Dataset(each.name, each.title, each.query) for each in map(measure, names))


def _counters(names: tuple[str, ...]) -> Row:
    width = COLUMNS // len(names)
    return Row(_COUNTER_HEIGHT, tuple((width, _counter(name)) for name in names))


def _counter(name: str) -> Widget:
    shown = measure(name)
    value = Field(shown.title, "`value`", _NUMBER, _FORMATS.get(shown.unit, ""))
    return Widget(f"counter_{name}", "counter", shown.title, name, (("value", value),))


def _filtering(name: str, title: str, narrows: tuple[str, ...], column: str) -> Widget:
    field = ("field", Field(title, f"`{column}`"))
    return Widget(name, FILTER, title, fields=(field,), narrows=narrows)


def _filter(name: str, title: str, narrows: tuple[str, ...], column: str) -> Row:
    return _whole(_COUNTER_HEIGHT, _filtering(name, title, narrows, column))


def _text(name: str, text: str) -> Row:
    return _whole(1, Widget(name, "", text))


def _whole(height: int, widget: Widget) -> Row:
    return Row(height, ((COLUMNS, widget),))


def _columns(*fields: Field) -> tuple[tuple[str, Field], ...]:
    return tuple(("column", field) for field in fields)
