"""The published model against its equations written out, and what it may see."""

import numpy as np
import pytest
import torch

from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.settings import SaktSettings
from made_up_histories import (
    N_SKILLS,
    PUBLISHED,
    away_from_start,
    edited,
    made_up,
    only_batch,
    untrained,
)

WHOLE = SaktSettings(architecture="sakt", width=16, heads=2, block=30, context=30)


@pytest.fixture
def network():
    torch.manual_seed(2)
    return away_from_start(Sakt(N_SKILLS, WHOLE))


def logits_of(network, histories):
    """Logits of all responses, each segment one block."""
    batch = only_batch(histories)
    inputs = _Plain(histories)
    with torch.inference_mode():
        logits = network(inputs, batch)
    found = np.full(len(histories), np.nan)
    found[batch.target[batch.chosen].numpy()] = logits[batch.chosen].numpy()
    return found


class _Plain:
    """The inputs that the published model takes."""

    def __init__(self, histories):
        members, combination = np.unique(histories.skills, axis=0, return_inverse=True)
        self.members, self.combination = torch.from_numpy(members), torch.from_numpy(combination)
        self.correct = torch.from_numpy(histories.correct.astype(np.float32))


def layer_norm(x, norm):
    scaled = (x - x.mean()) / np.sqrt(x.var() + norm.eps)
    return scaled * weights(norm.weight) + weights(norm.bias)


def weights(tensor):
    return tensor.detach().numpy().astype(np.float64)


def rows(table, skills):
    """Mean of the rows of the skills; row 0 where there is none."""
    own = [skill for skill in skills if skill > 0]
    return table[own or [0]].mean(axis=0)


def by_the_paper(network, skills, correct):
    """Logits of one student's answers, from equations 1 to 8 of Pandey and Karypis (2019)."""
    m, p, e = (weights(x) for x in (network.interaction, network.position, network.exercise))
    w_q, w_k, w_v, w_o = (
        weights(layer.weight).T
        for layer in (network.query, network.key, network.value, network.project)
    )
    (w_1, b_1), (w_2, b_2) = (
        (weights(network.feed[place].weight).T, weights(network.feed[place].bias))
        for place in (0, 3)
    )
    width = e.shape[1] // network.heads
    logits = []
    for t in range(len(skills)):
        exercise = rows(e, skills[t])
        m_hat = np.array([rows(m[correct[s]], skills[s]) + p[s] for s in range(t)])
        heads = []
        for head in range(network.heads):
            own = slice(head * width, (head + 1) * width)
            if not t:
                heads.append(np.zeros(width))
                continue
            score = (m_hat @ w_k[:, own]) @ (exercise @ w_q[:, own]) / np.sqrt(width)
            attention = np.exp(score) / np.exp(score).sum()
            heads.append(attention @ (m_hat @ w_v[:, own]))
        s = layer_norm(exercise + np.concatenate(heads) @ w_o, network.norm_attended)
        f = layer_norm(s + np.maximum(s @ w_1 + b_1, 0) @ w_2 + b_2, network.norm_fed)
        logits.append(f @ weights(network.head.weight)[0] + weights(network.head.bias)[0])
    return np.array(logits)


@pytest.mark.parametrize("n_skills", [1, 2], ids=["one skill each", "none, one or two skills"])
def test_forward_equals_the_equations_of_the_paper(network, n_skills):
    histories = made_up((11, 1, 17, 6))
    if n_skills == 1:
        single = np.random.default_rng(3).integers(1, N_SKILLS + 1, (len(histories), 1))
        histories = made_up((11, 1, 17, 6), skills=single)

    found = logits_of(network, histories)

    expected = [
        by_the_paper(network, histories.skills[begin:end], histories.correct[begin:end])
        for begin, end in zip(histories.offsets[:-1], histories.offsets[1:], strict=True)
    ]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-5)
    assert found.std() > 0.1


