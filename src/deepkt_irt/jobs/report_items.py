"""The parts of the report about items: curves, what was observed, who needs attention, gaps."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from deepkt_irt.irt.fit import wilson
from deepkt_irt.irt.forms import Gap, coverage_gaps, normal_abilities
from deepkt_irt.jobs.attempts import first_attempts, level_reached, with_exclusions
from deepkt_irt.jobs.calibrated import latest
from deepkt_irt.jobs.reading import Read, item_label
from deepkt_irt.reporting.item_data import (
    STATUSES,
    Attention,
    Curve,
    Dot,
    FlaggedItem,
    Item,
    MissingItems,
)
from deepkt_irt.reporting.report_data import CalibrationNote
from deepkt_irt.tables.gold_items import (
    CALIBRATIONS,
    ITEM_DRIFT,
    ITEM_HEALTH,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
)
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    SKILLS,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

READS = (
    CANONICAL_LEARNING_EVENTS,
    RESPONSE_BEHAVIOUR,
    ITEMS,
    SKILLS,
    CALIBRATIONS,
    ITEM_PARAMETERS,
    STUDENT_ABILITIES,
    ITEM_DRIFT,
    ITEM_HEALTH,
)
WANTED_ERROR = 0.7  # logits, of an ability judged by one skill; about .67 reliable where SD is 1.2
_DOT_BAND = 0.75
_MIN_DOT = 10  # students in a band, below which a share says little
_CURVE_ITEMS = 300  # of these, most answered ones, the worst fitting is shown
_FLAGGED = 30
_MISSING = 15


def latest_calibration(read: Read) -> CalibrationNote | None:
    """The latest calibration; None if there is none."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    rows = read(CALIBRATIONS).orderBy(F.desc("calibration_version")).limit(1).collect()
    return next((_note(row) for row in rows), None)


def _note(row: Any) -> CalibrationNote:  # noqa: ANN401 - a Spark row
    return CalibrationNote(
        version=row["calibration_version"],
        n_responses=row["n_responses"],
        n_rapid=row["n_rapid"],
        reliability=row["reliability"],
        reference=row["reference_version"],
        link=row["link_method"],
        n_anchors=row["n_anchors"],
        n_screened=row["n_anchors_screened"],
        refusal=row["link_refusal"],
    )


def items(read: Read, version: str | None) -> dict[str, Item]:
    """Items of a calibration by item id."""
    rows = _of_version(read(ITEM_PARAMETERS), version).join(labelled_items(read), "item_id")
    return {row["item_id"]: parsed_item(row) for row in rows.orderBy("item_id").collect()}


def parsed_item(row: Any) -> Item:  # noqa: ANN401 - a Spark row
    """An item from a row of gold.item_parameters with a label and a skill."""
    return Item(
        label=row["label"],
        skill=row["skill"] or "",
        model=row["model"],
        b=row["difficulty"],
        se=row["difficulty_se"],
        a=row["discrimination"],
        a_se=row["discrimination_se"],
        slope=row["slope"],
        c=row["guessing"],
        c_se=row["guessing_se"],
        asymptote=row["asymptote"],
        thresholds=tuple(row["thresholds"]),
        n=row["n_responses"],
        p=row["p_value"],
    )


def labelled_items(read: Read) -> "DataFrame":
    """item_id with a label for people and the name of its first skill."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    skills = read(SKILLS).select(
        F.col("skill_id").alias("first_skill"), F.col("name").alias("skill")
    )
    own = read(ITEMS).select(
        "item_id",
        item_label(),
        F.get("skill_ids", F.lit(0)).alias("first_skill"),
    )
    return own.join(skills, "first_skill", "left").select("item_id", "label", "skill")


def observed_shares(read: Read, item_ids: list[str], *, version: str) -> dict[str, tuple[Dot, ...]]:
    """Mean credit on each item by band of ability, on the first attempts a calibration counts.

    Args:
        read: Reads a table.
        item_ids: Some hundreds at most.
        version: Of the abilities and of what counts as full credit.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = F.col("item_id").isin(item_ids)
    attempts = with_exclusions(
        first_attempts(read(CANONICAL_LEARNING_EVENTS).filter(own)),
        read(RESPONSE_BEHAVIOUR).filter(own),
    ).filter("is_evidence AND NOT is_excluded")
    parameters = _of_version(read(ITEM_PARAMETERS).filter(own), version)
    ability = _of_version(read(STUDENT_ABILITIES), version).select("student_key", "ability")
    judged = attempts.join(
        parameters.select("item_id", F.size("thresholds").alias("n_steps")), "item_id"
    ).join(ability, "student_key")
    credit = level_reached() / F.col("n_steps")
    band = F.floor(F.col("ability") / _DOT_BAND).alias("band")
    rows = judged.groupBy("item_id", band).agg(
        F.avg("ability").alias("ability"), F.avg(credit).alias("share"), F.count("*").alias("n")
    )
    dots: dict[str, tuple[Dot, ...]] = {}
    for row in rows.filter(F.col("n") >= _MIN_DOT).orderBy("item_id", "band").collect():
        dots[row["item_id"]] = (*dots.get(row["item_id"], ()), _dot(row))
    return dots


