"""The ability network: a weighted mean over past responses, for all predictions at once.

theta(v) = sum_j w(v - 1 - j) g(x_j) / (w0 + sum_j w(v - 1 - j)) over the last `window` of the v
responses that are visible, g a small perceptron of a response's features, w a positive weight by
how many responses lie between, w0 > 0 the weight of the mean: few responses stay near it.

Whatever is predicted enters only by v. Long segments are cut into pieces that bring the steps
before them along, so the cost grows with responses times window.

Reference:
    Pu, Yan and Zhang (2024), Journal of Educational Data Mining 16(2), 1-31; there w is part of
    the features and w0 is 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepkt_irt.knowledge_tracing.histories import FloatArray, IntArray
from deepkt_irt.knowledge_tracing.wide_deep_features import Float32Array
from deepkt_irt.settings import WideDeepSettings

_PIECES_AT_ONCE = 64
_LEAST_SPREAD = 0.2  # a flag raised once in a thousand must not outweigh the rest


@dataclass(frozen=True)
class Pieces:
    """Stretches of segments, each with the predictions that rest on its steps.

    Attributes:
        first: Response at which a stretch begins, (pieces,).
        n_steps: Responses in it, (pieces,).
        bounds: Where the predictions of a piece lie in the two arrays below, (pieces + 1,).
        asked: Index of each prediction, piece by piece, (predictions,).
        prefix: How many leading steps of its piece it sees, (predictions,).
    """

    first: IntArray
    n_steps: IntArray
    bounds: IntArray
    asked: IntArray
    prefix: IntArray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Batch:
    """Some pieces: their steps one after another, and the predictions on them.

    Attributes:
        step: Response of each step, (steps,).
        row, column: Its place in a piece by step matrix, (steps,).
        shape: Of that matrix.
        asked: Index of each prediction, (predictions,).
        asked_row, prefix: Its piece and how many steps of it are seen, (predictions,).
    """

    step: IntArray
    row: IntArray
    column: IntArray
    shape: tuple[int, int]
    asked: IntArray
    asked_row: IntArray
    prefix: IntArray


def pieces_of(offsets: IntArray, segment: IntArray, visible: IntArray, *, window: int) -> Pieces:
    """Pieces for predictions on the first `visible` responses of a segment.

    Args:
        offsets: Of the segments, (segments + 1,).
        segment: Of each prediction, (predictions,).
        visible: Leading responses of the segment that it may rest on, (predictions,).
        window: Last visible responses that count.
    """
    chunk = visible // window
    key = segment * (int(chunk.max(initial=0)) + 1) + chunk
    order = np.lexsort((visible, key))
    _, start = np.unique(key[order], return_index=True)
    bounds = np.append(start, len(order)).astype(np.int64)
    one, last = order[start], order[bounds[1:] - 1]  # any prediction of a piece; its longest
    skipped = np.maximum((chunk[one] - 1) * window, 0)
    first = offsets[segment[one]] + skipped
    n_steps = visible[last] - skipped
    prefix = visible[order] - np.repeat(skipped, np.diff(bounds))
    return Pieces(first, n_steps, bounds, order, prefix)


def batch_of(pieces: Pieces, rows: IntArray) -> Batch:
    """Some of the pieces, in the order of `rows`."""
    n_steps, n_asked = pieces.n_steps[rows], np.diff(pieces.bounds)[rows]
    place = _ranges(pieces.bounds[rows], n_asked)
    numbers = np.arange(len(rows))
    return Batch(
        step=_ranges(pieces.first[rows], n_steps),
        row=np.repeat(numbers, n_steps),
        column=_ranges(np.zeros_like(n_steps), n_steps),
        shape=(len(rows), int(n_steps.max(initial=1))),
        asked=pieces.asked[place],
        asked_row=np.repeat(numbers, n_asked),
        prefix=pieces.prefix[place],
    )


def batches(pieces: Pieces, order: IntArray, *, size: int) -> Iterator[Batch]:
    """Batches of `size` pieces in the order given."""
    for at in range(0, len(order), size):
        yield batch_of(pieces, order[at : at + size])


class AbilityNetwork(nn.Module):
    """Abilities from features of past responses, in logits around that of a new student.

    Args:
        n_features: Features of a step.
        settings: Sizes.
    """

    knots: Tensor  # buffers: how the weights at all lags follow from those at a few,
    centre: Tensor  # and what is taken from and
    gain: Tensor  # multiplied with the features before the first layer

    def __init__(self, n_features: int, settings: WideDeepSettings) -> None:
        super().__init__()
        half, self.window = settings.hidden // 2, settings.window
        second = nn.Linear(settings.hidden, half)
        self.evidence = nn.Sequential(
            nn.Linear(n_features, settings.hidden), nn.ReLU(), nn.Dropout(settings.dropout),
            second, nn.ReLU(), nn.Dropout(settings.dropout),
            nn.Linear(half, 1),
        )  # fmt: skip
        between = _between_knots(settings.window)
        # a unit that is silent for all inputs never learns; of so few, all could be
        nn.init.constant_(second.bias, 0.5)
        self.register_buffer("centre", torch.zeros(n_features))
        self.register_buffer("gain", torch.ones(n_features))
        self.register_buffer("knots", torch.from_numpy(between), persistent=False)
        self.log_weight = nn.Parameter(torch.zeros(between.shape[1]))
        self.log_mean_weight = nn.Parameter(torch.ones(()))

    def standardise(self, features: Float32Array) -> None:
        """Bring these features, of training responses, to mean 0 and like spread.

        A feature that does not vary among them is ignored from then on: nothing says what it
        would mean.
        """
        spread = features.std(axis=0, dtype=np.float64)
        varies = np.ptp(features, axis=0) > 0
        gain = np.where(varies, 1 / np.maximum(spread, _LEAST_SPREAD), 0.0)
        self.centre.copy_(torch.from_numpy(features.mean(axis=0, dtype=np.float64)))
        self.gain.copy_(torch.from_numpy(gain))

    def lag_weights(self) -> Tensor:
        """Weights w by lag, 1 at lag 0, (window,)."""
        return torch.exp(self.knots @ self.log_weight)

    def forward(self, features: Tensor, batch: Batch) -> Tensor:
        """Abilities of the predictions of a batch.

        Args:
            features: Of the batch's steps, (steps, features).
            batch: Where they stand, and what is asked.

        Returns:
            (predictions,), in the order of `batch.asked`.
        """
        rows, length = batch.shape
        place = torch.from_numpy(batch.row * length + batch.column)
        evidence = self.evidence((features - self.centre) * self.gain)[:, 0]
        empty = evidence.new_zeros(rows * length)
        there = empty.index_fill(0, place, 1.0).view(rows, length)
        weights = self._weights_by_prefix(length)
        total = empty.index_copy(0, place, evidence).view(rows, length) @ weights
        theta = total / (self.log_mean_weight.exp() + there @ weights)
        at = torch.from_numpy(batch.asked_row * (length + 1) + batch.prefix)
        found: Tensor = theta.reshape(-1)[at]
        return found

    def _weights_by_prefix(self, length: int) -> Tensor:
        """Weight of step j for a prefix of v steps, w(v - 1 - j) or 0, (length, length + 1)."""
        weights = self.lag_weights()[:length]
        ahead = weights.new_zeros(length)
        beyond = weights.new_zeros(length - len(weights))
        # row r of the unfolded begins r later: the weights run one step on with each prefix
        return torch.cat([ahead, weights, beyond]).unfold(0, length + 1, 1).flip(0)


def abilities(
    network: AbilityNetwork, features: Float32Array, pieces: Pieces, *, n: int
) -> FloatArray:
    """Abilities of all predictions, dropout off, (n,)."""
    network.eval()
    theta = np.full(n, np.nan)
    with torch.inference_mode():
        order = np.argsort(pieces.n_steps, kind="stable")  # like lengths pad little
        for batch in batches(pieces, order, size=_PIECES_AT_ONCE):
            steps = torch.from_numpy(features[batch.step])
            theta[batch.asked] = network(steps, batch).double().numpy()
    return theta


def negative_log_likelihood(
    correct: Tensor, theta: Tensor, a: Tensor, b: Tensor, c: Tensor
) -> Tensor:
    """Of each response under c + (1 - c) / (1 + exp(-a (theta - b))), exact also near 0 and 1."""
    eta = a * (theta - b)
    not_guessed = torch.log1p(-c)
    right = torch.logaddexp(c.log(), not_guessed + F.logsigmoid(eta))
    return -torch.where(correct == 1, right, not_guessed + F.logsigmoid(-eta))


def _between_knots(window: int) -> Float32Array:
    """Linear interpolation in log(1 + lag) from lags 1, 2, 4 … window - 1, (window, knots).

    The log weight at lag 0 is 0; only ratios of weights matter.
    """
    powers = 2 ** np.arange(max(window - 1, 1).bit_length())
    at = np.log1p(np.unique([0, *powers[powers < window - 1], max(window - 1, 1)]))
    lag = np.log1p(np.arange(window))
    hats = np.stack([np.interp(lag, at, hat) for hat in np.eye(len(at))], axis=1)
    return hats[:, 1:].astype(np.float32)


def _ranges(start: IntArray, length: IntArray) -> IntArray:
    """start, start + 1 … of the given lengths, one after another."""
    before = np.cumsum(length) - length
    ranges: IntArray = np.repeat(start - before, length) + np.arange(int(length.sum()))
    return ranges
