"""A saved model is the same model, and what it says of the next item is what it would have said."""

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.pyfunc.model import PythonModelContext

from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.scoring import Scorer, score_candidates, seen_in_training
from deepkt_irt.knowledge_tracing.sequences import windows_in_order
from deepkt_irt.knowledge_tracing.training import predict
from deepkt_irt.serving import SaktService
from deepkt_irt.settings import SaktSettings

N_ITEMS, N_SKILLS = 8, 4
SETTINGS = SaktSettings(width=16, heads=2, batch_size=3)
ITEM_SKILLS = np.array([[0, 0], [1, 0], [2, 0], [3, 1], [4, 0], [1, 2], [2, 3], [3, 0], [4, 1]])


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def scorer():
    torch.manual_seed(5)
    model = Sakt(N_ITEMS, N_SKILLS, SETTINGS)
    with torch.no_grad():  # away from the start, where much is still zero
        for tensor in (*model.parameters(), model.share_right_difficulty):
            tensor.add_(0.3 * torch.randn_like(tensor))
    seen = np.array([*[True] * N_ITEMS, False])  # the last item was met by test students only
    return Scorer(model.eval(), SETTINGS, seen)


def history(student, length, *, split="train", context=0):
    rng = np.random.default_rng(student)
    items = rng.integers(1, N_ITEMS + 1, length)
    return {
        "student_key": f"student {student}",
        "window_index": 0,
        "context_length": context,
        "split": split,
        "item_indexes": items,
        "skill_indexes": [ITEM_SKILLS[item][ITEM_SKILLS[item] > 0] for item in items],
        "correct": rng.integers(0, 2, length),
    }


def cut(row, n):
    """The history without its last n steps."""
    arrays = ("item_indexes", "skill_indexes", "correct")
    return row | {name: row[name][: len(row[name]) - n] for name in arrays}


ROWS = [history(student, length) for student, length in enumerate((2, 9, 5, 5, 7, 12, 3))]


def test_scorer_loaded_predicts_exactly_what_the_saved_one_did(scorer, tmp_path):
    windows = windows_in_order(pd.DataFrame(ROWS))
    everyone = np.arange(len(windows))

    scorer.save(tmp_path / "model")
    loaded = Scorer.load(tmp_path / "model")

    np.testing.assert_array_equal(
        predict(loaded.model, windows, everyone), predict(scorer.model, windows, everyone)
    )
    assert loaded.settings == scorer.settings
    assert loaded.seen_items.tolist() == scorer.seen_items.tolist()
    assert not loaded.model.training  # dropout would make predictions differ between calls


def test_knows_only_items_met_in_training(scorer):
    asked = np.array([1, N_ITEMS - 1, N_ITEMS, N_ITEMS + 1, 10_000])

    assert scorer.knows(asked).tolist() == [True, True, False, False, False]
    assert scorer.knows(asked.reshape(5, 1)).shape == (5, 1)


def test_seen_in_training_counts_no_item_of_other_students():
    rows = [
        history(0, 0) | {"item_indexes": [2, 3], "skill_indexes": [[], []], "correct": [0, 1]},
        history(1, 0, split="validation")
        | {"item_indexes": [4], "skill_indexes": [[]], "correct": [1]},
        history(2, 0, split="test") | {"item_indexes": [5], "skill_indexes": [[]], "correct": [1]},
    ]

    seen = seen_in_training(windows_in_order(pd.DataFrame(rows)), n_items=N_ITEMS)

    assert np.flatnonzero(seen).tolist() == [2, 3]
    assert len(seen) == N_ITEMS + 1


def test_predict_of_later_windows_says_nothing_of_their_context(scorer):
    whole, later = windows_in_order(pd.DataFrame(ROWS)), windows_in_order(pd.DataFrame(ROWS))
    later.context[:] = later.lengths - 2
    everyone = np.arange(len(whole))

    found = predict(scorer.model, later, everyone)

    assert len(found) == 2 * len(ROWS)
    expected = predict(scorer.model, whole, everyone)[later.scored_steps(everyone)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 64])
