"""What explanations rest on: one row of figures for each student who is recommended something."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import pandas as pd

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.content_index import ContentPlace, open_index
from deepkt_irt.jobs.reading import item_label
from deepkt_irt.rag.evidence import (
    EVIDENCE_VERSION,
    Audience,
    Evidence,
    Observed,
    Source,
    evidence_of,
)
from deepkt_irt.rag.explainer import passages, sources_among
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_ATTENTION, STUDENT_MASTERY
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS
from deepkt_irt.tables.quality import matching
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

READS = (
    BANDIT_RECOMMENDATIONS,
    STUDENT_MASTERY,
    SAKT_ATTENTION,
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    SKILLS,
    CONTENT_EMBEDDINGS,
)
"""Tables that explanations rest on."""

Material = Mapping[tuple[str, str, Audience], tuple[tuple[Source, ...], str]]
"""By skill, item and audience: passages that may be cited, or why there are none."""


class Reading(Protocol):
    """What is read, by which settings; a task's context is one."""

    spark: "SparkSession"

    @property
    def settings(self) -> Settings:
        """Of the run."""
        ...

    def read(self, table: Table) -> "DataFrame":
        """Rows of a table."""
        ...


def wanted_rows(ctx: Reading, material: Material, among: "DataFrame | None" = None) -> "DataFrame":
    """A row for each student and audience: what is observed, and `inputs_hash`.

    The hash is of all that an explanation is worked out from, but for who it is about. It is Spark
    that makes it, so that no Python is needed to see that nothing changed.

    Args:
        ctx: What is read.
        material: Passages for every item recommended to these students.
        among: student_key of those meant; None: all.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    seen = observed_rows(ctx, among)
    figures = [name for name in seen.columns if name not in ("student_key", "decision_id")]
    pair = ("skill_id", "item_id")
    columns = (*pair, "audience", "passages")
    rows = [(*key, _hash_of(sources, why)) for key, (sources, why) in material.items()]
    passages = ctx.spark.createDataFrame(
        pd.DataFrame(rows, columns=columns), ", ".join(f"{name} string" for name in columns)
    )
    inputs = F.to_json(F.struct(*figures, "audience", "passages"))
    return (
        seen.join(F.broadcast(passages), list(pair))
        .withColumn("inputs_hash", F.sha2(inputs, 256))
        .drop("passages")
    )


def _hash_of(sources: tuple[Source, ...], why: str) -> str:
    return hashlib.sha256(repr((EVIDENCE_VERSION, sources, why)).encode()).hexdigest()


def observed_rows(ctx: Reading, among: "DataFrame | None" = None) -> "DataFrame":
    """One row a student: the first recommendation, and what is known on its skill.

    Shares are rounded to whole percent, as they are told: what moves by less changes nothing.
    Nothing that a student wrote is among the columns: an answer is only counted with others.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = ["student_key", "skill_id"]
    mastery = ctx.read(STUDENT_MASTERY).select(
        *own, "mastery", "mastery_low", "mastery_high", "n_responses"
    )
    raising, lowering = "x -> x.signed_effect > 0", "x -> x.signed_effect < 0"
    moved = ctx.read(SAKT_ATTENTION).select(
        *own,
        F.expr(f"size(filter(influences, {raising}))").alias("n_raising"),
        F.expr(f"size(filter(influences, {lowering}))").alias("n_lowering"),
    )
    first = recommended(ctx, among)
    rows = (
        first.join(mastery, own, "left")
        .join(moved, own, "left")
        .join(_lately(ctx, first_recommendations(ctx, among).select(*own)), own, "left")
    )
    return rows.withColumns({name: F.round(name, _DECIMALS) for name in _SHARES})


def first_recommendations(ctx: Reading, among: "DataFrame | None" = None) -> "DataFrame":
    """One row a student, of all or of those meant: what is explained."""
    first = ctx.read(BANDIT_RECOMMENDATIONS).filter("rank = 1")
    return first if among is None else matching(first, [among])


