"""Ops contracts: what ran, what was read, what was refused, what was asked of a model."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table

PIPELINE_RUNS = Table(
    layer=Layer.OPS,
    name="pipeline_runs",
    comment="One row per task run, also of those that failed.",
    columns=(
        Column("run_id", "string", "the pipeline run the task belongs to"),
        Column("task", "string", "task name"),
        Column("as_of", "timestamp", "instant the run speaks about, UTC"),
        Column("started_at", "timestamp", "wall clock, UTC"),
        Column("ended_at", "timestamp", "wall clock, UTC"),
        Column("outcome", "string", "succeeded or failed"),
        Column("rows_in", "bigint", "rows read, where the task counted them", nullable=True),
        Column("rows_out", "bigint", "rows in what it wrote", nullable=True),
        Column("metrics", "map<string,double>", "figures the task reported"),
        Column(
            "error",
            "string",
            "the one-line error, which may quote a value; null if it succeeded",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column("fingerprint", "string", "hash of inputs, settings and code version"),
        Column(
            "basis",
            "string",
            "hash of settings, code version and erasures; null in runs of earlier versions",
            nullable=True,
        ),
        Column(
            "input_versions",
            "map<string,bigint>",
            "Delta version of each table the task reads, at its start, and of those it wrote, at "
            "its end; null as above",
            nullable=True,
        ),
    ),
    key=("run_id", "task", "started_at"),
    checks=(Check("outcome_known", "outcome IN ('succeeded', 'failed')"),),
    append_only=True,
)

LANDED_FILES = Table(
    layer=Layer.OPS,
    name="landed_files",
    comment="One row per landing file, as the ingest stream found it; files found together.",
    columns=(
        Column("source", "string", "source system, the folder below landing"),
        Column("file", "string", "landing file, as below its source's folder"),
        Column("batch_id", "bigint", "ingest batch; a batch is taken in as a whole"),
        Column("found_at", "timestamp", "as-of instant of the run that found it, UTC"),
    ),
    key=("source", "file", "batch_id"),
    append_only=True,
)

INGEST_AUDIT = Table(
    layer=Layer.OPS,
    name="ingest_audit",
    comment="One row per landing file: what was read, kept and quarantined.",
    columns=(
        Column("source", "string", "source system"),
        Column("file", "string", "landing file, as below its source's folder"),
        Column("table_name", "string", "bronze table it went to"),
        Column("content_hash", "string", "SHA-256 of the file's bytes"),
        Column("n_bytes", "bigint", "size of the file", unit="byte"),
        Column(
            "modified_ns",
            "bigint",
            "when the file was last written, since 1970; with its size it spares reading it again",
            unit="ns",
            nullable=True,
        ),
        Column("rows_read", "bigint", "records counted in the file, apart from the ingest"),
        Column("rows_kept", "bigint", "rows that reached bronze"),
        Column("rows_quarantined", "bigint", "rows that went to ops.quarantine"),
        Column("batch_id", "bigint", "ingest batch"),
        Column("ingested_at", "timestamp", "as-of instant of the run, UTC"),
        Column("layout", "string", "kind of file, by the name it goes by", nullable=True),
        Column(
            "columns",
            "map<string,string>",
            "columns of the file and of its layout: known, added or missing_optional",
            nullable=True,
        ),
        Column(
            "refused_share",
            "map<string,double>",
            "share of the rows refused for a column, 0 to 1; columns without any are left out",
            nullable=True,
        ),
    ),
    key=("source", "file"),
    checks=(Check("nothing_lost", "rows_read = rows_kept + rows_quarantined"),),
    append_only=True,
)

SOURCE_COLUMNS = Table(
    layer=Layer.OPS,
    name="source_columns",
    comment="One row per column that a kind of file has, had or should have.",
    columns=(
        Column("source", "string", "source system"),
        Column("layout", "string", "kind of file, by the name it goes by"),
        Column("column", "string", "name in the files"),
        Column(
            "status",
            "string",
            "known; added: not named by the layout, kept in extras or body; missing_optional; "
            "missing_required: the source is stopped; type_changed: it breaks a rule it kept",
        ),
        Column("file", "string", "latest landing file that shows it"),
        Column("first_seen_at", "timestamp", "run that read it first, UTC", nullable=True),
        Column("last_seen_at", "timestamp", "run that read it last, UTC", nullable=True),
        Column("changed_at", "timestamp", "run since which the status is what it is, UTC"),
        Column("refused_share", "double", "rows refused for it when it was read last, 0 to 1"),
        Column("is_change", "boolean", "changed by the latest delivery of its kind of file"),
    ),
    key=("source", "layout", "column"),
    checks=(
        Check(
            "status_known",
            "status IN ('known', 'added', 'missing_optional', 'missing_required', 'type_changed')",
        ),
    ),
)

STOPPED_SOURCES = Table(
    layer=Layer.OPS,
    name="stopped_sources",
    comment="One row per source of which nothing is taken in until a file of it is put right.",
    columns=(
        Column("source", "string", "source system, the folder below landing"),
        Column("file", "string", "landing file at fault, as below its source's folder"),
        Column("columns", "string", "columns the file lacks, with commas between", nullable=True),
        Column(
            "error",
            "string",
            "what is wrong and how to put it right, which may quote a value",
            privacy=Privacy.PERSONAL,
        ),
        Column("stopped_at", "timestamp", "run that stopped it first, UTC"),
        Column("tried_at", "timestamp", "run that met the error last, UTC"),
    ),
    key=("source",),
)

QUARANTINE = Table(
    layer=Layer.OPS,
    name="quarantine",
    comment="Rows refused, as received, with the reason.",
    columns=(
        Column("stage", "string", "task that refused the row"),
        Column("source", "string", "source system"),
        Column("table_name", "string", "table the row was meant for"),
        Column("file", "string", "landing file"),
        Column("row", "bigint", "record number in that file"),
        Column("column", "string", "column at fault; null if the whole row", nullable=True),
        Column("reason", "string", "what is wrong, quoting the value", privacy=Privacy.PERSONAL),
        Column("received", "string", "the row as received", privacy=Privacy.IDENTIFIER),
        Column(
            "owner",
            "string",
            "whose row it is: student id in the source, else the assignment log of an unknown "
            "student, else empty; null where nobody looked",
            nullable=True,
            privacy=Privacy.IDENTIFIER,
        ),
        Column("batch_id", "bigint", "ingest batch"),
        Column("quarantined_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("stage", "source", "file", "row", "reason"),
    deletion_vectors=True,
)

ERASURES = Table(
    layer=Layer.OPS,
    name="erasures",
    comment="What each erasure of a student searched, found and left; names no student.",
    columns=(
        Column("erasure_id", "string", "random token of the erasure; leads to nobody"),
        Column(
            "phase",
            "string",
            "found: before anything was deleted; rewritten: a file without the student; model: "
            "learnt from the student; left: after deletion; concluded: the report was written",
        ),
        Column("place", "string", "table, file, model version, or what was searched"),
        Column("n", "bigint", "rows, records or places; null for a model", nullable=True),
        Column("detail", "string", "how it was searched, or what the model did with the student"),
        Column("due_at", "timestamp", "when a model is trained anew, UTC", nullable=True),
        Column("noted_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("erasure_id", "phase", "place"),
    checks=(Check("phase_known", "phase IN ('found', 'rewritten', 'model', 'left', 'concluded')"),),
    append_only=True,
)

LLM_CALLS = Table(
    layer=Layer.OPS,
    name="llm_calls",
    comment="One row per request to a language model, also of those that failed; no student.",
    columns=(
        Column("call_id", "string", "random"),
        Column("run_id", "string", "the pipeline run it belongs to"),
        Column("task", "string", "task that asked"),
        Column("prompt_version", "string", "of the instructions"),
        Column("model", "string", "deployment that was asked"),
        Column("served_model", "string", "model that answered, if the service says", nullable=True),
        Column(
            "outcome",
            "string",
            "answered, refused, content_filter, truncated, invalid, rate_limited, server_error, "
            "timeout, unreachable or given_up",
        ),
        Column("attempt", "int", "1 for the first time that a prompt was sent"),
        Column("in_batch", "boolean", "part of a batch, at half the price"),
        Column("input_tokens", "bigint", "null if the service did not say", nullable=True),
        Column("cached_tokens", "bigint", "of them, read from a cache", nullable=True),
        Column("output_tokens", "bigint", "null if the service did not say", nullable=True),
        Column("reasoning_tokens", "bigint", "of them, not shown", nullable=True),
        Column("cost_usd", "double", "by the price table", unit="US dollar"),
        Column("latency_ms", "bigint", "until it ended; null in a batch", nullable=True, unit="ms"),
        Column("requested_at", "timestamp", "wall clock, UTC"),
    ),
    key=("call_id",),
    append_only=True,
)


def _twice(
    name: str, kind: str, comment: str, unit: str = "", *, known: bool = True
) -> list[Column]:
    """One figure before and after the upkeep of a table."""
    return [
        Column(f"{name}_{moment}", kind, f"{comment}, {moment}", nullable=not known, unit=unit)
        for moment in ("before", "after")
    ]


TABLE_HEALTH = Table(
    layer=Layer.OPS,
    name="table_health",
    comment="One row per table and run of maintain_tables: its files, and what was done for them.",
    columns=(
        Column("as_of", "timestamp", "instant of the run, UTC"),
        Column("table_name", "string", "table, as schema.table of the contracts"),
        Column("n_rows", "bigint", "rows the table has, after"),
        Column("rows_expired", "bigint", "rows deleted because they were past their retention"),
        *_twice("files", "bigint", "files of the table's last version"),
        *_twice("small_files", "bigint", "of them, below maintenance.small_file_bytes"),
        *_twice("bytes", "bigint", "size of these files", "byte"),
        *_twice(
            "stored_bytes",
            "bigint",
            "size of all files in storage, those of older versions too; null in a catalog",
            "byte",
            known=False,
        ),
        *_twice(
            "deleted_share",
            "double",
            "share of rows in the files that deletion vectors leave out; null if unknown",
            known=False,
        ),
        Column("steps", "array<string>", "what was done: optimize, purge, vacuum, analyze"),
        Column("left_out", "string", "what was not done, and why; null if nothing", nullable=True),
        Column("care", "array<string>", "what the table still needs, in words; empty if nothing"),
        Column("seconds", "double", "time it took", unit="s"),
    ),
    key=("as_of", "table_name"),
    append_only=True,
)

TABLES = (
    PIPELINE_RUNS,
    LANDED_FILES,
    INGEST_AUDIT,
    SOURCE_COLUMNS,
    STOPPED_SOURCES,
    QUARANTINE,
    LLM_CALLS,
    ERASURES,
    TABLE_HEALTH,
)
