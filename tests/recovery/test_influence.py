"""Where only answers on the same skill tell of the next one, they are what predictions rest on."""

import numpy as np
import pytest
import torch

from deepkt_irt.knowledge_tracing.deletion import deletion_test
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.influence import influences
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.settings import SaktSettings

pytestmark = pytest.mark.slow

N_STUDENTS, N_STEPS, N_ITEMS, N_SKILLS = 400, 48, 48, 6
SETTINGS = SaktSettings(width=32, max_epochs=5, min_steps=1, batch_tokens=800, context=N_STEPS)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def district():
    """Students with an ability of its own on each skill: the others say nothing of it."""
    rng = np.random.default_rng(11)
    item = rng.integers(1, N_ITEMS + 1, (N_STUDENTS, N_STEPS))
    skill = (item - 1) % N_SKILLS
    theta = rng.normal(0, 2, (N_STUDENTS, N_SKILLS))
    logits = np.take_along_axis(theta, skill, axis=1)
    return Histories.of(
        offsets=np.arange(0, (N_STUDENTS + 1) * N_STEPS, N_STEPS),
        item=item.ravel(),
        skills=skill.reshape(-1, 1) + 1,
        correct=(rng.random(item.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64).ravel(),
    )


@pytest.fixture(scope="module")
def tracer(district):
    tracer, student = KnowledgeTracer(SETTINGS), district.segment
    tracer.fit(district, Split(student < 300, (student >= 300) & (student < 340)))
    return tracer


@pytest.fixture(scope="module")
def late(district):
    """Of students held out, answers with enough of a past on each skill."""
    return (district.segment >= 340) & (district.position >= 24)


def test_influences_name_the_same_skill_and_follow_right_and_wrong(district, tracer, late):
    found = influences(tracer, district, late, top=3)

    skill, right = district.skills[:, 0], district.correct == 1
    same = skill[found.response] == skill[found.target][:, None]
    assert same.mean() > 0.85  # one in six by chance
    assert ((found.effect > 0) == right[found.response])[same].mean() > 0.95


def test_influences_of_right_answers_on_the_skill_exceed_those_of_others(district, tracer, late):
    found = influences(tracer, district, late, top=N_STEPS)

    there = found.response >= 0
    skill = district.skills[:, 0]
    same = (skill[found.response] == skill[found.target][:, None]) & there
    size = np.abs(found.effect)
    assert np.median(size[same]) > 5 * np.median(size[there & ~same])


def test_deletion_test_the_most_influential_move_predictions_at_least_three_times_as_far(
    district, tracer, late
):
    found = deletion_test(tracer, district, late & (district.position % 4 == 0), n_random=3)

    assert found.n == 6 * 60
    assert found.median_top > 0.05
    assert found.ratio > 3
