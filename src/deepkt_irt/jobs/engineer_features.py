"""Task engineer_features: vocabularies and the sequences models learn from."""

from typing import TYPE_CHECKING

from deepkt_irt.gold.sequences import indexed, windows
from deepkt_irt.gold.units import units
from deepkt_irt.gold.vocabulary import new_entries
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import counts
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.jobs.together import together
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
    WDIRT_FEATURES,
)
from deepkt_irt.tables.quality import matching
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USER_SPLITS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@task(
    reads=(
        CANONICAL_LEARNING_EVENTS,
        ITEMS,
        SKILLS,
        USER_SPLITS,
        ITEM_VOCABULARY,
        SKILL_VOCABULARY,
        SAKT_SEQUENCES,
        WDIRT_FEATURES,
    ),
    writes=(ITEM_VOCABULARY, SKILL_VOCABULARY, SAKT_SEQUENCES, WDIRT_FEATURES),
)
def engineer_features(ctx: JobContext) -> Metrics:
    """Index new items and skills; make sequences and units of students whose events changed.

    Safe to run again: indexes once given never change, the others are each written in one commit.
    Everything is made anew where what changed is not known.
    """
    together(
        lambda: _index(ctx, ctx.read(ITEMS).select("item_id"), ITEM_VOCABULARY),
        lambda: _index(ctx, ctx.read(SKILLS).select("skill_id"), SKILL_VOCABULARY),
    )
    students = _students_changed(ctx)
    events = ctx.read(CANONICAL_LEARNING_EVENTS)
    if students is not None:
        events = matching(events, students)
    steps = indexed(events, ctx.read(ITEM_VOCABULARY), ctx.read(SKILL_VOCABULARY))
    splits = ctx.read(USER_SPLITS)
    made = windows(steps, splits, ctx.settings.sequence)
    together(
        lambda: ctx.refresh(WDIRT_FEATURES, units(steps, events, splits), within=students),
        lambda: ctx.refresh(SAKT_SEQUENCES, made, within=students),
    )
    return counts(
        (ctx.read(ITEM_VOCABULARY), {"items": "true"}),
        (ctx.read(SKILL_VOCABULARY), {"skills": "true"}),
        (ctx.read(SAKT_SEQUENCES), {"windows": "true"}),
        (ctx.read(WDIRT_FEATURES), {"units": "true"}),
    )


def _index(ctx: JobContext, ids: "DataFrame", vocabulary: Table) -> None:
    new = new_entries(ids, ctx.read(vocabulary), added_at=ctx.as_of)
    ctx.insert_new(vocabulary, new)


def _students_changed(ctx: JobContext) -> "list[DataFrame] | None":
    """The students of whom an event came, went or changed; None: all are made anew.

    With those of a replay, whose events may be as they were.
    """
    changed = ctx.changes(CANONICAL_LEARNING_EVENTS)
    if changed is None:
        return None
    students = [changed.select("student_key").distinct()]
    if ctx.replay:
        asked = ctx.replay.answered(ctx.read(CANONICAL_LEARNING_EVENTS))
        students.append(asked.select("student_key").distinct())
    return students
