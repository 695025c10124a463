"""One student's history held ready: a new response is taken in, and the next answer predicted.

Keys and values of the last steps are kept, since each depends on its own step alone, beside
running sums of the whole past, by skill and by item. Neither a response nor a prediction goes
over the past again: what they cost does not grow with it beyond the context of the attention.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from deepkt_irt.errors import UsageError
from deepkt_irt.knowledge_tracing.histories import BoolArray, FloatArray, Histories, IntArray
from deepkt_irt.knowledge_tracing.inputs import Inputs, interaction_of
from deepkt_irt.knowledge_tracing.item_evidence import FloatTable
from deepkt_irt.knowledge_tracing.past_counts import Occurrences, decayed_sums
from deepkt_irt.knowledge_tracing.past_features import (
    DECAYS_OVERALL,
    DECAYS_SAME,
    PRIOR_ALL,
    PRIOR_RECENT,
)
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.knowledge_tracing.tracer import Tracer

DECAYS = (*DECAYS_OVERALL, *DECAYS_SAME)
_NONE = torch.zeros(0)  # of what is not looked at


@dataclass(frozen=True)
class KeySums:
    """What the visible responses on each key add up to, for the keys that `keys_of` gives.

    Attributes:
        right: Successes, (…, keys).
        n: Responses, (…, keys).
        surprise: Sum of results less what the items let expect, (…, keys).
        information: Sum of p (1 - p), p being what the item lets expect, (…, keys).
        recent_surprise: Surprise, older ones weighing less by each of `DECAYS`, (…, keys, decays).
        recent_information: Information likewise, (…, keys, decays).
        lag: How many steps ago the key was met last; 0 never, (…, keys).
    """

    right: FloatArray
    n: FloatArray
    surprise: FloatArray
    information: FloatArray
    recent_surprise: FloatArray
    recent_information: FloatArray
    lag: FloatArray

    def features(self, there: BoolArray) -> FloatTable:
        """The columns of `past_features`, (…, columns).

        Args:
            there: Which keys there are, (…, keys).
        """
        plain = (
            np.log1p(self.right),
            np.log1p(self.n - self.right),
            self.surprise / (self.information + PRIOR_ALL),
        )
        recent = self.recent_surprise / (self.recent_information + PRIOR_RECENT)
        since = (np.where(self.lag > 0, 1 / np.maximum(self.lag, 1), 0.0), np.log1p(self.lag) / 4)
        per_key = np.concatenate([np.stack(plain, -1), recent, np.stack(since, -1)], axis=-1)
        per_key = np.where(there[..., None], per_key, 0.0)
        overall = len(plain) + len(DECAYS_OVERALL)
        same = np.concatenate([per_key[..., : len(plain)], per_key[..., overall:]], axis=-1)
        n_skills = np.maximum(there[..., 1:-1].sum(axis=-1), 1)[..., None]
        skills = same[..., 1:-1, :].sum(axis=-2) / n_skills
        parts = (per_key[..., 0, :overall], skills, same[..., -1, :])
        return np.concatenate(parts, axis=-1).astype(np.float32)


def keys_of(item: IntArray, skills: IntArray) -> IntArray:
    """Keys by which the past is summed up: anything, each skill, the item; 0 is no key.

    Args:
        item: Item indexes, 0 unknown, (…,).
        skills: Skill indexes, 0 where fewer, (…, most).

    Returns:
        (…, 2 + most): 1, twice the skills, and one more than twice the item.
    """
    own = np.where(item > 0, 2 * item + 1, 0)
    return np.concatenate([np.ones_like(own)[..., None], 2 * skills, own[..., None]], axis=-1)


def fitted_network(tracer: KnowledgeTracer) -> Tracer:
    """The network, ready to predict.

    Raises:
        UsageError: If the architecture is another one, which has no keys to keep.
        ValueError: If the model is not fitted.
    """
    network = tracer.network
    if not isinstance(network, Tracer):
        raise UsageError(
            f"architecture={tracer.settings.architecture} keeps no memory and explains no "
            "prediction; train the default architecture"
        )
    return network.eval()


class StudentMemory:
    """What a trained model needs to know of one student.

    Begin with `of`; a student without a past has a history of no responses.

    Attributes:
        n_responses: Responses taken in so far.
    """

    def __init__(self, tracer: KnowledgeTracer, histories: Histories) -> None:
        self._network, self._evidence = fitted_network(tracer), tracer.evidence
        self._device = next(self._network.parameters()).device
        self.n_responses = len(histories)
        chance = self._chance(histories)
        self._sums = _RunningSums.of(histories, chance)
        self._item = histories.item[-self._network.context :].copy()
        self._skills = histories.skills[-self._network.context :].copy()
        self._keys, self._values = self._remembered(histories, chance)

    @classmethod
    def of(cls, tracer: KnowledgeTracer, histories: Histories) -> Self:
        """Memory of a whole history.

        Args:
            tracer: A fitted model of the default architecture; it must not be fitted again.
            histories: One segment: all graded responses of one student.

        Raises:
            ValueError: If there is not one segment, or the model is not fitted.
            UsageError: If the model's architecture is another one.
        """
        if histories.n_segments != 1:
            raise ValueError(f"{histories.n_segments} segments; a memory is of one student")
        return cls(tracer, histories)

    def predict(self, items: IntArray, skills: IntArray) -> FloatArray:
        """Probabilities of a right answer on candidates, each as if it were asked next.

        What `KnowledgeTracer.predict` says after the whole history, to rounding.

        Args:
            items: Item indexes, 0 unknown, (candidates,).
            skills: Their skill indexes, 0 where fewer, (candidates, most).

        Raises:
            ValueError: If there is not one row of skills an item.
        """
        if skills.ndim != 2 or len(items) != len(skills):
            raise ValueError(f"items {items.shape} and skills {skills.shape}: a row for each item")
        if not len(items):
            return np.zeros(0)
        target = torch.arange(len(items), device=self._device)[None]
        past = len(items) + torch.arange(len(self._item), device=self._device)[None]
        lag = torch.arange(len(self._item), 0, -1, device=self._device)
        with torch.inference_mode():
            inputs = self._asked(items, skills).to(self._device)
            lags = lag.float().expand(1, len(items), -1)
            bias = self._network.bias(inputs, target, past, lags)
            logits = self._network.answer_logits(inputs, target, self._keys, self._values, bias)
            probabilities: FloatArray = torch.sigmoid(logits[0].double()).cpu().numpy()
        return probabilities

    def append(  # noqa: PLR0913 - one argument per column of histories
        self,
        item: int,
        skills: IntArray,
        correct: int,
        *,
        latency_ms: float = np.nan,
        hint_count: float = np.nan,
        attempt_count: float = np.nan,
        first_action: int = 0,
    ) -> None:
        """Take in the next graded response; arguments as the columns of `Histories`.

        Args:
            item: Item index, 0 unknown.
            skills: Skill indexes, 0 where fewer, (most,).
            correct: 1 right, 0 wrong.
            latency_ms: Start to first graded response, NaN unknown.
            hint_count: Hints used, NaN unknown.
            attempt_count: Graded responses made, NaN unknown.
            first_action: 0 unknown, else 1 + place in `FIRST_ACTIONS`.

        Raises:
            ValueError: If correct is neither 0 nor 1.
        """
        if correct not in (0, 1):
            raise ValueError(f"correct={correct} must be 0 or 1")
        response = Histories.of(
            offsets=np.array([0, 1]),
            item=np.array([item]),
            skills=skills[None],
            correct=np.array([correct]),
            latency_ms=np.array([latency_ms]),
            hint_count=np.array([hint_count]),
            attempt_count=np.array([attempt_count]),
            first_action=np.array([first_action]),
        )
        self._add(response)

    def _add(self, response: Histories) -> None:
        chance = self._chance(response)
        keys = keys_of(response.item[0], response.skills[0])
        self._sums.add(keys, int(response.correct[0]), float(chance[0]), self.n_responses)
        self.n_responses += 1
        key, value = self._remembered(response, chance)
        context = self._network.context
        self._keys = torch.cat([self._keys, key], dim=1)[:, -context:]
        self._values = torch.cat([self._values, value], dim=1)[:, -context:]
        self._item = np.concatenate([self._item, response.item])[-context:]
        self._skills = _stacked(self._skills, response.skills)[-context:]

    def _remembered(self, histories: Histories, chance: FloatArray) -> tuple[Tensor, Tensor]:
        """Keys and values of the last steps, (1, steps, width) each."""
        context, table = self._network.context, np.zeros_like(histories.item)
        interaction = torch.from_numpy(interaction_of(histories, self._evidence, table, chance))
        inputs = Inputs(
            item=torch.from_numpy(self._known_item(histories.item)),
            same_item=torch.from_numpy(histories.item),
            skills=torch.from_numpy(self._known_skills(histories.skills)),
            combination=_NONE,
            members=_NONE,
            correct=torch.from_numpy(histories.correct.astype(np.float32)),
            evidence=_NONE,
            past=_NONE,
            interaction=interaction,
        ).to(self._device)
        last = torch.arange(max(0, len(histories) - context), len(histories), device=self._device)
        with torch.inference_mode():
            return self._network.remember(inputs, last[None])

    def _asked(self, items: IntArray, skills: IntArray) -> Inputs:
        """Inputs of the candidates, and after them of the remembered steps as far as asked for."""
        n, steps = len(items), len(self._item)
        table = np.zeros(n, dtype=np.int64)
        return Inputs(
            item=torch.from_numpy(self._known_item(items)),
            same_item=torch.from_numpy(np.concatenate([items, self._item])),
            skills=torch.from_numpy(self._known_skills(skills)),
            combination=torch.arange(n + steps),
            members=torch.from_numpy(_stacked(skills, self._skills)),
            correct=_NONE,
            evidence=torch.from_numpy(self._evidence.features(items, skills, table)),
            past=torch.from_numpy(self._sums.features(keys_of(items, skills), self.n_responses)),
            interaction=_NONE,
        )

    def _chance(self, histories: Histories) -> FloatArray:
        table = np.zeros_like(histories.item)
        return self._evidence.chance(histories.item, histories.skills, table)

    def _known_item(self, item: IntArray) -> IntArray:
        return np.where(self._evidence.known(item), item, 0)

    def _known_skills(self, skills: IntArray) -> IntArray:
        return np.where(skills < self._evidence.by_skill.shape[1], skills, 0)


class _RunningSums:
    """Sums by key, each in a row of one table; row 0 is of keys never met and stays zero.

    Columns: successes, responses, surprise, information, position of the last response; then, by
    decay, recent surprise, and recent information.
    """

    _LAST, _SURPRISE, _INFORMATION = 4, slice(5, 5 + len(DECAYS)), slice(5 + len(DECAYS), None)

    def __init__(self, keys: IntArray, table: FloatArray) -> None:
        self._row = {key: 1 + place for place, key in enumerate(keys.tolist())}
        self._table, self._decay = table, np.array(DECAYS)

    @classmethod
    def of(cls, histories: Histories, chance: FloatArray) -> Self:
        """Sums of one segment, at its end."""
        met = Occurrences.of(histories, keys_of(histories.item, histories.skills))
        last = np.flatnonzero(np.diff(met.key, append=-1))
        correct = histories.correct[met.response].astype(np.float64)
        expected = chance[met.response]
        surprise, information = correct - expected, expected * (1 - expected)
        first = np.concatenate([np.zeros(1, dtype=np.int64), last + 1])
        columns = [
            np.diff(np.concatenate([np.zeros(1), np.cumsum(values)])[first])
            for values in (correct, np.ones(len(correct)), surprise, information)
        ]
        columns.append(met.response[last].astype(np.float64))
        for values in (surprise, information):
            columns += [decayed_sums(values, met.place, decay)[last] for decay in DECAYS]
        never = np.zeros((1, len(columns)))
        return cls(met.key[last], np.concatenate([never, np.stack(columns, axis=1)]))

    def add(self, keys: IntArray, correct: int, chance: float, position: int) -> None:
        """Take in the response at a position, on some keys, (keys,)."""
        rows = [self._row_of(key) for key in keys.tolist() if key > 0]
        surprise, information = correct - chance, chance * (1 - chance)
        new = self._table[rows]
        new[:, : self._LAST] += (correct, 1, surprise, information)
        new[:, self._LAST] = position
        new[:, self._SURPRISE] = self._decay * new[:, self._SURPRISE] + surprise
        new[:, self._INFORMATION] = self._decay * new[:, self._INFORMATION] + information
        self._table[rows] = new

    def features(self, keys: IntArray, position: int) -> FloatTable:
        """Past features of responses asked at a position, from their keys, (asked, keys)."""
        rows = [self._row.get(key, 0) for key in keys.ravel().tolist()]
        found = self._table[np.reshape(rows, keys.shape).astype(np.int64)]
        right, n, surprise, information, last = np.moveaxis(found[..., : self._LAST + 1], -1, 0)
        sums = KeySums(
            right=right,
            n=n,
            surprise=surprise,
            information=information,
            recent_surprise=found[..., self._SURPRISE],
            recent_information=found[..., self._INFORMATION],
            lag=np.where(n > 0, position - last, 0.0),
        )
        return sums.features(keys > 0)

    def _row_of(self, key: int) -> int:
        row = self._row.setdefault(key, len(self._row) + 1)
        if row >= len(self._table):  # doubled, so that growing costs little on the whole
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        return row


def _stacked(skills: IntArray, more: IntArray) -> IntArray:
    """Rows of skills under each other, filled up with 0 to the same width."""
    width = max(skills.shape[1], more.shape[1])
    return np.concatenate(
        [np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (skills, more)]
    )
