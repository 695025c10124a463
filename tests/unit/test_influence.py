"""Leaving a response out, against the features and the attention worked out without it."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.knowledge_tracing import tracer as tracer_module
from deepkt_irt.knowledge_tracing.deletion import _without, deletion_test
from deepkt_irt.knowledge_tracing.histories import Histories
from deepkt_irt.knowledge_tracing.influence import influences
from deepkt_irt.knowledge_tracing.item_evidence import ItemEvidence
from deepkt_irt.knowledge_tracing.past_features import (
    DECAYS_OVERALL,
    DECAYS_SAME,
    PRIOR_ALL,
    PRIOR_RECENT,
)
from deepkt_irt.knowledge_tracing.sakt import Sakt
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, with_candidates
from deepkt_irt.knowledge_tracing.tracer import Tracer
from deepkt_irt.settings import SaktSettings

N_ITEMS, N_SKILLS, CONTEXT = 9, 4, 12
SETTINGS = SaktSettings(width=16, heads=4, context=CONTEXT, block=7)


def drawn(seed, *lengths):
    """Students with repeated and unknown items and up to two skills."""
    rng = np.random.default_rng(seed)
    n = sum(lengths)
    skills = np.sort(rng.integers(0, N_SKILLS + 1, (n, 2)), axis=1)
    skills[:, 0][skills[:, 0] == skills[:, 1]] = 0
    return Histories.of(
        offsets=np.cumsum([0, *lengths]),
        item=rng.integers(0, N_ITEMS + 3, n),
        skills=skills,
        correct=rng.integers(0, 2, n),
        latency_ms=np.where(rng.random(n) < 0.3, np.nan, rng.lognormal(9, 1, n)),
    )


@pytest.fixture(scope="module")
def tracer():
    """A model away from its start, where much is still zero."""
    torch.manual_seed(3)
    known = drawn(3, *[30] * 20)
    known = replace(known, item=np.where(known.item <= N_ITEMS, known.item, 0))
    tracer, network = KnowledgeTracer(SETTINGS), Tracer(N_ITEMS, N_SKILLS, SETTINGS)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for table in network.modules():
            if isinstance(table, torch.nn.Embedding) and table.padding_idx is not None:
                table.weight[0] = 0.0  # of none or unknown; training leaves it so
    tracer._network = network
    group = np.arange(known.n_segments) % 2 + 1
    tracer._evidence = ItemEvidence.of(known, known.asked, group)
    network.measure(tracer.inputs(known, known.asked), torch.from_numpy(known.asked))
    return tracer


def only(histories, *at):
    mask = np.zeros(len(histories), dtype=bool)
    mask[list(at)] = True
    return mask


def features_without(histories, chance, target, left_out):
    """Past features of a response of the first student, one response left out, in plain loops."""
    visible = range(histories.visible[target])
    end = len(visible)

    def on_key(meets, decays, *, lags):
        met = [at for at in visible if meets(at)]
        kept = [at for at in met if at != left_out]
        right = sum(histories.correct[at] for at in kept)
        surprise = {at: histories.correct[at] - chance[at] for at in kept}
        information = {at: chance[at] * (1 - chance[at]) for at in kept}
        found = [np.log1p(right), np.log1p(len(kept) - right)]
        found.append(sum(surprise.values()) / (sum(information.values()) + PRIOR_ALL))
        for decay in decays:  # places are counted with the response that is left out
            weight = {at: decay ** (len(met) - 1 - met.index(at)) for at in kept}
            total = sum(weight[at] * surprise[at] for at in kept)
            found.append(total / (sum(weight[at] * information[at] for at in kept) + PRIOR_RECENT))
        if lags:
            lag = end - kept[-1] if kept else 0
            found += [1 / lag if lag else 0.0, np.log1p(lag) / 4]
        return np.array(found)

    skills = [skill for skill in histories.skills[target] if skill]
    item = histories.item[target]
    per_skill = [
        on_key(lambda at, s=skill: s in histories.skills[at], DECAYS_SAME, lags=True)
        for skill in skills
    ]
    per_item = on_key(lambda at: histories.item[at] == item, DECAYS_SAME, lags=True)
    return np.concatenate(
        [
            on_key(lambda at: True, DECAYS_OVERALL, lags=False),
            np.mean(per_skill, axis=0) if skills else np.zeros_like(per_item),
            per_item if item else np.zeros_like(per_item),
        ]
    )


def logit_without(tracer, histories, target, left_out):
    """Of one target, its attention and features worked out with one response left out."""
    network, inputs = tracer.network.eval(), tracer.inputs(histories, only(histories, target))
    chance = tracer.evidence.chance(histories.item, histories.skills, np.zeros_like(histories.item))
    past = inputs.past.clone()
    past[target] = torch.from_numpy(features_without(histories, chance, target, left_out)).float()
    inputs = replace(inputs, past=past)
    steps = [at for at in range(histories.visible[target]) if at != left_out]
    lag = torch.tensor([[[float(histories.visible[target] - at) for at in steps]]])
    asked, steps = torch.tensor([[target]]), torch.tensor([steps], dtype=torch.long)
    with torch.inference_mode():
        keys, values = network.remember(inputs, steps)
        bias = network.bias(inputs, asked, steps, lag)
        return float(network.answer_logits(inputs, asked, keys, values, bias))


@pytest.mark.parametrize("target", [1, 6, 11, 24])
def test_influences_equal_the_prediction_worked_out_without_each_response(tracer, target):
    histories = drawn(11, 25)
    visible = int(histories.visible[target])

    found = influences(tracer, histories, only(histories, target), top=30, last=30)

    whole = logit_without(tracer, histories, target, left_out=None)
    expected = [whole - logit_without(tracer, histories, target, at) for at in range(visible)]
    effect = np.full(visible, np.nan)
    effect[found.position[0, :visible]] = found.effect[0, :visible]
    np.testing.assert_allclose(effect, expected, rtol=0, atol=2e-5)
    assert np.abs(expected).max() > 1e-2
    assert (np.diff(np.abs(found.effect[0, :visible])) <= 0).all()


def test_influences_predicted_is_what_the_model_predicts(tracer):
    histories = drawn(12, 30, 1, 17)

    found = influences(tracer, histories, histories.asked)

    expected = tracer.predict(histories, histories.asked)
    np.testing.assert_allclose(found.predicted, expected, rtol=0, atol=1e-6)
    assert found.target.tolist() == list(range(48))


def test_influences_attention_is_the_mean_over_heads_of_what_the_network_attends(
    tracer, monkeypatch
):
    histories, target, taken = drawn(13, 20), 15, []
    attend = tracer_module.F.scaled_dot_product_attention

    def noted(query, key, value, *, attn_mask):
        taken.append((query, key, attn_mask))
        return attend(query, key, value, attn_mask=attn_mask)

    monkeypatch.setattr(tracer_module.F, "scaled_dot_product_attention", noted)
    tracer.predict(histories, only(histories, target))
    query, key, bias = taken.pop()  # one block; the target is the second of its seven
    found = influences(tracer, histories, only(histories, target), top=CONTEXT)

    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + bias
    weights = scores.softmax(dim=-1).mean(dim=1)[0, 1, 1:].numpy()[::-1][:CONTEXT]
    lag = 15 - found.position[0]
    np.testing.assert_allclose(found.attention[0], weights[lag - 1], rtol=1e-4)


def test_influences_beyond_the_attention_go_through_counts_alone(tracer):
    histories = drawn(14, 30)
    target = only(histories, 29)

    found = influences(tracer, histories, target, top=29, last=29)
    short = influences(tracer, histories, target, top=29)

    old = 29 - found.position[0] > CONTEXT
    assert old.sum() == 29 - CONTEXT
    assert (found.attention[0, old] == 0).all()
    assert (np.abs(found.effect[0, old]) > 1e-4).any()
    assert (short.position[0] >= 0).sum() == CONTEXT
    both = short.position[0, :CONTEXT]
    by_position = dict(zip(found.position[0], found.effect[0], strict=True))
    np.testing.assert_allclose(
        short.effect[0, :CONTEXT], [by_position[at] for at in both], rtol=0, atol=1e-5
    )


def test_influences_only_visible_responses_have_any(tracer):
    histories = drawn(15, 12, 14)
    seen = np.minimum(histories.position, 4)
    histories = replace(histories, visible=seen)

    found = influences(tracer, histories, histories.asked, top=6)

    for row, target in enumerate(found.target):
        n = seen[target]
        assert sorted(found.position[row, :n]) == list(range(n))
        assert (
            found.response[row, :n] == found.position[row, :n] + (0 if target < 12 else 12)
        ).all()
        assert (found.response[row, n:] == -1).all()
        assert (found.position[row, n:] == -1).all()
        assert np.isnan(found.effect[row, n:]).all()
        assert np.isnan(found.attention[row, n:]).all()


def test_influences_are_the_same_twice_and_whatever_follows(tracer):
    histories = drawn(16, 20, 20)
    asked = histories.asked & (histories.position < 12)
    later = histories.position >= 12
    edited = replace(
        histories,
        correct=np.where(later, 1 - histories.correct, histories.correct),
        item=np.where(later, histories.item % N_ITEMS + 1, histories.item),
        latency_ms=np.where(later, 1.0, histories.latency_ms),
    )

    found = influences(tracer, histories, asked)

    for other in (influences(tracer, histories, asked), influences(tracer, edited, asked)):
        for each in fields(found):
            np.testing.assert_array_equal(getattr(other, each.name), getattr(found, each.name))


def test_influences_of_one_target_do_not_depend_on_the_others(tracer):
    histories = drawn(17, *[25] * 4)

    together = influences(tracer, histories, histories.asked)

    for target in (3, 40, 99):
        alone = influences(tracer, histories, only(histories, target))
        np.testing.assert_allclose(alone.effect[0], together.effect[target], rtol=0, atol=1e-5)


def test_influences_explain_candidates_asked_next(tracer):
    histories, item_skills = drawn(18, 14), np.ones((N_ITEMS + 1, 1), dtype=np.int64)
    asked, chosen = with_candidates(histories, [np.array([2, 5])], item_skills)

    found = influences(tracer, asked, chosen, top=3)

    np.testing.assert_allclose(found.predicted, tracer.predict(asked, chosen), rtol=0, atol=1e-6)
    assert ((found.position >= 0) & (found.position < 14)).all()


def test_influences_first_response_and_no_target_are_no_obstacle(tracer):
    histories = drawn(19, 5)

    first = influences(tracer, histories, only(histories, 0))
    none = influences(tracer, histories, only(histories))

    assert 0 < first.predicted[0] < 1
    assert np.isnan(first.effect).all()
    assert none.effect.shape == (0, 5)


def test_influences_impossible_input_is_refused(tracer):
    histories = drawn(20, 6)
    published = KnowledgeTracer(SETTINGS.model_copy(update={"architecture": "sakt"}))
    published._network, published._evidence = Sakt(N_SKILLS, SETTINGS), tracer.evidence
    context = replace(histories, visible=np.full(6, -1))

    with pytest.raises(ValueError, match="top=0"):
        influences(tracer, histories, histories.asked, top=0)
    with pytest.raises(ValueError, match="last=0"):
        influences(tracer, histories, histories.asked, last=0)
    with pytest.raises(ValueError, match="context is never predicted"):
        influences(tracer, context, histories.asked)
    with pytest.raises(UsageError, match="architecture=sakt"):
        influences(published, histories, histories.asked)


def test_without_writes_what_is_left_and_asks_the_target_last():
    histories = drawn(21, 7, 8)
    histories = replace(histories, visible=np.minimum(histories.position, 6))

    shorter, asked = _without(histories, np.array([5, 14]), np.array([[1, 3], [7, 12]]))

    rows = [0, 2, 4, 5, 8, 9, 10, 11, 14]  # of the second student the 13th is not seen
    assert shorter.offsets.tolist() == [0, 4, 9]
    np.testing.assert_array_equal(shorter.item, histories.item[rows])
    np.testing.assert_array_equal(shorter.skills, histories.skills[rows])
    np.testing.assert_array_equal(shorter.latency_ms, histories.latency_ms[rows])
    assert np.flatnonzero(asked).tolist() == [3, 8]
    assert shorter.visible[asked].tolist() == [3, 4]
    assert shorter.student.tolist() == [0, 1]


def test_deletion_test_medians_equal_deleting_by_hand(tracer):
    histories = drawn(22, 16, 9, 13)
    tested = [*range(10, 16), *range(35, 38)]

    found = deletion_test(tracer, histories, histories.asked, top=9, n_random=40)

    strongest = influences(tracer, histories, only(histories, *tested), top=9)
    moved = []
    for row, target in enumerate(tested):
        first = 0 if target < 16 else 25
        kept = [at for at in range(first, target) if at not in strongest.response[row]]
        history = Histories.of(
            offsets=np.array([0, len(kept) + 1]),
            item=histories.item[[*kept, target]],
            skills=histories.skills[[*kept, target]],
            correct=histories.correct[[*kept, target]],
            latency_ms=histories.latency_ms[[*kept, target]],
        )
        p = tracer.predict(history, only(history, len(kept)))[0]
        moved.append(abs(p - tracer.predict(histories, only(histories, target))[0]))
    assert found.n == len(tested)
    assert found.median_top == pytest.approx(np.median(moved), abs=1e-6)
    assert found.ratio == pytest.approx(found.median_top / found.median_random)


def test_deletion_test_is_the_same_for_the_same_seed(tracer):
    histories = drawn(23, 30)

    found = deletion_test(tracer, histories, histories.asked, n_random=2, seed=1)

    assert found == deletion_test(tracer, histories, histories.asked, n_random=2, seed=1)
    assert found != deletion_test(tracer, histories, histories.asked, n_random=2, seed=2)


def test_deletion_test_impossible_input_is_refused(tracer):
    histories = drawn(24, 30)

    with pytest.raises(ValueError, match="top=10"):
        deletion_test(tracer, histories, histories.asked, top=10)
    with pytest.raises(ValueError, match="n_random=0"):
        deletion_test(tracer, histories, histories.asked, n_random=0)
    with pytest.raises(NoData, match="10 responses"):
        deletion_test(tracer, histories, histories.asked & (histories.position < 10))


def test_effect_is_a_difference_of_logits(tracer):
    histories = drawn(25, 2)

    found = influences(tracer, histories, only(histories, 1), top=1)

    alone = logit_without(tracer, histories, 1, left_out=0)
    assert expit(logit(found.predicted[0]) - found.effect[0, 0]) == pytest.approx(expit(alone))
