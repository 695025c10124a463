"""Task engineer_features: vocabularies and the sequences models learn from."""

from deepkt_irt.gold.sequences import indexed, windows
from deepkt_irt.gold.vocabulary import new_entries
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SAKT_SEQUENCES, SKILL_VOCABULARY
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
    ),
    writes=(ITEM_VOCABULARY, SKILL_VOCABULARY, SAKT_SEQUENCES),
)
def engineer_features(ctx: JobContext) -> Metrics:
    """Index new items and skills, and rebuild the sequences of all students.

    Safe to run again: indexes once given never change, the sequences are replaced in one commit.
    """
    for dimension, vocabulary, name in (
        (ITEMS, ITEM_VOCABULARY, "item_id"),
        (SKILLS, SKILL_VOCABULARY, "skill_id"),
    ):
        ids = ctx.read(dimension).select(name)
        ctx.insert_new(vocabulary, new_entries(ids, ctx.read(vocabulary), added_at=ctx.as_of))
    events = ctx.read(CANONICAL_LEARNING_EVENTS)
    steps = indexed(events, ctx.read(ITEM_VOCABULARY), ctx.read(SKILL_VOCABULARY))
    ctx.overwrite(SAKT_SEQUENCES, windows(steps, ctx.read(USER_SPLITS), ctx.settings.sequence))
    return {
        "items": ctx.read(ITEM_VOCABULARY).count(),
        "skills": ctx.read(SKILL_VOCABULARY).count(),
        "windows": ctx.read(SAKT_SEQUENCES).count(),
    }
