"""The task train_wd_irt: a model of training students alone, items on the calibration's scale."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.special import expit

from conftest import AS_OF
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.jobs.train_wd_irt import train_wd_irt
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold import ITEM_VOCABULARY, WDIRT_FEATURES
from deepkt_irt.tables.gold_items import CALIBRATIONS, ITEM_PARAMETERS
from deepkt_irt.tables.silver import ITEMS, USERS
from made_up_items import CALIBRATION

pytestmark = pytest.mark.spark

TASK = TASKS["train_wd_irt"]
B = np.linspace(-1.5, 1.5, 24)
QUICK = Settings.model_validate(
    {
        "wide_deep": {"max_epochs": 2},
        "evaluation": {"n_resamples": 100},
        "promotion": {"n_resamples": 100},
        "sakt": {"threads": 1},
    }
)


@pytest.fixture
def write(store, frame):
    """Writes rows of a table."""
    return lambda table, given: store.overwrite(table, frame(table, given))


def answered(n_students=60):
    """Whole histories, three fifths of the students to train on."""
    rng = np.random.default_rng(1)
    for s in range(n_students):
        order = rng.permutation(len(B))
        right = rng.random(len(B)) < expit(rng.normal() - B[order])
        unknown = [None] * len(B)
        yield {
            "student_key": f"s{s:02}",
            "unit_id": "",
            "visible": list(range(len(B))),
            "event_ids": [f"s{s:02}-{n}" for n in range(len(B))],
            "item_indexes": (1 + order).tolist(),
            "skill_indexes": [[1]] * len(B),
            "correct": right.astype(int).tolist(),
            **dict.fromkeys(("latency_ms", "hint_counts", "attempt_counts"), unknown),
            **dict.fromkeys(("first_actions", "answered_at"), unknown),
            "split": ("train", "train", "train", "validation", "test")[s % 5],
            "bucket": s,
        }


def calibrated(write, version, difficulty):
    write(CALIBRATIONS, [{**CALIBRATION, "calibration_version": version}])
    write(
        ITEM_PARAMETERS,
        [
            {
                "calibration_version": version,
                "item_id": f"i{n}",
                "model": "1PL",
                "difficulty": float(b),
                "difficulty_se": 0.2,
                "slope": 1.0,
                "asymptote": 0.0,
                "thresholds": [float(b)],
                "n_responses": 60,
                "p_value": 0.5,
                "is_anchor": False,
                "calibrated_at": AS_OF,
            }
            for n, b in enumerate(difficulty, 1)
        ],
    )


@pytest.mark.nightly
def test_train_wd_irt_learns_nothing_from_a_calibration_that_knows_test_students(
    store, write, context, tmp_path
):
    (tmp_path / "lake").mkdir(exist_ok=True)
    histories = list(answered())
    write(WDIRT_FEATURES, histories)
    names = [f"i{n}" for n in range(1, len(B) + 1)]
    write(
        ITEM_VOCABULARY,
        [{"item_index": n, "item_id": i, "added_at": AS_OF} for n, i in enumerate(names, 1)],
    )
    common = {"source": "s", "skill_ids": [], "in_catalogue": True, "n_events": 1}
    write(ITEMS, [{"item_id": i, "source_item_id": i, **common} for i in names])
    write(
        USERS,
        [
            {"student_key": row["student_key"], "source": "s", "class_keys": [], "n_events": 1}
            for row in histories
        ],
    )
    calibrated(write, "20260301T020000Z", B)
    first = train_wd_irt(context(TASK, settings=QUICK))

    calibrated(write, "20260308T020000Z", 0.5 - 2 * B)
    later = context(TASK, settings=QUICK, as_of=AS_OF + timedelta(days=7))
    later.models.delete("wd_irt")  # else the version trained before would be judged again
    second = train_wd_irt(later)

    assert second["auc"] == first["auc"]
    assert len(later.models.versions("wd_irt")) == 1
    rows = store.read(ITEM_PARAMETERS).filter("estimator = 'wd_irt'").collect()
    told = np.array([row["difficulty"] for row in rows])
    assert len(told) == len(B)
    assert (told.mean(), told.std()) == pytest.approx((0.5, (2 * B).std()))
