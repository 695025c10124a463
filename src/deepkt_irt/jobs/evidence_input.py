"""What explanations rest on: one row of figures for each student who is recommended something."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.content_index import ContentPlace, open_index
from deepkt_irt.rag.evidence import Audience, Evidence, Observed, Source, evidence_of
from deepkt_irt.rag.explainer import passages, sources_among
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_ATTENTION, STUDENT_MASTERY
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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

    @property
    def settings(self) -> Settings:
        """Of the run."""
        ...

    def read(self, table: Table) -> "DataFrame":
        """Rows of a table."""
        ...


def observed_rows(ctx: Reading) -> "DataFrame":
    """One row a student: the first recommendation, and what is known on its skill.

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
    first = recommended(ctx)
    return (
        first.join(mastery, own, "left")
        .join(moved, own, "left")
        .join(_lately(ctx, first.select(*own)), own, "left")
    )


def recommended(ctx: Reading) -> "DataFrame":
    """One row a student: the first recommendation, with the names of item and skill."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    names = ctx.read(SKILLS).select("skill_id", F.col("name").alias("skill"))
    return (
        ctx.read(BANDIT_RECOMMENDATIONS)
        .filter("rank = 1")
        .select("student_key", "skill_id", "item_id", "decision_id", "p_correct", "reason")
        .join(names, "skill_id", "left")
        .join(_labels(ctx), "item_id", "left")
    )


def _labels(ctx: Reading) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return ctx.read(ITEMS).select("item_id", F.coalesce("title", "source_item_id").alias("item"))


def _lately(ctx: Reading, wanted: "DataFrame") -> "DataFrame":
    """The last graded answers on the wanted skills, and whether the last wrong one is common."""
    from pyspark.sql import Window  # noqa: PLC0415 - start without Spark
    from pyspark.sql import functions as F  # noqa: PLC0415

    own = ["student_key", "skill_id"]
    graded = ctx.read(CANONICAL_LEARNING_EVENTS).filter("correct IS NOT NULL")
    on_skill = graded.select(
        "student_key",
        F.explode("skill_ids").alias("skill_id"),
        *("sequence_number", "correct", "item_id", "answer"),
    ).join(wanted, own)
    newest = Window.partitionBy(*own).orderBy(F.desc("sequence_number"))
    aged = on_skill.withColumn("age", F.row_number().over(newest))
    is_recent = F.col("age") <= ctx.settings.explanation.recent_answers
    each = F.when(is_recent, F.struct("sequence_number", "correct"))
    wrong = F.when(~F.col("correct"), F.struct("item_id", "answer"))
    latest = F.when(~F.col("correct"), F.col("sequence_number"))
    summed = aged.groupBy(*own).agg(
        F.array_sort(F.collect_list(each))["correct"].alias("recent"),
        F.max_by(wrong, latest).alias("wrong"),
    )
    named = summed.select(*own, "recent", "wrong.item_id", "wrong.answer")
    common = _common_mistakes(ctx, graded).join(_labels(ctx), "item_id", "left")
    return named.join(common, ["item_id", "answer"], "left").select(
        *own, "recent", F.col("item").alias("common_item"), "common_share", "common_n"
    )


def _common_mistakes(ctx: Reading, graded: "DataFrame") -> "DataFrame":
    """Wrong answers that many give: those of few, and what only a few wrote, are left out."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    settings = ctx.settings.explanation
    wrong = graded.filter("NOT correct AND answer IS NOT NULL")
    each = wrong.groupBy("item_id", "answer").agg(F.count("*").alias("n"))
    total = wrong.groupBy("item_id").agg(F.count("*").alias("common_n"))
    return (
        each.join(total, "item_id")
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
    pairs = first.select(*columns).distinct().orderBy("skill_id", "item_id").collect()
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


_FIGURES = (
    *("item", "p_correct", "mastery", "mastery_low", "mastery_high", "n_responses"),
    *("common_item", "common_share", "common_n"),
)
_WHOLE = ("n_responses", "common_n")


def _known(value: Any) -> Any:  # noqa: ANN401 - a value of pandas
    """None where pandas says NaN."""
    return None if value is None or value != value else value  # noqa: PLR0124 - NaN only
