"""What every model must beat: predictions that know the item and nothing of the student."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import NoData
from deepkt_irt.knowledge_tracing.histories import BoolArray, Histories, Split
from deepkt_irt.knowledge_tracing.past_counts import visible_range

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def item_means(
    item: IntArray, correct: IntArray, *, n_items: int, prior_responses: float = 5.0
) -> FloatArray:
    """Share right per item among training students, drawn towards the overall share.

    Args:
        item: Item index of each training response, (responses,).
        correct: 1 right, 0 wrong, (responses,).
        n_items: Number of item indexes, 0 included.
        prior_responses: Responses of overall share right that each item is given beforehand.

    Returns:
        Probability per item, (n_items,); an item never answered gets the overall share.
    """
    n = np.bincount(item, minlength=n_items)
    right = np.bincount(item, weights=correct, minlength=n_items)
    overall = float(correct.mean())
    means: FloatArray = (right + prior_responses * overall) / (n + prior_responses)
    return means


@dataclass(frozen=True)
class Shares:
    """Smoothed share right of what training met.

    Attributes:
        overall: Share right of all training responses.
        item: By item index; NaN where training never met it, (items + 1,).
        skill: By skill index; NaN where training never met it, (skills + 1,).
    """

    overall: float
    item: FloatArray
    skill: FloatArray

    @classmethod
    def of(cls, histories: Histories, chosen: BoolArray) -> Self:
        """Of the chosen responses, at least one."""
        correct = histories.correct[chosen]
        skills = histories.skills[chosen]
        row, column = np.nonzero(skills > 0)
        return cls(
            overall=float(correct.mean()),
            item=_met_means(histories.item[chosen], correct),
            skill=_met_means(skills[row, column], correct[row]),
        )

    def of_skills(self, skills: IntArray) -> FloatArray:
        """Mean over the skills that training met, else the overall share, (responses,).

        Args:
            skills: (responses, most skills); 0 is no skill.
        """
        shares = looked_up(self.skill, skills)
        known = ~np.isnan(shares)
        n = known.sum(axis=1)
        total = np.where(known, shares, 0.0).sum(axis=1)
        return np.where(n > 0, total / np.maximum(n, 1), self.overall)

    def of_item(self, item: IntArray, skills: IntArray) -> FloatArray:
        """The item's where training met it, else that of its skills, (responses,)."""
        shares = looked_up(self.item, item)
        return np.where(np.isnan(shares), self.of_skills(skills), shares)


class ItemMean:
    """Share right of the item in training, whoever answers."""

    def __init__(self) -> None:
        self._shares: Shares | None = None

    def fit(self, histories: Histories, split: Split) -> None:
        """Count; validation is not needed."""
        self._shares = Shares.of(histories, training_responses(histories, split))

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:
        """Share right of each chosen response's item, else of its skills, else of everything."""
        visible_range(histories, chosen)
        shares = fitted(self._shares, "item_mean")
        return shares.of_item(histories.item[chosen], histories.skills[chosen])


def training_responses(histories: Histories, split: Split, *, both: bool = False) -> BoolArray:
    """The responses to learn from, checked.

    Args:
        histories: Of all students.
        split: Of the same responses.
        both: Right and wrong answers are needed.

    Returns:
        (responses,).

    Raises:
        NoData: If there is none, or all are alike and `both` are needed.
        ValueError: If the split is of other responses or trains on context.
    """
    visible_range(histories, split.train)
    answers = histories.correct[split.train]
    if not len(answers):
        raise NoData("no training responses; bring more students")
    if both and answers.min() == answers.max():
        raise NoData("training responses are all right or all wrong; bring more students")
    return split.train


def fitted[T](state: T | None, name: str) -> T:
    """What fit left behind.

    Raises:
        ValueError: If it was not called.
    """
    if state is None:
        raise ValueError(f"fit {name} before predicting with it")
    return state


def looked_up(table: FloatArray, index: IntArray) -> FloatArray:
    """Values of a table by index; NaN for index 0 and beyond its end, in the shape of index."""
    inside = (index > 0) & (index < len(table))
    return np.where(inside, table[np.where(inside, index, 0)], np.nan)


def _met_means(index: IntArray, correct: IntArray) -> FloatArray:
    """Smoothed share right by index, NaN where never met."""
    if not len(index):
        return np.full(1, np.nan)
    n = int(index.max()) + 1
    means = item_means(index, correct, n_items=n)
    means[np.bincount(index, minlength=n) == 0] = np.nan
    means[0] = np.nan
    return means
