"""What a policy's decisions gave each group of students, with intervals; small groups left out.

A group is never an input of a policy. That it is not does not make what the groups get equal, so it
is looked at.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.bandit.decision_log import FloatArray, IntArray
from deepkt_irt.bandit.student_bootstrap import Bootstrap, Ratios, student_intervals


@dataclass(frozen=True)
class GroupFigures:
    """Decisions about the students of one group.

    Attributes:
        group: Its name.
        n_students: Students of the group with a decision.
        n_decisions: Decisions about them.
        n_items: Different items recommended to them.
        predicted: Mean expected success of what was recommended, with its interval.
        reward: Mean reward of the decisions that have one; NaN where too few students have any.
    """

    group: str
    n_students: int
    n_decisions: int
    n_items: int
    predicted: tuple[float, float, float]
    reward: tuple[float, float, float]


def by_group(  # noqa: PLR0913 - columns of a log
    student: IntArray,
    group: NDArray[np.object_],
    item: IntArray,
    predicted: FloatArray,
    reward: FloatArray,
    *,
    min_students: int,
    bootstrap: Bootstrap,
) -> list[GroupFigures]:
    """Figures of every group that is large enough, sorted by name.

    Args:
        student: Of each decision, (decisions,).
        group: Of its student; None where unknown, (decisions,).
        item: Recommended, (decisions,).
        predicted: Expected success then, (decisions,).
        reward: NaN while pending, (decisions,).
        min_students: Smaller groups, and figures of fewer students, are left out.
        bootstrap: How students are resampled.
    """
    names = sorted({name for name in group.tolist() if isinstance(name, str)})
    found = []
    for name in names:
        own = group == name
        n_students = len(np.unique(student[own]))
        if n_students < min_students:
            continue
        found.append(
            GroupFigures(
                group=name,
                n_students=n_students,
                n_decisions=int(own.sum()),
                n_items=len(np.unique(item[own])),
                predicted=_mean(student[own], predicted[own], min_students, bootstrap),
                reward=_mean(student[own], reward[own], min_students, bootstrap),
            )
        )
    return found


def _mean(
    student: IntArray, values: FloatArray, min_students: int, bootstrap: Bootstrap
) -> tuple[float, float, float]:
    """Mean of the values that are known, with an interval over students; NaN of too few."""
    known = np.isfinite(values)
    names, code = np.unique(student[known], return_inverse=True)
    if len(names) < min_students:
        return float("nan"), float("nan"), float("nan")
    total = np.bincount(code, weights=values[known])
    n = np.bincount(code).astype(np.float64)
    figure = Ratios(total[None], n[None], np.ones(1))
    ((low, high),) = student_intervals([figure], bootstrap)
    return figure.value, low, high
