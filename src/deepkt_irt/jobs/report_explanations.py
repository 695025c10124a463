"""Reads how explanations came out and how their material is found, for the report."""

from typing import Any

from deepkt_irt.jobs.reading import Read
from deepkt_irt.rag.retrieval_quality import MODES
from deepkt_irt.reporting.explanation_report import (
    ExplanationReport,
    Outcomes,
    Retrieval,
    SearchFigures,
    Spending,
)
from deepkt_irt.tables.gold_content import RETRIEVAL_EVALUATIONS
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.ops import LLM_CALLS

READS = (RAG_EXPLANATIONS, LLM_CALLS, RETRIEVAL_EVALUATIONS)
_SECOND = "yyyy-MM-dd HH:mm"


def explanation_report(read: Read) -> ExplanationReport:
    """Explanations as they stand, what the last ones cost, and the last look at the search."""
    return ExplanationReport(_outcomes(read), _reasons(read), _spending(read), _retrieval(read))


def _outcomes(read: Read) -> tuple[Outcomes, ...]:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counted = (
        read(RAG_EXPLANATIONS)
        .groupBy("audience")
        .agg(
            F.count("*").alias("n"),
            F.count_if(F.expr("outcome = 'verified'")).alias("n_verified"),
            F.count_if(F.expr("size(sources) = 0")).alias("n_without_sources"),
            F.avg("reading_grade").alias("grade"),
            F.max("reading_grade").alias("hardest"),
        )
    )
    return tuple(Outcomes(**row.asDict()) for row in counted.orderBy("audience").collect())


def _reasons(read: Read) -> tuple[tuple[str, int], ...]:
    """Reasons without their figures and kinds, or each explanation would have its own."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    plain = F.regexp_replace("offline_reason", r"\s*[:(].*$", "").alias("reason")
    counted = read(RAG_EXPLANATIONS).filter("outcome = 'offline'").groupBy(plain).count()
    rows = counted.orderBy(F.desc("count"), "reason").collect()
    return tuple((row["reason"], row["count"]) for row in rows)


def _spending(read: Read) -> Spending | None:
    """Of the run whose last request is the last of all."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    runs = (
        read(LLM_CALLS)
        .groupBy("run_id")
        .agg(
            F.max("requested_at").alias("last"),
            F.count("*").alias("n_requests"),
            F.count_if(F.expr("outcome = 'answered'")).alias("n_answered"),
            F.sum(F.expr("coalesce(input_tokens, 0) + coalesce(output_tokens, 0)")).alias("tokens"),
            F.sum("cost_usd").alias("cost_usd"),
        )
    )
    at = F.date_format("last", _SECOND).alias("requested_at")
    latest = runs.orderBy(F.desc("last"), "run_id").select("*", at).drop("run_id", "last").first()
    return Spending(**latest.asDict()) if latest else None


def _retrieval(read: Read) -> Retrieval | None:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    at = F.date_format("evaluated_at", _SECOND).alias("at")
    rows = read(RETRIEVAL_EVALUATIONS).select("*", at).collect()
    if not rows:
        return None
    last = max(rows, key=lambda row: (row["evaluated_at"], row["evaluation_id"]))
    own = [row for row in rows if row["evaluation_id"] == last["evaluation_id"]]
    return Retrieval(
        evaluated_at=f"{last['at']} UTC",
        protocol=last["protocol"].replace("_", " "),
        data_version=last["data_version"],
        embedder=last["embedder"],
        n_questions=last["n_questions"],
        n_chunks=last["n_chunks"],
        searches=tuple(
            _search(row) for row in sorted(own, key=lambda row: MODES.index(row["search"]))
        ),
    )


def _search(row: Any) -> SearchFigures:  # noqa: ANN401 - a Spark row
    return SearchFigures(
        search=row["search"],
        recall=(row["recall_at_1"], row["recall_at_5"], row["recall_at_10"]),
        interval=(row["recall_at_5_low"], row["recall_at_5_high"]),
        mrr=row["mrr"],
        ndcg=row["ndcg"],
    )
