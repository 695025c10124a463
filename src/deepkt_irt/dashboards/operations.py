"""The dashboard of operators: what is late, broken or expensive; whether models are good."""

from deepkt_irt.dashboards.rows import (
    NUMBER,
    TIME,
    columns,
    counted,
    counter_row,
    datasets_of,
    figure,
    filter_row,
    narrowed,
)
from deepkt_irt.dashboards.widgets import Dashboard, Dataset, Field, Order, Page, Row, Widget

_OF_RUNS = ("tasks_failed", "success_rate", "quarantine_share")
_FIGURES = ("auc", "ece", "mean_reward", "explanations_verified", "tokens_used",
           "items_drifting")  # fmt: skip

OPERATIONS = Dashboard(
    name="operations",
    title="Operations: what is late, broken or expensive",
    decides="An operator decides what to look at first.",
    datasets=(
        counted("tasks", "Runs and how they ended", _OF_RUNS, ("task",)),
        counted("requests", "Requests of tasks", ("cost_usd",), ("task",)),
        *datasets_of(_FIGURES),
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
            counter_row(*(narrowed(name, "tasks") for name in _OF_RUNS),
                        narrowed("cost_usd", "requests")),
            filter_row("runs_task", "Task", ("tasks", "requests", "runs", "last_runs"), "task"),
            Row(8, (
                (7, Widget("last", "table", "Last run of each task, failed ones first",
                    "last_runs", columns(
                        Field("Task", "`task`"), Field("Outcome", "`outcome`"),
                        Field("Ended", "`ended_at`", TIME),
                        Field("Hours ago", "`hours_ago`", NUMBER, "span"),
                        Field("Seconds", "`seconds`", NUMBER, "span"),
                        Field("Rows written", "`rows_out`", NUMBER)))),
                (5, Widget("rates", "bar", "Success rate of each task", "runs", (
                    ("x", Field("Runs that succeeded", "AVG(`succeeded`)", NUMBER, "percent")),
                    ("y", Field("Task", "`task`", order=Order.SMALLEST_FIRST)),
                ), aggregated=True, description="Look at the topmost first.")),
            )),
            Row(7, (
                (6, Widget("times", "line", "Seconds of each task", "runs", (
                    ("x", Field("Started", "`started_at`", TIME)),
                    ("y", Field("Seconds", "`seconds`", NUMBER, "span")),
                    ("color", Field("Task", "`task`")),
                ), description="A step upwards: compare what came in that day.")),
                (6, Widget("refused", "bar", "Rows refused per delivery", "runs", (
                    ("x", Field("Day", "DATE_TRUNC('DAY', `started_at`)", TIME)),
                    ("y", Field("Rows", "SUM(`rows_quarantined`)", NUMBER)),
                ), aggregated=True, description="ops.quarantine has each with its reason.")),
            )),
        )),
        Page("models", "Models and decisions", (
            counter_row(*map(figure, _FIGURES)),
            Row(7, (
                (6, Widget("aucs", "line", "AUC by version, on held-out students", "quality", (
                    ("x", Field("Evaluated", "`evaluated_at`", TIME)),
                    ("y", Field("AUC", "`auc`", NUMBER, "figure")),
                    ("color", Field("Model", "`model_name`")),
                ))),
                (6, Widget("eces", "line", "Calibration error by version", "quality", (
                    ("x", Field("Evaluated", "`evaluated_at`", TIME)),
                    ("y", Field("ECE", "`ece`", NUMBER, "figure")),
                    ("color", Field("Model", "`model_name`")),
                ))),
            )),
            Row(7, (
                (6, Widget("worth", "line", "Mean worth of recommendations", "policies", (
                    ("x", Field("Decided", "`decided_at`", TIME)),
                    ("y", Field("Mean reward", "`mean_reward`", NUMBER, "figure")),
                    ("color", Field("Policy", "`policy`")),
                ))),
                (6, Widget("drifts", "bar", "Items by drift", "drifting", (
                    ("x", Field("Drift", "`drift_status`")),
                    ("y", Field("Items", "COUNT(`item`)", NUMBER)),
                ), aggregated=True)),
            )),
        )),
        Page("spending", "Language models", (
            Row(7, (
                (6, Widget("tokens", "bar", "Tokens used", "spending", (
                    ("x", Field("Day", "`day`", TIME)),
                    ("y", Field("Tokens", "SUM(`tokens_used`)", NUMBER)),
                    ("color", Field("Task", "`task`")),
                ), aggregated=True)),
                (6, Widget("costs", "bar", "Cost", "spending", (
                    ("x", Field("Day", "`day`", TIME)),
                    ("y", Field("Cost", "SUM(`cost_usd`)", NUMBER, "currency")),
                    ("color", Field("Model", "`model`")),
                ), aggregated=True)),
            )),
            Row(7, (
                (6, Widget("waits", "line", "Time until an answer, 95 of 100", "spending", (
                    ("x", Field("Day", "`day`", TIME)),
                    ("y", Field("Milliseconds", "MAX(`latency_p95_ms`)", NUMBER)),
                    ("color", Field("Model", "`model`")),
                ), aggregated=True)),
                (6, Widget("held_back", "bar", "Explanations held back", "worded", (
                    ("x", Field("Day", "`day`", TIME)),
                    ("y", Field("Explanations", "SUM(`n_abstained`)", NUMBER)),
                    ("color", Field("For", "`audience`")),
                ), aggregated=True)),
            )),
        )),
    ),
)  # fmt: skip
