"""Which past responses a prediction rests on: what it would be if one of them were not known.

Attention is no explanation: a step may be looked at and change nothing, and the past is summed up
beside it, too. So each response is left out by itself, from the attention and from every sum, and
the change of the prediction is what it did. Nothing is claimed of several together: influences do
not add up. Whether they name what matters is for the deletion test to say.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.inputs import Inputs
from deepkt_irt.knowledge_tracing.item_evidence import FloatTable
from deepkt_irt.knowledge_tracing.past_counts import (
    Occurrences,
    decayed_sums,
    running_sums,
    visible_range,
)
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.student_memory import DECAYS, KeySums, fitted_network, keys_of
from deepkt_irt.knowledge_tracing.tracer import Tracer

_HIDDEN_STEP = -1e9  # as what the tracer hides
_SCORES = 400_000  # of attention, a head, held at a time


@dataclass(frozen=True)
class Influences:
    """The past responses that moved each prediction most, the strongest first.

    Attributes:
        target: Index of the response predicted, (targets,).
        predicted: Probability of a right answer, (targets,).
        response: Index of the past response; -1 where the past is shorter, (targets, top).
        position: Its place in the segment, from 0; -1 likewise, (targets, top).
        effect: Logit of the prediction less the logit had the response not been known: above 0 it
            raised the prediction. NaN where the past is shorter, (targets, top).
        attention: Share of the attention the response got, mean over heads, start token counted
            in; NaN likewise, (targets, top).
    """

    target: IntArray
    predicted: FloatArray
    response: IntArray
    position: IntArray
    effect: FloatArray
    attention: FloatArray


def influences(
    tracer: KnowledgeTracer,
    histories: Histories,
    targets: BoolArray,
    *,
    top: int = 5,
    last: int | None = None,
) -> Influences:
    """Past responses by how far the prediction moves were each of them not known.

    Without a response its attention is hidden and every sum behind the past features lacks it; the
    other steps keep their places and lags. Exact for the default model, whose keys and values
    depend on their own step alone.

    Args:
        tracer: A fitted model of the default architecture.
        histories: Of any students, such as `with_candidates` gives to explain what is asked next.
        targets: The predictions to explain, (responses,); all of them must be asked.
        top: How many past responses are named a prediction.
        last: How many visible responses before the target are looked at; None: as many as the
            attention spans.

    Raises:
        ValueError: If top or last is below 1, a target is context, or the model is not fitted.
        UsageError: If the model's architecture is another one.

    Reference:
        Zeiler and Fergus (2014), "Visualizing and understanding convolutional networks", ECCV
        (occlusion); Jain and Wallace (2019), "Attention is not explanation", NAACL.
    """
    network = fitted_network(tracer)
    last = network.context if last is None else last
    if top < 1 or last < 1:
        raise ValueError(f"top={top} and last={last} must be at least 1")
    past = _Past.of(tracer, histories, targets)
    inputs = tracer.inputs(histories, targets)
    found = _nothing_yet(past.target, top)
    most = max(last, network.context)
    by_length = np.argsort(past.visible, kind="stable")  # little padding
    together = max(1, _SCORES // (last * most))
    for begin in range(0, len(by_length), together):
        steps = past.steps(by_length[begin : begin + together], most)
        with torch.inference_mode():
            logits, attention = _without_each(network, inputs, past, steps, last)
        _note_strongest(found, steps, logits, attention)
    return found


@dataclass(frozen=True)
class _Steps:
    """The steps before some targets, the nearest first.

    Attributes:
        which: Which of the explained targets, (batch,).
        first: First response of the segment, (batch,).
        response: Index of the response; any where there is none, (batch, steps).
        lag: How many steps ago; 0 where there is none, (batch, steps).
    """

    which: IntArray
    first: IntArray
    response: IntArray
    lag: IntArray


@dataclass(frozen=True)
class _Past:
    """What the predictions rest on besides the attention, ready to be taken apart.

    Attributes:
        target: Index of the response predicted, (targets,).
        visible: Responses it sees, (targets,).
        end: First response that it no longer sees, (targets,).
        keys: `keys_of` each response, (responses, keys).
        values: Result, surprise and information of each response, (responses,) each.
        sums: What each target sees, (targets, keys).
        lag_before: How many steps ago a key was met before it was met last; 0 never, (targets,
            keys).
    """

    target: IntArray
    visible: IntArray
    end: IntArray
    keys: IntArray
    values: tuple[FloatArray, FloatArray, FloatArray]
    sums: KeySums
    lag_before: FloatArray

    @classmethod
    def of(cls, tracer: KnowledgeTracer, histories: Histories, targets: BoolArray) -> "_Past":
        first, end = visible_range(histories, targets)
        table = np.zeros_like(histories.item)
        chance = tracer.evidence.chance(histories.item, histories.skills, table)
        correct = histories.correct.astype(np.float64)
        values = (correct, correct - chance, chance * (1 - chance))
        keys = keys_of(histories.item, histories.skills)
        met = Occurrences.of(histories, keys)
        sums, lag_before = _visible_sums(met, met.spans(keys[targets], first, end), end, values)
        return cls(np.flatnonzero(targets), end - first, end, keys, values, sums, lag_before)

    def steps(self, which: IntArray, most: int) -> _Steps:
        """The last steps before some targets, at most so many and at least one column."""
        lag = np.arange(1, max(1, min(most, int(self.visible[which].max()))) + 1)
        lag = np.where(lag <= self.visible[which, None], lag, 0)
        response = np.where(lag > 0, self.end[which, None] - lag, self.target[which, None])
        return _Steps(which, self.end[which] - self.visible[which], response, lag)

    def without_each(self, steps: _Steps, last: int) -> FloatTable:
        """Past features as they are, then without each of the last steps by itself.

        Weights of the other steps in recent sums stay as they were.

        Returns:
            (batch, 1 + steps, `past_features.N_FEATURES`).
        """
        response, asked = steps.response[:, :last], self.keys[self.target[steps.which]]
        same = (self.keys[response][:, :, None, :] == asked[:, None, :, None]).any(axis=-1)
        same &= (asked > 0)[:, None] & (steps.lag[:, :last, None] > 0)
        same = np.pad(same, ((0, 0), (1, 0), (0, 0)))  # (batch, 1 + steps, keys)
        later = np.cumsum(same, axis=1) - same  # responses on the key since
        weight = same[..., None] * np.asarray(DECAYS) ** later[..., None]
        right, surprise, information = (
            np.pad(each[response], ((0, 0), (1, 0)))[..., None] for each in self.values
        )
        whole = {name: each[steps.which, None] for name, each in vars(self.sums).items()}
        forgotten = same & (later == 0)  # the key was met last in this very step
        sums = KeySums(
            right=whole["right"] - same * right,
            n=whole["n"] - same,
            surprise=whole["surprise"] - same * surprise,
            information=whole["information"] - same * information,
            recent_surprise=whole["recent_surprise"] - weight * surprise[..., None],
            recent_information=whole["recent_information"] - weight * information[..., None],
            lag=np.where(forgotten, self.lag_before[steps.which, None], whole["lag"]),
        )
        return sums.features(np.broadcast_to((asked > 0)[:, None], same.shape))


def _visible_sums(
    met: Occurrences,
    spans: tuple[IntArray, IntArray],
    end: IntArray,
    values: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[KeySums, FloatArray]:
    """Sums and `lag_before` as `_Past` has them; spans as `Occurrences.spans` gives them."""
    start, stop = spans

    def at_stop(of_occurrence: NDArray[Any], back: int = 1) -> NDArray[Any]:
        at = stop - back
        return np.where(at >= start, np.append(of_occurrence, 0)[np.maximum(at, -1)], 0)

    def total(of_response: FloatArray) -> FloatArray:
        running = running_sums(of_response[met.response])
        return running[stop] - running[start]

    def recent(of_response: FloatArray) -> FloatArray:
        found = of_response[met.response]
        return np.stack([at_stop(decayed_sums(found, met.place, d)) for d in DECAYS], axis=-1)

    def lag(back: int) -> FloatArray:
        there = stop - back >= start
        steps: FloatArray = np.where(there, end[:, None] - at_stop(met.response, back), 0.0)
        return steps

    sums = KeySums(
        right=total(values[0]),
        n=(stop - start).astype(np.float64),
        surprise=total(values[1]),
        information=total(values[2]),
        recent_surprise=recent(values[1]),
        recent_information=recent(values[2]),
        lag=lag(1),
    )
    return sums, lag(2)


def _nothing_yet(target: IntArray, top: int) -> Influences:
    shape = (len(target), top)
    return Influences(
        target=target,
        predicted=np.full(len(target), np.nan),
        response=np.full(shape, -1),
        position=np.full(shape, -1),
        effect=np.full(shape, np.nan),
        attention=np.full(shape, np.nan),
    )


def _without_each(
    network: Tracer, inputs: Inputs, past: _Past, steps: _Steps, last: int
) -> tuple[FloatArray, FloatArray]:
    """Logits as they are and without each of the last steps, (batch, 1 + last); attention to all.

    The attention is the mean over heads, (batch, steps).
    """
    device = inputs.item.device
    features = torch.from_numpy(past.without_each(steps, last))
    target = torch.from_numpy(past.target[steps.which]).to(device)
    response = torch.from_numpy(steps.response).to(device)
    lag = torch.from_numpy(steps.lag).float()[:, None].to(device)
    keys, values = network.remember(inputs, response)
    bias = network.bias(inputs, target[:, None], response, lag)
    n, variants = features.shape[:2]
    hidden = torch.zeros(variants, bias.shape[-1], device=device)
    hidden.diagonal()[1:] = _HIDDEN_STEP  # variant 0 hides nothing; the start token stays
    asked = torch.arange(n * variants, device=device).reshape(n, variants)
    varied = replace(
        inputs,
        item=inputs.item[target].repeat_interleave(variants),
        skills=inputs.skills[target].repeat_interleave(variants, dim=0),
        evidence=inputs.evidence[target].repeat_interleave(variants, dim=0),
        past=features.flatten(0, 1).to(device),
    )
    logits = network.answer_logits(varied, asked, keys, values, bias + hidden)
    attention = _attention(network, varied, asked[:, :1], keys, bias)
    return logits.double().cpu().numpy(), attention.double().cpu().numpy()


def _attention(
    network: Tracer, inputs: Inputs, target: Tensor, keys: Tensor, bias: Tensor
) -> Tensor:
    """Weights of the steps, mean over heads, (batch, steps), as `Tracer.answer_logits` has them."""
    skills = inputs.skills[target]
    n_skills = (skills > 0).sum(dim=-1, keepdim=True).clamp(min=1)
    question = (
        network.asked_skill(skills).sum(dim=-2) / n_skills
        + network.asked_item(network.item(inputs.item[target]))
        + network.described(inputs.evidence[target])
    )
    keys = torch.cat([network.start_key.expand(len(keys), 1, -1), keys], dim=1)
    query, key = (
        each.unflatten(-1, (network.heads, -1)).transpose(1, 2)
        for each in (network.query(question), keys)
    )
    scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + bias
    weights: Tensor = scores.softmax(dim=-1).mean(dim=1)[:, 0, 1:]
    return weights


def _note_strongest(
    found: Influences, steps: _Steps, logits: FloatArray, attention: FloatArray
) -> None:
    """Fill in the rows of some targets; of equal influences the nearer response comes first."""
    effect = logits[:, :1] - logits[:, 1:]
    lag = steps.lag[:, : effect.shape[1]]
    size = np.where(lag > 0, np.abs(effect), -1.0)
    order = np.argsort(-size, axis=1, kind="stable")[:, : found.response.shape[1]]
    there = np.take_along_axis(lag, order, axis=1) > 0

    def strongest(values: NDArray[Any], missing: float) -> NDArray[Any]:
        return np.where(there, np.take_along_axis(values, order, axis=1), missing)

    rows, columns = steps.which[:, None], np.arange(order.shape[1])
    response = strongest(steps.response, -1)
    found.predicted[steps.which] = expit(logits[:, 0])
    found.response[rows, columns] = response
    found.position[rows, columns] = np.where(there, response - steps.first[:, None], -1)
    found.effect[rows, columns] = strongest(effect, np.nan)
    found.attention[rows, columns] = strongest(attention, np.nan)