def test_predict_gives_the_order_asked_for_whatever_the_batches(scorer, size):
    windows = windows_in_order(pd.DataFrame(ROWS))
    chosen = np.array([4, 0, 6, 2])

    found = predict(scorer.model, windows, chosen, size=size)

    alone = [predict(scorer.model, windows, chosen[n : n + 1]) for n in range(len(chosen))]
    np.testing.assert_allclose(found, np.concatenate(alone), rtol=1e-5)


def test_score_candidates_equal_what_predict_says_once_the_item_is_asked(scorer):
    whole = windows_in_order(pd.DataFrame(ROWS))
    before = windows_in_order(pd.DataFrame([cut(row, 1) for row in ROWS]))
    last = whole.offsets[1:] - 1

    found = score_candidates(scorer, before, [whole.item[[at]] for at in last], ITEM_SKILLS)

    expected = predict(scorer.model, whole, np.arange(len(whole)))[last]
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5)


def test_score_candidates_do_not_depend_on_the_others_asked(scorer):
    windows = windows_in_order(pd.DataFrame(ROWS))
    together = [np.array([3, 7, 1])] * len(windows)

    found = score_candidates(scorer, windows, together, ITEM_SKILLS)

    for place, item in enumerate([3, 7, 1]):
        alone = score_candidates(scorer, windows, [np.array([item])] * len(windows), ITEM_SKILLS)
        np.testing.assert_allclose(
            [each[place] for each in found], [each[0] for each in alone], rtol=1e-5
        )


def test_score_candidates_none_asked_and_none_answered_are_no_obstacle(scorer):
    windows = windows_in_order(pd.DataFrame([history(1, 0), history(2, 6)]))
    empty = int(windows.lengths.argmin())
    asked = [np.zeros(0, dtype=np.int64)] * 2
    asked[empty] = np.array([2, 5])

    found = score_candidates(scorer, windows, asked, ITEM_SKILLS)

    assert [len(each) for each in found] == [len(each) for each in asked]
    assert ((found[empty] > 0) & (found[empty] < 1)).all()


def test_score_candidates_item_beyond_the_vocabulary_is_judged_by_its_skills(scorer):
    windows = windows_in_order(pd.DataFrame(ROWS[:1]))
    skills = np.vstack([ITEM_SKILLS, ITEM_SKILLS[[3]], ITEM_SKILLS[[4]]])
    skills[0] = ITEM_SKILLS[3]  # an item of no index, with the same skills

    (found,) = score_candidates(scorer, windows, [np.array([0, N_ITEMS + 1, N_ITEMS + 2])], skills)

    assert found[1] == pytest.approx(found[0])
    assert abs(found[2] - found[1]) > 1e-4


@pytest.fixture
def service(scorer, tmp_path):
    scorer.save(tmp_path / "model")
    made = SaktService()
    made.load_context(PythonModelContext({"model": str(tmp_path / "model")}, None))
    return made


def test_service_says_what_the_scorer_says_row_by_row(scorer, service):
    asked = [3, 1, 8]
    history_columns = ("item_indexes", "skill_indexes", "correct")
    served = [
        {name: row[name] for name in history_columns}
        | {"asked_item": item, "asked_skills": ITEM_SKILLS[item][ITEM_SKILLS[item] > 0]}
        for row, item in zip(ROWS, asked, strict=False)
    ]

    found = service.predict(None, pd.DataFrame(served))

    assert len(found) == len(asked)
    for row, item, p in zip(ROWS, asked, found, strict=False):
        windows = windows_in_order(pd.DataFrame([row]))
        (expected,) = score_candidates(scorer, windows, [np.array([item])], ITEM_SKILLS)
        assert p == pytest.approx(expected[0], rel=1e-5)


@pytest.mark.parametrize("item", [2, N_ITEMS + 5], ids=["known item", "item added later"])
@pytest.mark.parametrize("skills", [[1, 3], []], ids=["two skills", "no skill"])
def test_service_student_without_a_history_gets_a_prediction(service, item, skills):
    row = {"item_indexes": [], "skill_indexes": [], "correct": []}
    asked = {"asked_item": item, "asked_skills": skills}

    (found,) = service.predict(None, pd.DataFrame([row | asked]))

    assert 0 < found < 1
