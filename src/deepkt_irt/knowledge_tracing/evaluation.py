"""Fits models on the splits of a protocol and says how well they predict, and for whom.

Every figure is the mean over the splits of the figure on each split's test responses, beside its
spread over the splits and an interval by student.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData, QualityViolation
from deepkt_irt.knowledge_tracing.breakdowns import Judged, Row, breakdowns
from deepkt_irt.knowledge_tracing.histories import Histories, Model, Split
from deepkt_irt.knowledge_tracing.intervals import FIGURES, Interval, Sample, student_intervals
from deepkt_irt.knowledge_tracing.metrics import Scores, scores
from deepkt_irt.settings import EvaluationSettings

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
Factory = Callable[[int], Model]
"""Makes a new model from a seed."""


_DEFAULTS = EvaluationSettings()


@dataclass(frozen=True)
class Figure:
    """One figure of one model; NaN where it is not defined.

    Attributes:
        mean: Over the splits.
        std: Over the splits, with n - 1; NaN if there is one split.
        low: Lower end of the interval of the mean by a bootstrap over students.
        high: Upper end.
    """

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelResult:
    """One model under one protocol.

    Attributes:
        figures: By name: auc, accuracy, log_loss, ece.
        splits: Figures of each split.
        pooled: Figures of all splits' predictions together.
        breakdowns: Rows by kind: history, skill, item, and group and stratum where there are any.
        seconds_fit: Fitting, all splits together.
        seconds_predict: Predicting, all splits together.
    """

    figures: dict[str, Figure]
    splits: tuple[Scores, ...]
    pooled: Scores
    breakdowns: dict[str, tuple[Row, ...]]
    seconds_fit: float
    seconds_predict: float


@dataclass(frozen=True)
class Evaluation:
    """Models under one protocol on one version of the data.

    Attributes:
        protocol: Name of the protocol.
        data: Version of the data.
        n_splits: Splits, each with a model of its own.
        seed: Of the models and the intervals.
        models: Results by name.
    """

    protocol: str
    data: str
    n_splits: int
    seed: int
    models: dict[str, ModelResult]


def evaluate(  # noqa: PLR0913 - the options have defaults
    histories: Histories,
    splits: Sequence[Split],
    models: Mapping[str, Factory],
    *,
    seed: int,
    groups: NDArray[Any] | None = None,
    protocol: str = "",
    settings: EvaluationSettings = _DEFAULTS,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Fits and judges each model on each split.

    The model of split k is made with seed + k. Intervals draw the test students of all splits
    once per resample and average over the splits, as `student_intervals` says: they hold the
    doubt about who is judged, while the spread over the splits holds that about training.

    Args:
        histories: What the splits are of.
        splits: As a protocol gives them.
        models: Makes each model from a seed, by name.
        seed: Of models and intervals.
        groups: Name of each student's group, by index of the student; missing or empty: none,
            (students,).
        protocol: Name of the protocol, for the report.
        settings: What is reported.
        on_progress: Told one line per fitted model.

    Raises:
        NoData: If there is no split or model, or a split has no test response.
        QualityViolation: If a model gives something else than one probability per response.
        ValueError: If a mask or the groups have another length than the histories.
    """
    if not splits or not models:
        raise NoData("an evaluation needs at least one split and one model")
    for split in splits:
        check_split(histories, split)
    if groups is not None and len(groups) <= histories.student.max(initial=-1):
        raise ValueError(f"{len(groups)} groups but {histories.student.max() + 1} students")
    results = {
        name: _Run(histories, splits, seed, on_progress).of(name, factory, groups, settings)
        for name, factory in models.items()
    }
    return Evaluation(protocol, histories.digest, len(splits), seed, results)


def check_split(histories: Histories, split: Split) -> None:
    """Refuses a split that nothing can be judged on.

    Raises:
        NoData: If there is no test response.
        ValueError: If a mask has another length than the histories, or context would be judged.
    """
    for mask in (split.train, split.validation, split.test):
        if len(mask) != len(histories):
            raise ValueError(f"{len(histories)} responses but a mask of {len(mask)}")
    if (split.test & ~histories.asked).any():
        raise ValueError("a test response is context, which is not predicted")
    if not split.test.any():
        raise NoData("a split has no test response")


