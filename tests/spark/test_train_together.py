"""Several processes train one model: what TorchDistributor starts is what one process would do."""

import numpy as np
import pytest

from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import auc
from deepkt_irt.settings import SaktSettings

pytestmark = pytest.mark.spark

N_STUDENTS, N_STEPS, N_ITEMS = 90, 30, 12


@pytest.fixture
def work():
    rng = np.random.default_rng(4)
    item = rng.integers(1, N_ITEMS + 1, size=(N_STUDENTS, N_STEPS))
    ability, difficulty = rng.normal(0, 1.2, (N_STUDENTS, 1)), rng.normal(0, 1, N_ITEMS + 1)
    p = 1 / (1 + np.exp(difficulty[item] - ability))
    histories = Histories.of(
        offsets=np.arange(0, item.size + 1, N_STEPS),
        item=item.ravel(),
        skills=(item.ravel() % 3 + 1)[:, None],
        correct=(rng.random(item.shape) < p).astype(np.int64).ravel(),
    )
    part = histories.segment % 3
    split = Split(part == 0, part == 1, part == 2)
    # the environment that connects has neither torch nor scikit-learn
    from deepkt_irt.jobs.model_evaluations import Work

    return Work("sakt", histories, split, "key", 7, np.full(N_STUDENTS, None))


@pytest.mark.nightly
def test_two_processes_train_a_model_that_predicts_as_well_as_one_alone(spark, work, tmp_path):
    from deepkt_irt.jobs.sakt_training import _fit_together

    settings = SaktSettings(width=16, heads=2, max_epochs=4, min_steps=60, batch_tokens=300)

    model, epochs = _fit_together(work, settings, tmp_path / "checkpoint.pt", processes=2)

    correct = work.histories.correct[work.split.test].astype(float)
    found = auc(correct, model.predict(work.histories, work.split.test))
    assert found > 0.65  # what is planted allows about .75
    assert len(epochs) >= 4
    assert (tmp_path / "checkpoint.pt").exists()