def recommended(ctx: Reading, among: "DataFrame | None" = None) -> "DataFrame":
    """One row a student: the first recommendation, with the names of item and skill."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    names = ctx.read(SKILLS).select("skill_id", F.col("name").alias("skill"))
    return (
        first_recommendations(ctx, among)
        .select("student_key", "skill_id", "item_id", "decision_id", "p_correct", "reason")
        .join(names, "skill_id", "left")
        .join(_labels(ctx), "item_id", "left")
    )


def _labels(ctx: Reading) -> "DataFrame":
    return ctx.read(ITEMS).select("item_id", item_label("item"))


def _lately(ctx: Reading, wanted: "DataFrame") -> "DataFrame":
    """The last graded answers on the wanted skills, and whether the last wrong one is common."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = ["student_key", "skill_id"]
    graded = ctx.read(CANONICAL_LEARNING_EVENTS).filter("correct IS NOT NULL")
    on_skill = graded.select(
        *("student_key", "skill_ids", "sequence_number", "correct", "item_id", "answer")
    ).join(F.broadcast(wanted), "student_key")  # else it is all events that are sent around
    answers = F.array_sort(F.collect_list(F.struct("sequence_number", "correct")))
    n = ctx.settings.explanation.recent_answers
    wrong = F.when(~F.col("correct"), F.struct("item_id", "answer"))
    latest = F.when(~F.col("correct"), F.col("sequence_number"))
    summed = (
        on_skill.filter("array_contains(skill_ids, skill_id)")
        .groupBy(*own)
        .agg(answers["correct"].alias("answers"), F.max_by(wrong, latest).alias("wrong"))
        .withColumn("recent", F.expr(f"slice(answers, -least({n}, size(answers)), {n})"))
    )
    named = summed.select(*own, "recent", "wrong.item_id", "wrong.answer")
    common = _common_mistakes(ctx, graded).join(_labels(ctx), "item_id", "left")
    return named.join(F.broadcast(common), ["item_id", "answer"], "left").select(
        *own, "recent", F.col("item").alias("common_item"), "common_share", "common_n"
    )


def _common_mistakes(ctx: Reading, graded: "DataFrame") -> "DataFrame":
    """Wrong answers that many give: those of few, and what only a few wrote, are left out."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    settings = ctx.settings.explanation
    wrong = graded.filter("NOT correct AND answer IS NOT NULL")
    return (
        wrong.groupBy("item_id", "answer")
        .agg(F.count("*").alias("n"))
        .withColumn("common_n", F.sum("n").over(Window.partitionBy("item_id")))
        .withColumn("common_share", F.col("n") / F.col("common_n"))
        .filter(F.col("common_n") >= settings.min_wrong_answers)
        .filter(F.col("common_share") >= settings.common_share)
        .drop("n")
    )


def material_of(place: ContentPlace, first: "DataFrame", settings: Settings) -> Material:
    """Passages for every recommended item; there are no more of them than items.

    Args:
        place: Where the library is.
        first: As `recommended` gives it.
        settings: Of the run.

    Raises:
        BackendUnavailable: If the embedder or the index does not answer.
    """
    columns = ("skill_id", "item_id", "skill", "item")
    pairs = first.select(*columns).distinct().collect()
    given = settings.explanation
    try:
        index = open_index(place, settings.content)
    except NoData:
        nothing: tuple[tuple[Source, ...], str] = ((), "the content library is empty")
        return {
            (row["skill_id"], row["item_id"], audience): nothing
            for row in pairs
            for audience in given.audiences
        }
    found: dict[tuple[str, str, Audience], tuple[tuple[Source, ...], str]] = {}
    for row in pairs:
        question = " ".join(filter(None, (row["skill"], row["item"])))
        hits = passages(index, skill_id=row["skill_id"], question=question, settings=given)
        for audience in given.audiences:
            hidden = row["item_id"] if audience == "student" else None
            key = (row["skill_id"], row["item_id"], audience)
            found[key] = sources_among(hits, hidden_item=hidden, settings=given)
    return found


def evidence_of_row(row: Mapping[Any, Any], audience: Audience, material: Material) -> Evidence:
    """The evidence for one explanation, from a row of `observed_rows`."""
    sources, why = material[row["skill_id"], row["item_id"], audience]
    return evidence_of(_observed(row), sources, audience=audience, no_sources=why)


def _observed(row: Mapping[Any, Any]) -> Observed:
    known = {name: _known(row[name]) for name in _FIGURES}
    counts = {name: int(_known(row[name]) or 0) for name in ("n_raising", "n_lowering")}
    whole = {name: None if known[name] is None else int(known[name]) for name in _WHOLE}
    recent = row["recent"]
    return Observed(
        **{**known, **whole, **counts},
        skill=row["skill"] or "",
        reason=row["reason"],
        recent=tuple(bool(each) for each in recent) if recent is not None else (),
    )


_DECIMALS = 2
_SHARES = ("p_correct", "mastery", "mastery_low", "mastery_high", "common_share")
_FIGURES = (*_SHARES, "item", "n_responses", "common_item", "common_n")
_WHOLE = ("n_responses", "common_n")


def _known(value: Any) -> Any:  # noqa: ANN401 - a value of pandas
    """None where pandas says NaN."""
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN only