def checked_predictions(name: str, predicted: FloatArray, n: int) -> FloatArray:
    """The predictions, if they are one probability per chosen response.

    Args:
        name: Of the model, for the message.
        predicted: What the model gave.
        n: Chosen responses.

    Raises:
        QualityViolation: If their number differs, or some are not finite or outside 0 to 1.
    """
    found = np.asarray(predicted, dtype=np.float64)
    if found.shape != (n,):
        raise QualityViolation(f"model {name}", f"{found.shape} predictions for {n} responses")
    n_bad = int((~((found >= 0) & (found <= 1))).sum())  # NaN is in no range
    if n_bad:
        raise QualityViolation(
            f"model {name}", f"{n_bad} of {n} predictions are no probability from 0 to 1"
        )
    return found


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The evaluation as plain values: {protocol, data, folds, models}; None where undefined."""
    return {
        "protocol": evaluation.protocol,
        "data": evaluation.data,
        "folds": evaluation.n_splits,
        "seed": evaluation.seed,
        "models": {name: _plain(_of_model(each)) for name, each in evaluation.models.items()},
    }


@dataclass(frozen=True)
class _Run:
    histories: Histories
    splits: Sequence[Split]
    seed: int
    on_progress: Callable[[str], None]

    def of(
        self,
        name: str,
        factory: Factory,
        groups: NDArray[Any] | None,
        settings: EvaluationSettings,
    ) -> ModelResult:
        """One model on all splits."""
        fitted = [self._split(name, factory, k) for k in range(len(self.splits))]
        predicted = [each for each, _, _ in fitted]
        judged = [
            Judged.of(self.histories, split, each)
            for split, each in zip(self.splits, predicted, strict=True)
        ]
        found = tuple(scores(each.correct, each.predicted) for each in judged)
        samples = [Sample(each.correct, each.predicted, each.student) for each in judged]
        return ModelResult(
            figures=_figures(found, self._intervals(samples, settings)),
            splits=found,
            pooled=scores(
                np.concatenate([each.correct for each in judged]), np.concatenate(predicted)
            ),
            breakdowns=breakdowns(
                judged,
                groups=groups,
                suppress_below=settings.suppress_below,
                top_skills=settings.top_skills,
            ),
            seconds_fit=sum(seconds for _, seconds, _ in fitted),
            seconds_predict=sum(seconds for _, _, seconds in fitted),
        )

    def _split(self, name: str, factory: Factory, k: int) -> tuple[FloatArray, float, float]:
        """Predictions on the test of split k, seconds to fit and to predict."""
        model, split = factory(self.seed + k), self.splits[k]
        start = time.perf_counter()
        model.fit(self.histories, split)
        fitted = time.perf_counter()
        predicted = model.predict(self.histories, split.test)
        done = time.perf_counter()
        self.on_progress(
            f"split {k + 1} of {len(self.splits)}: {name} fitted in {fitted - start:.1f} s"
        )
        checked = checked_predictions(name, predicted, int(split.test.sum()))
        return checked, fitted - start, done - fitted

    def _intervals(
        self, samples: list[Sample], settings: EvaluationSettings
    ) -> dict[str, Interval]:
        if len(set(np.concatenate([np.asarray(each.student) for each in samples]))) < 2:
            return dict.fromkeys(FIGURES, Interval(math.nan, math.nan))
        return student_intervals(
            samples,
            seed=self.seed,
            n_resamples=settings.n_resamples,
            confidence=settings.confidence,
        )


def _figures(found: Sequence[Scores], intervals: dict[str, Interval]) -> dict[str, Figure]:
    figures = {}
    for name in FIGURES:
        values = [getattr(each, name) for each in found]
        known = np.array([math.nan if value is None else value for value in values])
        std = float(known.std(ddof=1)) if len(known) > 1 else math.nan
        interval = intervals[name]
        figures[name] = Figure(float(known.mean()), std, interval.low, interval.high)
    return figures


def _of_model(result: ModelResult) -> dict[str, Any]:
    found: dict[str, Any] = {"n": result.pooled.n}
    for name, figure in result.figures.items():
        found[name] = figure.mean
        for part in ("std", "low", "high"):
            found[f"{name}_{part}"] = getattr(figure, part)
    return found | {
        "seconds_fit": result.seconds_fit,
        "seconds_predict": result.seconds_predict,
        "splits": [
            {name: getattr(each, name) for name in ("n", *FIGURES)} for each in result.splits
        ],
        "pooled": {name: getattr(result.pooled, name) for name in ("n", *FIGURES)},
        "reliability": [asdict(each) for each in result.pooled.bins],
        "breakdowns": {
            kind: [asdict(row) for row in rows] for kind, rows in result.breakdowns.items()
        },
    }


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value JSON has
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
