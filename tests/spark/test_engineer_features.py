"""The task engineer_features: indexes that stay, sequences that are rebuilt."""

import pytest

from conftest import rows
from deepkt_irt.jobs.engineer_features import engineer_features
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import ITEM_VOCABULARY, SAKT_SEQUENCES, SKILL_VOCABULARY
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, USER_SPLITS

pytestmark = pytest.mark.spark

SETTINGS = Settings.model_validate({"sequence": {"length": 4, "context": 2}})


@pytest.fixture
def silver(store, frame):
    """Writes silver tables about events given as student, item, skills."""

    def write(*events):
        skills = sorted({skill for *_, tagged in events for skill in tagged})
        students = sorted({student for student, *_ in events})
        store.overwrite(
            CANONICAL_LEARNING_EVENTS,
            frame(
                CANONICAL_LEARNING_EVENTS,
                [
                    {
                        "event_id": f"e{n}",
                        "source": "s",
                        "student_key": student,
                        "item_id": item,
                        "skill_ids": tagged,
                        "sequence_number": n,
                        "correct": n % 2 == 0,
                        "event_kind": "practice",
                        "batch_id": 0,
                    }
                    for n, (student, item, tagged) in enumerate(events, 1)
                ],
            ),
        )
        store.overwrite(
            ITEMS,
            frame(
                ITEMS,
                [
                    {
                        "item_id": item,
                        "source": "s",
                        "source_item_id": item,
                        "skill_ids": [],
                        "in_catalogue": True,
                        "n_events": 1,
                    }
                    for item in sorted({item for _, item, _ in events})
                ],
            ),
        )
        store.overwrite(
            SKILLS,
            frame(
                SKILLS,
                [
                    {
                        "skill_id": skill,
                        "source": "s",
                        "name": skill,
                        "prerequisite_ids": [],
                        "n_events": 1,
                    }
                    for skill in skills
                ],
            ),
        )
        store.overwrite(
            USER_SPLITS,
            frame(
                USER_SPLITS,
                [{"student_key": s, "split": "train", "fold": 1, "bucket": 500} for s in students],
            ),
        )

    return write


@pytest.fixture
def run(context):
    def go():
        return engineer_features(context(TASKS["engineer_features"], settings=SETTINGS))

    return go


ANN = [("ann", f"i{n}", ["k2", "k1"] if n % 2 else []) for n in range(1, 6)]


@pytest.mark.connect
def test_engineer_features_indexes_items_and_skills_and_cuts_windows(silver, run, store):
    silver(*ANN, ("bob", "i1", ["k1", "k2"]))

    metrics = run()

    assert rows(store.read(ITEM_VOCABULARY), "item_index", "item_id") == [
        (n, f"i{n}") for n in range(1, 6)
    ]
    assert rows(store.read(SKILL_VOCABULARY), "skill_index", "skill_id") == [(1, "k1"), (2, "k2")]
    columns = ("student_key", "window_index", "context_length", "item_indexes", "skill_indexes")
    assert rows(store.read(SAKT_SEQUENCES), *columns) == [
        ("ann", 0, 0, [1, 2, 3, 4], [[1, 2], [], [1, 2], []]),
        ("ann", 1, 2, [3, 4, 5], [[1, 2], [], [1, 2]]),
        ("bob", 0, 0, [1], [[1, 2]]),
    ]
    assert metrics == {"items": 5, "skills": 2, "windows": 3, "units": 2}


@pytest.mark.nightly
def test_engineer_features_again_changes_nothing_and_new_items_follow_behind(silver, run, store):
    tables = (ITEM_VOCABULARY, SKILL_VOCABULARY, SAKT_SEQUENCES)

    def content():
        return [rows(store.read(table), *table.column_names) for table in tables]

    silver(*ANN)
    run()
    first = content()
    run()
    assert content() == first

    silver(*ANN, ("bob", "i0", ["k0"]), ("bob", "i5", []))
    run()

    for before, after in zip(first, content(), strict=True):
        assert [row for row in after if row in before] == before
    assert rows(store.read(ITEM_VOCABULARY), "item_index", "item_id")[-1] == (6, "i0")
    sequences = rows(store.read(SAKT_SEQUENCES), "student_key", "item_indexes", "skill_indexes")
    assert sequences[-1] == ("bob", [6, 5], [[3], []])
