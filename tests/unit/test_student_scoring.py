"""Mastery as it was is what would have been said then."""

import itertools

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.gold.mastery import trends
from deepkt_irt.jobs.student_scoring import Catalogue, judged
from made_up_histories import ITEM_SKILLS, N_ITEMS, PUBLISHED, made_up, untrained

REFERENCES = {1: [1, 3], 2: [2, 5], 3: [6], 4: [7]}
CATALOGUE = Catalogue(
    item_ids=np.array([f"i{k}" for k in range(N_ITEMS + 1)], dtype=object),
    item_skills=ITEM_SKILLS,
    candidates={},
    references=REFERENCES,
)
MODELS = {"default": untrained(), "published": untrained(PUBLISHED)}
LENGTHS = (9, 14, 6)


def rows(*, until):
    """One window a student, of whole histories, with what is asked of them."""
    histories = made_up(LENGTHS)
    found = []
    for student, (begin, end) in enumerate(itertools.pairwise(histories.offsets)):
        own = slice(begin, end)
        skills = histories.skills[own]
        practised = {k: int((skills == k).any(axis=1).sum()) for k in range(1, 5)}
        earlier = {k: int((skills[: until[student]] == k).any(axis=1).sum()) for k in practised}
        kept = {k: n for k, n in earlier.items() if 0 < n < practised[k]}
        practised = {k: n for k, n in practised.items() if n}
        found.append(
            {
                "student_key": f"s{student}",
                "window_index": 0,
                "context_length": 0,
                "split": "test",
                "sequence_numbers": np.arange(1, end - begin + 1),
                "item_indexes": histories.item[own],
                "skill_indexes": [row[row > 0] for row in skills],
                "correct": histories.correct[own],
                "latency_ms": histories.latency_ms[own],
                "hint_counts": histories.hint_count[own],
                "attempt_counts": histories.attempt_count[own],
                "first_actions": np.full(end - begin, None),
                "answered_at": np.full(end - begin, None),
                "practised_skills": list(practised),
                "practised_counts": list(practised.values()),
                "earlier_skills": list(kept),
                "earlier_counts": list(kept.values()),
                "earlier_until": until[student],
            }
        )
    return pd.DataFrame(found)


def cut(frame):
    """The same students as they were, with nothing of what came after."""
    steps = ("sequence_numbers", "item_indexes", "skill_indexes", "correct", "latency_ms",
             "hint_counts", "attempt_counts", "first_actions", "answered_at")  # fmt: skip
    short = frame[frame["earlier_skills"].map(len) > 0].copy()
    for name in steps:
        short[name] = [
            values[:n] for values, n in zip(short[name], short["earlier_until"], strict=True)
        ]
    short["practised_skills"], short["practised_counts"] = (
        short["earlier_skills"],
        short["earlier_counts"],
    )
    return short.assign(earlier_skills=[[]] * len(short), earlier_counts=[[]] * len(short))


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_mastery_before_is_the_mastery_of_the_history_until_then(model):
    frame = rows(until=[4, 10, 0])

    found = judged(CATALOGUE)(model, frame).set_index(["student_key", "skill_index"])
    then = judged(CATALOGUE)(model, cut(frame)).set_index(["student_key", "skill_index"])

    known = found["mastery_before"].dropna()
    assert len(known) >= 4
    assert set(known.index) == set(then.index)
    pd.testing.assert_series_equal(
        known.sort_index(), then["mastery"].sort_index(), check_names=False, rtol=1e-5
    )
    assert (found.loc[known.index, "mastery"] - known).abs().max() > 1e-4
    assert found["n_responses_before"].notna().sum() == len(known)
    assert "s2" not in known.index.get_level_values(0)


def test_mastery_before_is_unknown_where_nobody_practised_before_and_since():
    found = judged(CATALOGUE)(MODELS["default"], rows(until=[0, 0, 0]))

    assert found["mastery_before"].isna().all()
    assert found["mastery"].between(0, 1).all()


MOVES = [  # now, answers; before, answers; what is told
    (0.6, 40, np.nan, np.nan, None),
    (0.6, 40, 0.3, 30, "rising"),
    (0.3, 40, 0.6, 30, "falling"),
    (0.6, 40, 0.5, 30, "steady"),
    (0.3, 8, 0.6, 1, "steady"),  # one answer tells little of what was
    (0.3, 2, 0.7, 30, "steady"),  # and two little of what is
]


@pytest.mark.parametrize(("now", "n", "before", "n_before", "expected"), MOVES)
def test_trend_is_told_beyond_the_uncertainty_of_both(now, n, before, n_before, expected):
    assert trends(*(np.array([each]) for each in (now, n, before, n_before))) == [expected]


def test_trend_is_rarely_told_where_nothing_moved():
    """Shares right of the same chance, the second over the first one's answers and more."""
    rng = np.random.default_rng(4)
    first, more = rng.binomial(15, 0.6, 20_000), rng.binomial(15, 0.6, 20_000)
    before, now = (first + 1) / 17, (first + more + 1) / 32

    found = trends(now, np.full(20_000, 30.0), before, np.full(20_000, 15.0))

    assert sum(each != "steady" for each in found) / 20_000 < 0.05
