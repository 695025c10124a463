"""Whether a newly trained version may take the champion's place: the rules, and why or why not.

Knows nothing of the registry: it sees predictions and gives a decision with its reasons.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.intervals import Difference, paired_difference
from deepkt_irt.knowledge_tracing.metrics import auc, scores
from deepkt_irt.settings import PromotionSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


FLOOR = "item_mean"
"""The baseline that knows the item and nothing of the student."""


class PairedDifference(Protocol):
    """Bootstrap over students of the difference of two models on the same responses."""

    def __call__(  # noqa: PLR0913 - that of paired_difference
        self,
        correct: FloatArray,
        first: FloatArray,
        second: FloatArray,
        student: IntArray,
        *,
        n_resamples: int,
        seed: int,
        confidence: float,
    ) -> Difference: ...


class Verdict(Protocol):
    """What the leakage guard found."""

    @property
    def passed(self) -> bool: ...

    @property
    def reasons(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Champion:
    """The version that scores students now.

    Attributes:
        version: Its number in the registry.
        predicted: Its probabilities on the test responses, (responses,); None if it cannot give
            any, as one whose files are of an older format.
        unscored: Why there are none; empty if there are.
    """

    version: str
    predicted: FloatArray | None
    unscored: str = ""

    def __post_init__(self) -> None:
        if (self.predicted is None) != bool(self.unscored):
            raise ValueError("a champion has either predictions or a reason why it has none")


@dataclass(frozen=True)
class Comparison:
    """The challenger beside one other model on the same responses.

    Attributes:
        name: The other model: a baseline's name, or `version 3` for the champion.
        challenger_auc: Of the challenger.
        auc: Of the other model.
        difference: Challenger minus other, AUC.
        low: Lower end of the difference's interval.
        high: Upper end.
        confidence: Of the interval.
    """

    name: str
    challenger_auc: float
    auc: float
    difference: float
    low: float
    high: float
    confidence: float

    @property
    def better(self) -> bool:
        """Whether the challenger is better beyond chance: the whole interval lies above 0."""
        return self.low > 0

    @property
    def worse(self) -> bool:
        """Whether it is worse beyond chance: the whole interval lies below 0."""
        return self.high < 0

    def __str__(self) -> str:
        return (
            f"AUC {_share(self.challenger_auc)} against {_share(self.auc)} of {self.name}: "
            f"{_change(self.difference)}, {100 * self.confidence:.3g}% interval "
            f"{_change(self.low)} to {_change(self.high)}"
        )


@dataclass(frozen=True)
class Decision:
    """What is to happen, and why.

    Attributes:
        promote: Whether the challenger becomes champion.
        reasons: Sentences: what speaks against it, or if nothing does, what speaks for it.
        comparisons: With each baseline, then with the champion.
    """

    promote: bool
    reasons: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def decide(  # noqa: PLR0913 - what the rules look at
    correct: FloatArray,
    student: IntArray,
    challenger: FloatArray,
    *,
    baselines: Mapping[str, FloatArray],
    champion: Champion | None,
    guard: Verdict,
    settings: PromotionSettings,
    difference: PairedDifference = paired_difference,
) -> Decision:
    """Whether the challenger becomes champion.

    It must have passed the leakage guard, be calibrated, and beat every baseline and the champion
    beyond chance: the interval of the AUC's difference, from resampled students, lies above 0. A
    champion trained on nearly the same data is seldom beaten so, and stays.

    While there is no champion nobody is scored at all. So the first version need only beat the
    baseline that knows nothing of the student, and not be worse beyond chance than any other; of
    so few test students that there is no interval, the figures alone decide.

    Args:
        correct: 1 right, 0 wrong, of the test responses, (responses,).
        student: Index of the student of each test response, (responses,).
        challenger: Probabilities of the new version, (responses,).
        baselines: Probabilities by name of each baseline, (responses,) each; with `FLOOR`.
        champion: The version in use; None if there is none.
        guard: What the leakage guard found of the challenger.
        settings: Limits and resampling.
        difference: Gives the interval of the difference of two models.

    Returns:
        The decision; figures are given for every comparison that can be made, also where
        another rule decided already.

    Raises:
        NoData: If there is no test response.
        ValueError: If lengths differ, there is no baseline, or a value is out of range.
    """
    others = dict(baselines)
    if FLOOR not in others:
        raise ValueError(f"a challenger is judged beside baselines, {FLOOR} among them")
    is_first = champion is None or champion.predicted is None
    if champion is not None and champion.predicted is not None:
        others[f"version {champion.version}"] = champion.predicted
    for name, values in {"students": student, **others}.items():
        if len(values) != len(correct):
            raise ValueError(f"{len(correct)} responses but {len(values)} values of {name}")
    figures = scores(correct, challenger)
    against = list(_against_alone(figures.ece, guard, settings))
    missing = _no_interval(correct, student, settings)
    comparisons = (
        ()
        if missing
        else tuple(
            _compared(name, correct, student, challenger, other, settings, difference)
            for name, other in others.items()
        )
    )
    notes = _unscored(champion)
    if missing and is_first:
        against += _below_floor(correct, challenger, others[FLOOR], missing)
        notes = (f"first version, judged by figures alone: {missing}", *notes)
    elif missing:
        against.append(missing)
    else:
        against += [
            f"{_standing(c)}: {c}" for c in comparisons if not _suffices(c, is_first=is_first)
        ]
    if against:
        return Decision(promote=False, reasons=(*against, *notes), comparisons=comparisons)
    won = tuple(f"{_standing(each)}: {each}" for each in comparisons)
    return Decision(promote=True, reasons=(*won, *notes), comparisons=comparisons)


def _against_alone(ece: float, guard: Verdict, settings: PromotionSettings) -> Iterator[str]:
    """What speaks against the challenger whatever the others do."""
    if not guard.passed:
        yield f"the leakage guard failed: {'; '.join(guard.reasons) or 'no reason given'}"
    if ece > settings.max_ece:
        yield (
            f"its probabilities are off by {_share(ece)} on average (expected calibration error), "
            f"at most {_share(settings.max_ece)} is allowed"
        )


def _no_interval(correct: FloatArray, student: IntArray, settings: PromotionSettings) -> str:
    """Why no interval can be given; empty if one can."""
    n_students = len(np.unique(student))
    if n_students < settings.min_students:
        return (
            f"{n_students} test students are too few to tell versions apart, "
            f"{settings.min_students} are needed"
        )
    if correct.min() == correct.max():
        return "all test responses are alike, right or wrong, so that no AUC exists"
    return ""


def _compared(  # noqa: PLR0913, PLR0917 - two models and the responses they share
    name: str,
    correct: FloatArray,
    student: IntArray,
    challenger: FloatArray,
    other: FloatArray,
    settings: PromotionSettings,
    difference: PairedDifference,
) -> Comparison:
    found = difference(
        correct,
        challenger,
        other,
        student,
        n_resamples=settings.n_resamples,
        seed=settings.seed,
        confidence=settings.confidence,
    )
    return Comparison(
        name=name,
        challenger_auc=_known_auc(correct, challenger),
        auc=_known_auc(correct, other),
        difference=found.auc,
        low=found.auc_low,
        high=found.auc_high,
        confidence=settings.confidence,
    )


def _suffices(comparison: Comparison, *, is_first: bool) -> bool:
    if is_first and comparison.name != FLOOR:
        return not comparison.worse
    return comparison.better


def _below_floor(
    correct: FloatArray, challenger: FloatArray, floor: FloatArray, missing: str
) -> list[str]:
    """What speaks against a first version where no interval can be given."""
    own, other = _known_auc(correct, challenger), _known_auc(correct, floor)
    if np.isnan(own):
        return [missing]
    return [] if own > other else [f"AUC {_share(own)} against {_share(other)} of {FLOOR}"]


def _known_auc(correct: FloatArray, predicted: FloatArray) -> float:
    value = auc(np.asarray(correct, dtype=np.float64), predicted)
    return float("nan") if value is None else value


def _standing(comparison: Comparison) -> str:
    if comparison.better:
        return "better"
    return "worse" if comparison.worse else "not better beyond chance"


def _unscored(champion: Champion | None) -> tuple[str, ...]:
    """What is said of a champion that could not be compared."""
    if champion is None or champion.predicted is not None:
        return ()
    why = f"version {champion.version} cannot be compared ({champion.unscored})"
    return (f"{why}, so it counts as no champion",)


def _share(value: float) -> str:
    """A share without its leading zero, as .7812."""
    return f"{value:.4f}".removeprefix("0")


def _change(value: float) -> str:
    """A signed difference without its leading zero, as +.0022."""
    return f"{value:+.4f}".replace("0.", ".", 1)
