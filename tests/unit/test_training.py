"""Training keeps the best epoch and can be repeated; a saved model is the same model."""

import numpy as np
import pandas as pd
import pytest
import torch

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.knowledge_tracing.scoring import Scorer, score_candidates, seen_in_training
from deepkt_irt.knowledge_tracing.sequences import batch_of, windows_of
from deepkt_irt.knowledge_tracing.training import predict, train
from deepkt_irt.settings import SaktSettings

SETTINGS = SaktSettings(width=8, heads=2, max_epochs=3, min_steps=1, batch_size=4)
SPLITS = ["train", "train", "validation", "test"]


def frame(n=16, seed=1, keys=None):
    rng = np.random.default_rng(seed)
    rows = []
    for student in range(n):
        length = int(rng.integers(2, 9))
        rows.append(
            {
                "student_key": (keys or str)(student),
                "window_index": 0,
                "context_length": 0,
                "split": SPLITS[student % 4],
                "item_indexes": rng.integers(1, 6, length),
                "skill_indexes": [rng.integers(1, 4, rng.integers(0, 3)) for _ in range(length)],
                "correct": rng.integers(0, 2, length),
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def trained():
    windows = windows_of(frame())
    return windows, train(windows, SETTINGS, n_items=5, n_skills=3)


def test_train_same_seed_gives_the_same_weights(trained):
    windows, first = trained

    second = train(windows, SETTINGS, n_items=5, n_skills=3)

    for a, b in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_train_returns_the_epoch_best_on_validation(trained):
    windows, result = trained
    held_out = windows.of_split("validation")
    correct = windows.correct[windows.scored_steps(held_out)].astype(float)

    found = auc(correct, predict(result.model, windows, held_out))

    assert found == max(epoch.validation_auc for epoch in result.epochs)


def test_train_without_validation_students_is_refused():
    alone = frame().assign(split="train")

    with pytest.raises(NoData):
        train(windows_of(alone), SETTINGS, n_items=5, n_skills=3)


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("answer", [0, 1], ids=["all wrong", "all right"])
def test_train_answers_all_alike_are_refused(split, answer):
    alike = frame()
    alike["correct"] = [
        np.full(len(given), answer) if of == split else given
        for given, of in zip(alike["correct"], alike["split"], strict=True)
    ]

    with pytest.raises(NoData, match="all alike"):
        train(windows_of(alike), SETTINGS, n_items=5, n_skills=3)


def test_windows_of_order_does_not_depend_on_pseudonyms():
    plain, renamed = frame(), frame(keys=lambda student: f"{97 * student % 16:02d}")

    assert windows_of(plain).digest == windows_of(renamed.sample(frac=1, random_state=3)).digest


def test_windows_of_digest_changes_with_one_answer():
    changed = frame()
    changed["correct"] = [1 - c if row == 3 else c for row, c in enumerate(changed["correct"])]

    assert windows_of(changed).digest != windows_of(frame()).digest


def test_batch_of_context_is_not_scored():
    later = frame(n=1).assign(window_index=1, context_length=1)

    batch = batch_of(windows_of(later), np.array([0]))

    assert not batch.scored[0, 0]
    assert batch.scored[0, 1:].all()


def test_scorer_saved_and_loaded_predicts_the_same(trained, tmp_path):
    windows, result = trained
    scorer = Scorer(result.model, SETTINGS, seen_in_training(windows, n_items=5))
    everyone = np.arange(len(windows))

    scorer.save(tmp_path)
    again = Scorer.load(tmp_path)

    np.testing.assert_array_equal(
        predict(again.model, windows, everyone), predict(scorer.model, windows, everyone)
    )
    assert again.knows(np.array([1, 9])).tolist() == [scorer.seen_items[1], False]


def test_score_candidates_lengths_may_differ_and_order_is_kept(trained):
    windows, result = trained
    scorer = Scorer(result.model, SETTINGS, seen_in_training(windows, n_items=5))
    skills = np.array([[0], [1], [2], [3], [1], [2]])
    asked = [np.array([1, 2, 3]) if w % 2 else np.array([3]) for w in range(len(windows))]

    found = score_candidates(scorer, windows, asked, skills)
    alone = score_candidates(scorer, windows, [np.array([3])] * len(windows), skills)

    assert [len(each) for each in found] == [len(each) for each in asked]
    np.testing.assert_allclose([each[-1] for each in found], [each[0] for each in alone], rtol=1e-5)
