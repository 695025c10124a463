"""Logistic regressions on item, skills and counts of the past: 1PL + skill, Best-LR and PFA."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit, log_expit, logit
from sklearn.linear_model import LogisticRegression

from deepkt_irt.errors import NoConvergence
from deepkt_irt.knowledge_tracing.baselines import fitted, training_responses
from deepkt_irt.knowledge_tracing.histories import (
    BoolArray,
    FloatArray,
    Histories,
    IntArray,
    Split,
)
from deepkt_irt.knowledge_tracing.past_counts import (
    Counts,
    past_counts,
    running_sums,
    visible_range,
)

_STRENGTHS = (0.1, 0.3, 1.0, 3.0)  # prior variance of a weight, tried on validation
_DEFAULT_STRENGTH = 1.0  # where there is no validation
_ABILITY_NODES = np.linspace(-4.0, 4.0, 21)
_ROUNDS = 2  # abilities from easinesses and back; a third moves nothing that counts


@dataclass(frozen=True)
class Columns:
    """One column of a design for each index that training met.

    Attributes:
        place: Column by index, -1 for none, (largest index + 1,).
        n: Number of columns.
    """

    place: IntArray
    n: int

    @classmethod
    def of(cls, index: IntArray) -> Self:
        """For the indexes above 0 found anywhere in an array."""
        met = np.unique(index[index > 0])
        place = np.full(int(met.max(initial=0)) + 1, -1, dtype=np.int64)
        place[met] = np.arange(len(met))
        return cls(place, len(met))

    def __call__(self, index: IntArray) -> IntArray:
        """Column of each index, -1 where training never met it, in the shape of index."""
        inside = index < len(self.place)
        return np.where(inside, self.place[np.where(inside, index, 0)], -1)


@dataclass(frozen=True)
class Part:
    """Neighbouring columns of a design.

    Attributes:
        column: Columns that are not 0 in each row, -1 none, (rows, most).
        value: What stands there, (rows, most).
        width: Number of columns.
    """

    column: IntArray
    value: FloatArray
    width: int

    @classmethod
    def dense(cls, *values: FloatArray) -> Self:
        """One column a value."""
        n, width = len(values[0]), len(values)
        return cls(np.tile(np.arange(width), (n, 1)), np.column_stack(values), width)

    @classmethod
    def ones(cls, column: IntArray, width: int) -> Self:
        """Indicators."""
        return cls(column, np.ones(column.shape), width)


def design(parts: Sequence[Part]) -> csr_matrix:
    """The parts side by side, (rows, sum of widths)."""
    rows, columns, values, width = [], [], [], 0
    for part in parts:
        row, at = np.nonzero((part.column >= 0) & (part.value != 0))
        rows.append(row)
        columns.append(part.column[row, at] + width)
        values.append(part.value[row, at])
        width += part.width
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(entries, shape=(len(parts[0].column), width))


@dataclass(frozen=True)
class Logistic:
    """A fitted logistic regression.

    Attributes:
        weights: Of the columns, (columns,).
        intercept: Logit where all columns are 0.
        strength: Prior variance of the weights that was chosen.
    """

    weights: FloatArray
    intercept: float
    strength: float

    def logit(self, x: csr_matrix) -> FloatArray:
        """Of each row of a design, (rows,)."""
        return np.asarray(x @ self.weights + self.intercept)


@dataclass(frozen=True)
class Rows:
    """Rows of a design with their answers.

    Attributes:
        x: (rows, columns).
        correct: 1 right, 0 wrong, (rows,).
    """

    x: csr_matrix
    correct: IntArray


def fit_logistic(train: Rows, validation: Rows) -> Logistic:
    """Logistic regression with a N(0, strength) prior on each weight and none on the intercept.

    The strength of the prior is the one with the least log loss on validation.

    Args:
        train: With right and wrong answers.
        validation: May have no rows; the strength is 1 then.

    Raises:
        NoConvergence: If the optimiser stops before the maximum.
    """
    if not train.x.shape[1]:
        return Logistic(np.zeros(0), float(logit(train.correct.mean())), _DEFAULT_STRENGTH)
    if not len(validation.correct):
        return _maximum(train, _DEFAULT_STRENGTH)
    tried = [_maximum(train, strength) for strength in _STRENGTHS]
    sign = 2.0 * validation.correct - 1.0
    losses = [-log_expit(sign * model.logit(validation.x)).mean() for model in tried]
    return tried[int(np.argmin(losses))]


def _maximum(rows: Rows, strength: float) -> Logistic:
    # second order: columns differ so much in scale that lbfgs takes hundreds of passes; the
    # tolerance is of the mean gradient, to which a rare item contributes next to nothing
    model = LogisticRegression(C=strength, solver="newton-cg", tol=1e-5, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # as ConvergenceWarning is
        try:
            model.fit(rows.x, rows.correct)
        except UserWarning as warning:
            raise NoConvergence(f"logistic regression with C={strength}: {warning}") from warning
    return Logistic(model.coef_[0], float(model.intercept_[0]), strength)


class BestLR:
    """Best-LR: item, skills, and log counts of past successes and failures.

    logit P = b0 + item + sum over skills k of (b_k + g_k log(1 + s_k) + r_k log(1 + f_k))
        + logs of the successes and failures overall and on the same item.

    An item or skill that training never met adds nothing, so that such an item is left to its
    skills. The counts on the item are ours; the paper has the others.

    Reference:
        Gervet, Koedinger, Schneider and Mitchell (2020), When is deep learning the best approach
        to knowledge tracing?, Journal of Educational Data Mining 12(3), 31-54.
    """

    def __init__(self) -> None:
        self._state: tuple[Columns, Columns, Logistic] | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Fit the weights; the strength of their prior is chosen on validation."""
        train = training_responses(histories, split, both=True)
        items, skills = _columns(histories, train)
        rows = [
            Rows(self._design(histories, chosen, items, skills), histories.correct[chosen])
            for chosen in (train, split.validation)
        ]
        self._state = items, skills, fit_logistic(*rows)

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer, (chosen,)."""
        items, skills, model = fitted(self._state, "best_lr")
        return np.asarray(expit(model.logit(self._design(histories, chosen, items, skills))))

    @staticmethod
    def _design(
        histories: Histories, chosen: BoolArray, items: Columns, skills: Columns
    ) -> csr_matrix:
        past = past_counts(histories, chosen)
        item = items(histories.item[chosen])[:, None]
        logs = (*_logs(past.overall), *_logs(past.item))
        by_skill = _by_skill(skills(histories.skills[chosen]), past.skill, skills.n)
        return design([Part.dense(*logs), Part.ones(item, items.n), *by_skill])


class PFA:
    """Performance factors analysis: easiness and slopes of success and failure of each skill.

    logit P = b0 + sum over skills k of (b_k + g_k log(1 + s_k) + r_k log(1 + f_k)), where s_k
    and f_k count the student's past successes and failures on k. The paper counts plainly;
    logs keep long practice from running off, and predict better (Gervet and others 2020).
    Without a skill that training met, the prediction is the overall share right.

    Reference:
        Pavlik, Cen and Koedinger (2009), Performance factors analysis, AIED 2009, 531-538.
    """

    def __init__(self) -> None:
        self._state: tuple[Columns, Logistic, float] | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Fit the weights; the strength of their prior is chosen on validation."""
        train = training_responses(histories, split, both=True)
        _, skills = _columns(histories, train)
        rows = [
            Rows(self._design(histories, chosen, skills), histories.correct[chosen])
            for chosen in (train, split.validation)
        ]
        overall = float(histories.correct[train].mean())
        self._state = skills, fit_logistic(*rows), overall

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer, (chosen,)."""
        skills, model, overall = fitted(self._state, "pfa")
        known = (skills(histories.skills[chosen]) >= 0).any(axis=1)
        return np.where(known, expit(model.logit(self._design(histories, chosen, skills))), overall)

    @staticmethod
    def _design(histories: Histories, chosen: BoolArray, skills: Columns) -> csr_matrix:
        past = past_counts(histories, chosen).skill
        return design(_by_skill(skills(histories.skills[chosen]), past, skills.n))


class RaschSkill:
    """1PL + skill: the student's ability so far, the item's easiness within that of its skills.

    logit P = b0 + c theta + item + sum over skills k of b_k, where theta is the student's ability
    given the visible past (`ability_so_far`). Easinesses and abilities need each other: the first
    easinesses leave abilities out, then each round estimates abilities from the easinesses and
    fits the regression again. c is fitted because the expected ability is drawn to 0.

    Reference:
        Rasch (1960), Probabilistic models for some intelligence and attainment tests;
        De Boeck and Wilson (2004), Explanatory item response models (items within skills).
    """

    def __init__(self) -> None:
        self._state: tuple[Columns, Columns, Logistic, Logistic] | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Fit in rounds; the strength of the prior is chosen on validation, in each."""
        train = training_responses(histories, split, both=True)
        items, skills = _columns(histories, train)
        chosen = [train, split.validation]
        flat = _easiness_design(histories, items, skills)
        model = past_model = fit_logistic(
            *(Rows(flat[each], histories.correct[each]) for each in chosen)
        )
        for _ in range(_ROUNDS):
            past_model = Logistic(model.weights[: flat.shape[1]], model.intercept, model.strength)
            easiness = past_model.logit(flat)
            rows = [
                Rows(_with_ability(flat, histories, each, easiness), histories.correct[each])
                for each in chosen
            ]
            model = fit_logistic(*rows)
        self._state = items, skills, past_model, model

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Probability of a right answer, (chosen,)."""
        items, skills, past_model, model = fitted(self._state, "irt_1pl_skill")
        flat = _easiness_design(histories, items, skills)
        x = _with_ability(flat, histories, chosen, past_model.logit(flat))
        return np.asarray(expit(model.logit(x)))


def ability_so_far(histories: Histories, chosen: BoolArray, easiness: FloatArray) -> FloatArray:
    """Expected ability given the visible past of each chosen response, under N(0, 1).

    E(theta | y) = sum_q theta_q w_q L(theta_q) / sum_q w_q L(theta_q) over 21 nodes from -4 to 4,
    where L is the Rasch likelihood of the visible answers: P(y = 1) = logistic(theta + easiness).
    Each node's log likelihood is a difference of running sums, for all responses at once.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        easiness: Logit of each response at ability 0, (responses,).

    Returns:
        In logits, (chosen,); 0 where nothing is visible.

    Reference:
        Bock and Mislevy (1982), Applied Psychological Measurement 6(4), 431-444.
    """
    first, end = visible_range(histories, chosen)
    sign = 2.0 * histories.correct - 1.0
    peak, mass, moment = np.full(len(end), -np.inf), np.zeros(len(end)), np.zeros(len(end))
    for node in _ABILITY_NODES:
        total = running_sums(log_expit(sign * (node + easiness)))
        log_weight = total[end] - total[first] - node**2 / 2
        higher = np.maximum(peak, log_weight)
        kept, added = np.exp(peak - higher), np.exp(log_weight - higher)
        mass, moment, peak = mass * kept + added, moment * kept + node * added, higher
    return moment / mass


def _columns(histories: Histories, train: BoolArray) -> tuple[Columns, Columns]:
    return Columns.of(histories.item[train]), Columns.of(histories.skills[train])


def _logs(counts: Counts) -> tuple[FloatArray, FloatArray]:
    return np.log1p(counts.successes), np.log1p(counts.failures)


def _by_skill(column: IntArray, past: Counts, width: int) -> tuple[Part, Part, Part]:
    """Easiness, and slopes of log successes and log failures, of each skill."""
    successes, failures = _logs(past)
    return (
        Part.ones(column, width),
        Part(column, successes, width),
        Part(column, failures, width),
    )


def _easiness_design(histories: Histories, items: Columns, skills: Columns) -> csr_matrix:
    """Item and skills of all responses: abilities need them of the past too."""
    item, skill = items(histories.item)[:, None], skills(histories.skills)
    return design([Part.ones(item, items.n), Part.ones(skill, skills.n)])


def _with_ability(
    flat: csr_matrix, histories: Histories, chosen: BoolArray, easiness: FloatArray
) -> csr_matrix:
    ability = csr_matrix(ability_so_far(histories, chosen, easiness)[:, None])
    return csr_matrix(hstack([flat[chosen], ability]))
