"""Log-loss and AUC of several predictions of the same responses, with intervals over students."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DRAWS = 200
_SEED = 1
INTERVALS = f"Intervals are 95%, by bootstrap over students: {_DRAWS} draws, seed {_SEED}."
_FLOOR = 1e-7  # a probability of 0 would make the log-loss infinite


@dataclass(frozen=True)
class Comparison:
    """Predictions of the same responses.

    Attributes:
        student: Index of the student, 0 to students - 1, (responses,).
        correct: 1 right, 0 wrong, (responses,).
        predicted: Probabilities of each model, (responses,).
    """

    student: IntArray
    correct: IntArray
    predicted: dict[str, FloatArray]

    def cells(self, name: str, *, beside: str) -> tuple[str, ...]:
        """Log-loss, the same less that of another model, AUC and less that; with intervals."""
        found = []
        for values in (self._log_losses, self._aucs):
            own, other = values[name], values[beside]
            found += [_with_interval(own, "")]
            found += [_with_interval(own - other, "+") if name != beside else ""]
        return tuple(found)

    @cached_property
    def _weights(self) -> IntArray:
        """How often each student is drawn; the first row is all students once."""
        n = int(self.student.max()) + 1
        rng = np.random.default_rng(_SEED)
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS)
        return np.concatenate([np.ones((1, n), dtype=np.int64), drawn])

    @cached_property
    def _log_losses(self) -> dict[str, FloatArray]:
        """Of all students and of each draw, (1 + draws,)."""
        n = np.bincount(self.student)
        found = {}
        for name, predicted in self.predicted.items():
            p = np.clip(predicted, _FLOOR, 1 - _FLOOR)
            loss = -np.log(np.where(self.correct == 1, p, 1 - p))
            by_student = np.bincount(self.student, weights=loss)
            found[name] = (self._weights @ by_student) / (self._weights @ n)
        return found

    @cached_property
    def _aucs(self) -> dict[str, FloatArray]:
        """Of all students and of each draw, (1 + draws,)."""
        return {
            name: np.array([self._auc(tied, weights) for weights in self._weights])
            for name, tied in self._ranked.items()
        }

    @cached_property
    def _ranked(self) -> dict[str, IntArray]:
        """Rank of each prediction among the distinct values, (responses,)."""
        return {
            name: np.unique(predicted, return_inverse=True)[1]
            for name, predicted in self.predicted.items()
        }

    def _auc(self, rank: IntArray, weights: IntArray) -> float:
        """Weighted chance that a right response ranks above a wrong one; ties count half."""
        weight = weights[self.student]
        right = np.bincount(rank, weights=weight * self.correct)
        wrong = np.bincount(rank, weights=weight * (1 - self.correct))
        above = right @ (wrong.cumsum() - wrong / 2)
        return float(above / (right.sum() * wrong.sum()))


def _with_interval(values: FloatArray, sign: str) -> str:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return f"{values[0]:{sign}.4f} ({low:{sign}.4f} to {high:{sign}.4f})"