def test_forward_several_skills_are_as_one_whose_embeddings_are_their_mean(network):
    histories = made_up((9,), skills=np.tile([[1, 3], [2, 0], [3, 0]], (3, 1)))
    as_one = made_up((9,), skills=np.tile([[4], [2], [3]], (3, 1)))
    joined = away_from_start(Sakt(N_SKILLS, WHOLE))
    joined.load_state_dict(network.state_dict())
    with torch.no_grad():
        for table in (joined.exercise, *joined.interaction):
            table[4] = (table[1] + table[3]) / 2

    np.testing.assert_allclose(logits_of(joined, as_one), logits_of(network, histories), atol=1e-5)


@pytest.mark.parametrize("t", [0, 4, 12])
def test_forward_ignores_this_answer_and_all_later_steps(network, t):
    histories = made_up((13, 13))
    later = edited(histories, np.r_[t + 1 : 13, 13 + t + 1 : 26])
    later.correct[[t, 13 + t]] = 1 - histories.correct[[t, 13 + t]]

    found, expected = logits_of(network, later), logits_of(network, histories)

    seen = np.r_[0 : t + 1, 13 : 13 + t + 1]
    np.testing.assert_allclose(found[seen], expected[seen], atol=1e-6)


def test_forward_moves_with_an_earlier_answer_and_with_the_exercise_asked(network):
    histories = made_up((10,), skills=np.arange(10)[:, None] % 3 + 1)
    earlier, other = histories.correct.copy(), histories.skills.copy()
    earlier[3], other[9] = 1 - earlier[3], 4

    plain = logits_of(network, histories)
    by_answer = logits_of(network, made_up((10,), skills=histories.skills, correct=earlier))
    by_exercise = logits_of(network, made_up((10,), skills=other))

    assert np.abs(by_answer - plain)[4:].min() > 1e-5
    np.testing.assert_allclose(by_exercise[:9], plain[:9], atol=1e-6)
    assert abs(by_exercise[9] - plain[9]) > 1e-4


def test_forward_in_training_is_the_same_where_dropout_leaves_nothing_out():
    histories = made_up((11, 1, 17, 6))
    # the least rate that is one: a byte has no level for it
    settings = WHOLE.model_copy(update={"dropout": 0.0, "attention_dropout": 1e-4})
    network = away_from_start(Sakt(N_SKILLS, settings))

    expected = logits_of(network.eval(), histories)
    found = logits_of(network.train(), histories)

    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_forward_does_not_see_steps_beyond_what_is_visible(network):
    visible = np.concatenate([np.arange(8), np.full(5, 8)])
    histories = made_up((13,), visible=visible)

    found = logits_of(network, edited(histories, np.arange(8, 12)))

    np.testing.assert_allclose(found[12], logits_of(network, histories)[12], atol=1e-6)


def test_first_answer_rests_on_the_exercise_alone(network):
    histories = made_up((1, 1), skills=np.array([[2], [2]]), correct=np.array([0, 1]))

    found = logits_of(network, histories)

    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert np.isfinite(found).all()


def test_padding_changes_nothing(network):
    alone, longer = made_up((6,)), made_up((6, 25))
    longer.skills[:6], longer.correct[:6] = alone.skills, alone.correct

    np.testing.assert_allclose(logits_of(network, longer)[:6], logits_of(network, alone), atol=1e-6)


def test_model_of_this_architecture_predicts_whatever_the_number_of_tokens():
    model, histories = untrained(PUBLISHED), made_up(seed=4)

    found = model.predict(histories, histories.asked)

    model.settings = PUBLISHED.model_copy(update={"batch_tokens": 13})
    np.testing.assert_allclose(model.predict(histories, histories.asked), found, atol=1e-6)
    assert isinstance(model.network, Sakt)
    assert ((found > 0) & (found < 1)).all()


def test_model_takes_a_past_longer_than_a_block_and_its_context():
    place = np.arange(60)
    histories = made_up((60,), visible=place - place % 3)
    model = untrained(PUBLISHED.model_copy(update={"block": 8}))

    found = model.predict(histories, histories.asked)

    assert ((found > 0) & (found < 1)).all()
