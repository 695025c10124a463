"""Task explain_students: why each student is recommended what comes next."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd

from deepkt_irt.jobs.content_index import ContentPlace
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.evidence_input import (
    READS,
    Material,
    evidence_of_row,
    first_recommendations,
    material_of,
    recommended,
    wanted_rows,
)
from deepkt_irt.jobs.explanation_records import PROMPT, Tracing, register_wording
from deepkt_irt.jobs.reading import held_if_few
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.rag.chat import Call
from deepkt_irt.rag.explainer import OFFLINE, Explainer, Explanation, explained_offline
from deepkt_irt.rag.opening import open_explainer
from deepkt_irt.rag.prompts import VERSION
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS
from deepkt_irt.tables.gold_explanations import NOT_ASKED, NOT_REACHED, RAG_EXPLANATIONS
from deepkt_irt.tables.ops import LLM_CALLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_ABOUT = ("student_key", "audience", "skill_id", "item_id", "decision_id", "inputs_hash")
_SAME = ("student_key", "audience", "inputs_hash")
_WRITES = (RAG_EXPLANATIONS, LLM_CALLS)
Batches = Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]


@task(reads=(*READS, RAG_EXPLANATIONS), writes=_WRITES, extra="rag", prompts=(PROMPT,))
def explain_students(ctx: JobContext) -> Metrics:
    """Explain to teachers and students what is recommended, from evidence and cited passages.

    Only what rests on other figures or passages than before is worked out and written; the rest
    stays as it is. Looked at are students about whom something else was decided since, and those
    whom a model did not get to; everybody where passages changed, at the first run, after other
    settings, another version of the package or an erasure. The same evidence is asked about once,
    whoever it is of. What a model is asked is registered in MLflow, and leaves traces there without
    a student. Without a language model (chat.provider=offline), beyond the budget, or where an
    answer does not hold against its evidence, the explanation is made of fixed sentences and marked
    offline. Safe to run again: what a model worded before a run was cut off is kept and not paid
    for twice.
    """
    explainer = open_explainer(ctx.settings)
    model = explainer.model if explainer else OFFLINE
    among = _to_look_at(ctx, model)
    place = ContentPlace(ctx.read, ctx.full_name, ctx.embedders)
    material = material_of(place, recommended(ctx, among), ctx.settings)
    calls: list[Call] = []
    if material:
        wanted = wanted_rows(ctx, material, among)
        calls = _word(ctx, wanted, material, explainer) if explainer else []
        _complete(ctx, wanted, material, model=model)
    _delete_unwanted(ctx)
    return _metrics(ctx, calls)


def _to_look_at(ctx: JobContext, model: str) -> "DataFrame | None":
    """student_key of those whose explanation may no longer be what it should; None: of all."""
    decided, passages = ctx.changes(BANDIT_RECOMMENDATIONS), ctx.changes(CONTENT_EMBEDDINGS)
    if decided is None or passages is None or not passages.isEmpty():
        return None
    told, known = ctx.read(RAG_EXPLANATIONS), _known(ctx, model)
    unworded = told.join(known, list(RAG_EXPLANATIONS.key), "left_anti")
    either = decided.select("student_key").unionByName(unworded.select("student_key"))
    return held_if_few(either.distinct())


def _changed(wanted: "DataFrame", known: "DataFrame") -> "DataFrame":
    """Wanted rows but for those that are known and rest on the same as before."""
    return wanted.join(known.select(*_SAME), list(_SAME), "left_anti")


def _known(ctx: JobContext, model: str, *, of_now: bool = False) -> "DataFrame":
    """Explanations by today's instructions and this model; if asked, also what it failed on now."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    is_known = (F.col("model") == model) | (F.size("sources") == 0)  # no model is asked about none
    if of_now:
        is_known |= (F.col("model") == OFFLINE) & (F.col("explained_at") == F.lit(ctx.as_of))
    return ctx.read(RAG_EXPLANATIONS).filter((F.col("prompt_version") == VERSION) & is_known)


