"""Task engineer_features: vocabularies and the sequences models learn from."""

from deepkt_irt.gold.sequences import indexed, windows
from deepkt_irt.gold.units import units
from deepkt_irt.gold.vocabulary import new_entries
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import (
    ITEM_VOCABULARY,
    SAKT_SEQUENCES,
    SKILL_VOCABULARY,
    WDIRT_FEATURES,
)
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USER_SPLITS


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
    """Index new items and skills, and rebuild the sequences and units of all students.

    Safe to run again: indexes once given never change, the others are each replaced in one commit.
    """
    for dimension, vocabulary, name in (
        (ITEMS, ITEM_VOCABULARY, "item_id"),
        (SKILLS, SKILL_VOCABULARY, "skill_id"),
    ):
        ids = ctx.read(dimension).select(name)
        ctx.insert_new(vocabulary, new_entries(ids, ctx.read(vocabulary), added_at=ctx.as_of))
    events = ctx.read(CANONICAL_LEARNING_EVENTS)
    steps = indexed(events, ctx.read(ITEM_VOCABULARY), ctx.read(SKILL_VOCABULARY))
    splits = ctx.read(USER_SPLITS)
    ctx.overwrite(SAKT_SEQUENCES, windows(steps, splits, ctx.settings.sequence))
    ctx.overwrite(WDIRT_FEATURES, units(steps, events, splits))
    return {
        "items": ctx.read(ITEM_VOCABULARY).count(),
        "skills": ctx.read(SKILL_VOCABULARY).count(),
        "windows": ctx.read(SAKT_SEQUENCES).count(),
        "units": ctx.read(WDIRT_FEATURES).count(),
    }
