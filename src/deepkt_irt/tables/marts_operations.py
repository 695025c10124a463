"""What an operator looks at: what is late, broken or expensive."""

from deepkt_irt.tables.contract import Column, Layer, View
from deepkt_irt.tables.ops import LLM_CALLS, PIPELINE_RUNS

OPERATIONS = View(
    layer=Layer.GOLD,
    name="operations",
    comment="Every run of every task: how long it took, how it ended, what it took in.",
    columns=(
        Column("run_id", "string", "the pipeline run the task belongs to"),
        Column("task", "string", "task name"),
        Column("as_of", "timestamp", "instant the run speaks about, UTC"),
        Column("started_at", "timestamp", "wall clock, UTC"),
        Column("ended_at", "timestamp", "wall clock, UTC"),
        Column("seconds", "double", "time it took", unit="s"),
        Column("outcome", "string", "succeeded or failed"),
        Column("has_failed", "boolean", "it failed"),
        Column("is_last", "boolean", "the task has not run since"),
        Column("rows_in", "bigint", "rows read, where the task counted them", nullable=True),
        Column("rows_out", "bigint", "rows in what it wrote", nullable=True),
        Column("rows_received", "bigint", "rows of landing files; null of other tasks",
               nullable=True),
        Column("rows_quarantined", "bigint", "of them, those refused", nullable=True),
        Column("auc", "double", "of the model trained, on held-out students; null of other tasks",
               nullable=True),
    ),
    key=("run_id", "task", "started_at"),
    reads=(PIPELINE_RUNS,),
    query="""
SELECT run_id, task, as_of, started_at, ended_at,
       (unix_micros(ended_at) - unix_micros(started_at)) / 1e6D AS seconds,
       outcome, outcome = 'failed' AS has_failed,
       row_number() OVER (PARTITION BY task ORDER BY started_at DESC, run_id DESC) = 1 AS is_last,
       rows_in, rows_out,
       CASE WHEN task = 'ingest_bronze' THEN CAST(metrics['rows_read'] AS bigint)
       END AS rows_received,
       CASE WHEN task = 'ingest_bronze' THEN CAST(metrics['rows_quarantined'] AS bigint)
       END AS rows_quarantined,
       CASE WHEN task IN ('train_sakt', 'train_wd_irt') THEN metrics['auc'] END AS auc
FROM {pipeline_runs}
""",
)  # fmt: skip

LLM_USAGE = View(
    layer=Layer.GOLD,
    name="llm_usage",
    comment="What language models were asked each day, what it cost and how long it took.",
    columns=(
        Column("day", "date", "asked on, UTC"),
        Column("task", "string", "task that asked"),
        Column("model", "string", "deployment that was asked"),
        Column("prompt_version", "string", "of the instructions"),
        Column("n_requests", "bigint", "requests, those that failed too"),
        Column("n_answered", "bigint", "requests that were answered"),
        Column("input_tokens", "bigint", "as far as the service said"),
        Column("cached_tokens", "bigint", "of them, read from a cache"),
        Column("output_tokens", "bigint", "as far as the service said"),
        Column("tokens_used", "bigint", "input and output together"),
        Column("cost_usd", "double", "by the price table", unit="US dollar"),
        Column("latency_median_ms", "double", "until a request ended; null in a batch",
               nullable=True, unit="ms"),
        Column("latency_p95_ms", "double", "95 of 100 ended sooner", nullable=True, unit="ms"),
    ),
    key=("day", "task", "model", "prompt_version"),
    reads=(LLM_CALLS,),
    query="""
SELECT to_date(requested_at) AS day, task, model, prompt_version, count(*) AS n_requests,
       count_if(outcome = 'answered') AS n_answered,
       coalesce(sum(input_tokens), 0) AS input_tokens,
       coalesce(sum(cached_tokens), 0) AS cached_tokens,
       coalesce(sum(output_tokens), 0) AS output_tokens,
       coalesce(sum(input_tokens), 0) + coalesce(sum(output_tokens), 0) AS tokens_used,
       sum(cost_usd) AS cost_usd,
       percentile(latency_ms, 0.5) AS latency_median_ms,
       percentile(latency_ms, 0.95) AS latency_p95_ms
FROM {llm_calls}
GROUP BY to_date(requested_at), task, model, prompt_version
""",
)  # fmt: skip