def _with_hashes(rows: "DataFrame", material: Material) -> "DataFrame":
    """Rows with the hash of their evidence, which is the same for many students."""

    def run(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            found = [
                evidence_of_row(row, row["audience"], material).hash
                for row in batch.to_dict("records")
            ]
            yield batch.assign(evidence_hash=found)

    types = ", ".join(f"{name} {kind}" for name, kind in rows.dtypes)
    return rows.mapInPandas(run, f"{types}, evidence_hash string")


def _word(
    ctx: JobContext, wanted: "DataFrame", material: Material, explainer: Explainer
) -> list[Call]:
    """Let a model word what is new, and keep it in portions: what was paid for is not lost."""
    settings = ctx.settings
    known = _known(ctx, explainer.model)
    changed = _with_hashes(_changed(wanted, known), material)
    new = changed.join(known.select("evidence_hash"), "evidence_hash", "left_anti")
    # in the order of hashes, so that the same evidence is in one portion
    some = new.orderBy("evidence_hash", "student_key").limit(settings.explanation.max_per_run)
    rows = some.toPandas().to_dict("records")
    found = [(row, evidence_of_row(row, row["audience"], material)) for row in rows]
    asked = [(row, evidence) for row, evidence in found if evidence.sources]
    size = len(asked) if settings.chat.batch_deployment else settings.explanation.per_write
    calls: list[Call] = []
    tracing = Tracing(ctx, len(asked), is_registered=bool(asked) and register_wording(ctx))
    for start in range(0, len(asked), max(1, size)):
        portion = asked[start : start + size]
        explained = explainer.explain([evidence for _, evidence in portion])
        _note_calls(ctx, explained.calls)
        values = [
            _row(row, explanation, ctx.as_of)
            for (row, _), explanation in zip(portion, explained.explanations, strict=True)
        ]
        ctx.upsert(RAG_EXPLANATIONS, ctx.frame(RAG_EXPLANATIONS, pd.DataFrame(values)))
        tracing.keep(explained.accounts, student_keys=[row["student_key"] for row, _ in portion])
        calls += explained.calls
        ctx.progress(f"{start + len(portion):,} of {len(asked):,} asked about")
    return calls


def _complete(ctx: JobContext, wanted: "DataFrame", material: Material, *, model: str) -> None:
    """What is still to be explained: as it is known of others, or else offline."""
    known = _known(ctx, model, of_now=True)
    rows = _changed(wanted, known)
    if model != OFFLINE:  # fixed sentences are sooner made than looked up
        others = _one_each(known).drop(*_ABOUT)
        rows = _with_hashes(rows, material).join(others, "evidence_hash", "left")
    reason = NOT_ASKED if model == OFFLINE else NOT_REACHED
    types = ", ".join(f"{column.name} {column.type}" for column in RAG_EXPLANATIONS.columns)
    ctx.upsert(RAG_EXPLANATIONS, rows.mapInPandas(_completing(material, reason, ctx.as_of), types))


def _one_each(known: "DataFrame") -> "DataFrame":
    """One explanation for each evidence; the verified before others."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    best = Window.partitionBy("evidence_hash").orderBy(
        F.desc("outcome"), F.desc("explained_at"), "student_key", "audience"
    )
    return known.withColumn("place", F.row_number().over(best)).filter("place = 1").drop("place")


def _completing(material: Material, reason: str, as_of: datetime) -> Batches:
    """Explain in a Spark worker what is not known yet, without a network."""
    columns = list(RAG_EXPLANATIONS.column_names)

    def completed(row: Mapping[Any, Any]) -> Mapping[Any, Any]:
        if isinstance(row.get("model"), str):
            return row
        evidence = evidence_of_row(row, row["audience"], material)
        return _row(row, explained_offline(evidence, evidence.no_sources or reason), as_of)

    def run(batches: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            rows = [completed(row) for row in batch.to_dict("records")]
            yield pd.DataFrame(rows, columns=columns)

    return run


def _delete_unwanted(ctx: JobContext) -> None:
    """Delete what is told about students to whom nothing is recommended any more."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    audiences = ctx.settings.explanation.audiences
    first = first_recommendations(ctx)
    told = ctx.read(RAG_EXPLANATIONS)
    if told.count() == first.count() * len(audiences):  # all wanted are there by now, so no others
        return
    each = F.explode(F.array(*map(F.lit, audiences))).alias("audience")
    key = list(RAG_EXPLANATIONS.key)
    wanted = first.select("student_key", each)
    ctx.delete_matching(RAG_EXPLANATIONS, told.select(*key).join(wanted, key, "left_anti"))


def _row(about: Mapping[Any, Any], explanation: Explanation, as_of: datetime) -> dict[str, Any]:
    """A row of gold.rag_explanations."""
    answer, evidence = explanation.answer, explanation.evidence
    return {
        **{name: about[name] for name in _ABOUT},
        "locale": evidence.locale,
        "summary": [{"text": each.text, "facts": each.facts} for each in answer.summary],
        "steps": [{"text": each.text, "sources": each.sources} for each in answer.steps],
        "next_action": answer.next_action.text,
        "facts": [
            {"ref": each.ref, "kind": each.kind, "text": each.text} for each in evidence.facts
        ],
        "sources": [
            {"ref": each.ref, "chunk_id": each.chunk_id, "title": each.title}
            for each in evidence.sources
        ],
        "outcome": explanation.outcome,
        "offline_reason": explanation.reason,
        "problems": explanation.problems or None,
        "reading_grade": explanation.grade,
        "evidence_hash": evidence.hash,
        "prompt_version": explanation.prompt_version,
        "model": explanation.model,
        "explained_at": as_of,
    }


def _note_calls(ctx: JobContext, calls: Sequence[Call]) -> None:
    if not calls:
        return
    rows = [
        {
            "call_id": call.call_id,
            "run_id": ctx.run_id,
            "task": explain_students.__name__,
            "prompt_version": call.prompt_version,
            "model": call.model,
            "served_model": call.served_model,
            "outcome": call.outcome.value,
            "attempt": call.attempt,
            "in_batch": call.in_batch,
            "input_tokens": call.usage.input if call.usage else None,
            "cached_tokens": call.usage.cached if call.usage else None,
            "output_tokens": call.usage.output if call.usage else None,
            "reasoning_tokens": call.usage.reasoning if call.usage else None,
            "cost_usd": call.cost_usd,
            "latency_ms": call.latency_ms,
            "requested_at": call.requested_at,
        }
        for call in calls
    ]
    frame = ctx.frame(LLM_CALLS, pd.DataFrame(rows, dtype=object))  # so that None stays None
    ctx.append(LLM_CALLS, frame, app_id=calls[0].call_id, version=1)


def _metrics(ctx: JobContext, calls: Sequence[Call]) -> Metrics:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    counts = ctx.read(RAG_EXPLANATIONS).agg(
        F.count_if(F.col("audience") == ctx.settings.explanation.audiences[0]).alias("students"),
        F.count_if(F.expr("outcome = 'verified'")).alias("verified"),
        F.count_if(F.expr("outcome = 'offline'")).alias("offline"),
        F.count_if(F.expr("size(sources) = 0")).alias("without_sources"),
        F.count_if(F.col("explained_at") == F.lit(ctx.as_of)).alias("new"),
    )
    usages = [call.usage for call in calls if call.usage]
    return {
        **{name: float(n) for name, n in counts.collect()[0].asDict().items()},
        "requests": float(len(calls)),
        "tokens_used": float(sum(each.input + each.output for each in usages)),
        "cost_usd": sum(call.cost_usd for call in calls),
    }
