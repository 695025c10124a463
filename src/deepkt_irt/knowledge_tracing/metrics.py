"""How good predicted probabilities are: discrimination, accuracy, log loss, calibration."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from deepkt_irt.errors import NoData

FloatArray = NDArray[np.float64]
_BINS = 10
_FLOOR = 1e-7  # a probability of 0 would make the log loss infinite


@dataclass(frozen=True)
class Bin:
    """One bin of a reliability curve."""

    mean_predicted: float
    observed: float
    n: int


@dataclass(frozen=True)
class Scores:
    """Figures of one model on one set of responses.

    Attributes:
        n: Responses scored.
        auc: Area under the ROC curve; None if all are right or all are wrong.
        accuracy: Share right at the 0.5 threshold.
        log_loss: Mean negative log likelihood in nats.
        ece: Expected calibration error over 10 equal-width bins.
        bins: Reliability curve; empty bins left out.
    """

    n: int
    auc: float | None
    accuracy: float
    log_loss: float
    ece: float
    bins: tuple[Bin, ...]


def scores(correct: ArrayLike, predicted: ArrayLike) -> Scores:
    """All figures at once.

    Args:
        correct: 1 right, 0 wrong, (responses,).
        predicted: Probabilities in [0, 1], (responses,).

    Raises:
        NoData: If there is no response.
        ValueError: If a value is outside its range or the lengths differ.
    """
    y, p = np.asarray(correct, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if y.shape != p.shape:
        raise ValueError(f"{y.shape} responses but {p.shape} predictions")
    if not y.size:
        raise NoData("no responses to score a model on")
    if not np.isin(y, (0, 1)).all() or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("correct must be 0 or 1 and predictions from 0 to 1")
    bins = calibration_bins(y, p)
    clipped = np.clip(p, _FLOOR, 1 - _FLOOR)
    return Scores(
        n=y.size,
        auc=auc(y, p),
        accuracy=float(((p >= 0.5) == (y == 1)).mean()),
        log_loss=float(-(y * np.log(clipped) + (1 - y) * np.log1p(-clipped)).mean()),
        ece=sum(b.n * abs(b.mean_predicted - b.observed) for b in bins) / y.size,
        bins=bins,
    )


def auc(correct: FloatArray, predicted: FloatArray) -> float | None:
    """Chance that a right response was given a higher probability than a wrong one.

    Ties count half. None if there is only one class.

    Reference:
        Hanley and McNeil (1982), Radiology 143, 29-36.
    """
    n_right = int(correct.sum())
    n_wrong = correct.size - n_right
    if not n_right or not n_wrong:
        return None
    ranks = rankdata(predicted)
    below = ranks[correct == 1].sum() - n_right * (n_right + 1) / 2
    return float(below / (n_right * n_wrong))


def calibration_bins(correct: FloatArray, predicted: FloatArray) -> tuple[Bin, ...]:
    """Mean prediction and share right in 10 bins of equal width, empty ones left out."""
    place = np.minimum((predicted * _BINS).astype(int), _BINS - 1)
    filled = (np.flatnonzero(place == number) for number in range(_BINS))
    return tuple(
        Bin(float(predicted[inside].mean()), float(correct[inside].mean()), len(inside))
        for inside in filled
        if len(inside)
    )