def _dot(row: Any) -> Dot:  # noqa: ANN401 - a Spark row
    low, high = wilson(row["share"], row["n"])
    return Dot(row["ability"], row["share"], float(low), float(high), row["n"])


def curves(read: Read, version: str | None, known: dict[str, Item]) -> tuple[Curve, ...]:
    """Six telling items: across the range of difficulty, and the one that fits worst."""
    if version is None:
        return ()
    most = sorted(known, key=lambda item: (-known[item].n, item))[:_CURVE_ITEMS]
    dots = observed_shares(read, most, version=version)
    found = [
        Curve(item_id, "", known[item_id], own, _misfit(known[item_id], own))
        for item_id, own in dots.items()
        if len(own) > 2
    ]
    return telling(found)


def telling(found: list[Curve]) -> tuple[Curve, ...]:
    """At most six of the curves, each with why it is shown."""
    if not found:
        return ()
    by_b = sorted(found, key=lambda curve: (curve.item.b, curve.item_id))
    last = len(by_b) - 1
    picks = [
        ("easiest", by_b[0]),
        ("easier than most", by_b[last // 4]),
        ("of middle difficulty", by_b[last // 2]),
        ("harder than most", by_b[3 * last // 4]),
        ("hardest", by_b[last]),
        ("fits worst", max(found, key=lambda curve: (curve.misfit, curve.item_id))),
    ]
    shown: dict[str, Curve] = {}
    for why, curve in picks:
        before = shown.get(curve.item_id)
        reason = f"{before.why}, {why}" if before else why
        shown[curve.item_id] = Curve(curve.item_id, reason, curve.item, curve.dots, curve.misfit)
    return tuple(shown.values())


def _misfit(item: Item, dots: tuple[Dot, ...]) -> float:
    total = sum(dot.n for dot in dots)
    squared = (dot.n * (dot.share - item.expected(dot.ability)) ** 2 for dot in dots)
    return math.sqrt(sum(squared) / total)


def attention(read: Read) -> Attention | None:
    """Items at act or watch, worst first; None if no item's health has been checked.

    Of items with the same status, those with more findings come first, then those that more
    students met.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    health = read(ITEM_HEALTH)
    counted = {row["status"]: row["count"] for row in health.groupBy("status").count().collect()}
    if not counted:
        return None
    order = (F.col("status") != "act", F.desc(F.size("reasons")), F.desc("n_responses"), "item_id")
    worst = health.filter(F.col("status").isin("act", "watch")).orderBy(*order).limit(_FLAGGED)
    rows = worst.join(labelled_items(read), "item_id", "left").orderBy(*order).collect()
    return Attention(
        counts=tuple((status, counted.get(status, 0)) for status in STATUSES),
        flagged=tuple(_flagged(row) for row in rows),
    )


def _flagged(row: Any) -> FlaggedItem:  # noqa: ANN401 - a Spark row
    return FlaggedItem(
        label=row["label"] or row["item_id"],
        item_id=row["item_id"],
        skill=row["skill"] or "",
        status=row["status"],
        reasons=tuple(row["reasons"]),
        action=row["suggested_action"],
        n=row["n_responses"],
    )


def missing_items(read: Read) -> tuple[MissingItems, ...] | None:
    """Practised skills for which new items would tell most, most urgent first.

    Of each skill the band of ability with the largest gap stands for all. None if nothing is
    calibrated or no skill is known.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    calibrated = latest(read(ITEM_PARAMETERS), read(CALIBRATIONS))
    skills = read(SKILLS).filter("n_events > 0").select("skill_id", "name").toPandas()
    if calibrated is None or skills.empty:
        return None
    skills = skills.sort_values(["name", "skill_id"])
    pairs = read(ITEMS).select("item_id", F.explode("skill_ids").alias("skill_id")).toPandas()
    row = calibrated.item_ids.get_indexer(pd.Index(pairs["item_id"]))
    column = pd.Index(skills["skill_id"]).get_indexer(pd.Index(pairs["skill_id"]))
    on = (row >= 0) & (column >= 0)
    shape = (len(calibrated.item_ids), len(skills))
    gaps = coverage_gaps(
        calibrated.estimates.items,
        csr_array((np.ones(on.sum()), (row[on], column[on])), shape=shape),
        abilities=normal_abilities(calibrated.population_mean, calibrated.population_sd),
        target_se=WANTED_ERROR,
    )
    worst: dict[int, list[Gap]] = {}
    for gap in gaps:
        worst.setdefault(gap.skill, []).append(gap)
    names = skills["name"].tolist()
    return tuple(_missing(own, names[skill]) for skill, own in worst.items())[:_MISSING]


def _missing(gaps: list[Gap], skill: str) -> MissingItems:
    gap = gaps[0]
    return MissingItems(
        skill=skill,
        n_bands=len(gaps),
        low=gap.low,
        high=gap.high,
        n_items=gap.n_items,
        n_skill_items=gap.n_skill_items,
        student_share=gap.student_share,
        standard_error=gap.information**-0.5 if gap.information > 0 else None,
        n_short=gap.n_short,
        reason=gap.reason,
    )


def _of_version(frame: "DataFrame", version: str | None) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return frame.filter(F.col("calibration_version").eqNullSafe(F.lit(version)))
