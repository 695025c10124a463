"""For whom and for what a model predicts well: figures by history, skill, item, group, stratum.

A row's figures are the means over the splits that have such responses, as the headline's are. An
item may be in the training of one split and not of another: its responses then count in both rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.metrics import scores

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

HISTORY = {"0": (0, 0), "1-4": (1, 4), "5-19": (5, 19), "20-99": (20, 99), "100+": (100, None)}
"""Visible responses of a bucket, from and to."""


@dataclass(frozen=True)
class Row:
    """Figures on a part of the test responses.

    Attributes:
        name: Of the part.
        n: Responses, each counted once however many splits judge it.
        n_students: Their students.
        auc: NaN if all are right or all are wrong.
        log_loss: Nats.
        mean_predicted: Mean probability.
        observed: Share right.
    """

    name: str
    n: int
    n_students: int
    auc: float
    log_loss: float
    mean_predicted: float
    observed: float


@dataclass(frozen=True)
class Judged:
    """Test responses of one split with what a model said, (responses,) each.

    Attributes:
        response: Place in the histories.
        correct: 1 right, 0 wrong.
        predicted: Probability of right.
        student: Index.
        visible: Responses a prediction may rest on.
        skills: Indexes, 0 where there are fewer, (responses, most).
        known: The item was trained on.
        strata: Responses of each kind, where the split tells kinds apart.
    """

    response: IntArray
    correct: FloatArray
    predicted: FloatArray
    student: IntArray
    visible: IntArray
    skills: IntArray
    known: BoolArray
    strata: Mapping[str, BoolArray]

    @classmethod
    def of(cls, histories: Histories, split: Split, predicted: FloatArray) -> Self:
        """What is judged on a split.

        Args:
            histories: What the split is of.
            split: Whose test responses are judged.
            predicted: Of the test responses, in their order.
        """
        test = split.test
        trained = np.unique(histories.item[split.train])
        strata = getattr(split, "strata", {})
        return cls(
            response=np.flatnonzero(test),
            correct=histories.correct[test].astype(np.float64),
            predicted=predicted,
            student=histories.student_of_response[test],
            visible=histories.visible[test],
            skills=histories.skills[test],
            known=np.isin(histories.item[test], trained[trained > 0]),
            strata={name: mask[test] for name, mask in strata.items()},
        )


def breakdowns(
    judged: Sequence[Judged],
    *,
    groups: NDArray[Any] | None = None,
    suppress_below: int = 10,
    top_skills: int = 20,
) -> dict[str, tuple[Row, ...]]:
    """Rows by kind: history, skill, item, group if groups are given, stratum if there are any.

    Args:
        judged: Of each split.
        groups: Name of each student's group by index; missing or empty: none, (students,).
        suppress_below: Groups of fewer students are left out, in all rows and figures.
        top_skills: The skills answered most; a response with several counts to each.
    """
    found = {
        "history": _rows(
            {
                name: [_between(each.visible, *limits) for each in judged]
                for name, limits in HISTORY.items()
            },
            judged,
        ),
        "skill": _rows(
            {
                str(skill): [(each.skills == skill).any(axis=1) for each in judged]
                for skill in _most_answered(judged, top_skills)
            },
            judged,
        ),
        "item": _rows(
            {
                "in training": [each.known for each in judged],
                "not in training": [~each.known for each in judged],
            },
            judged,
        ),
    }
    if groups is not None:
        rows = _rows(_of_groups(judged, groups), judged)
        found["group"] = tuple(row for row in rows if row.n_students >= suppress_below)
    strata = list(dict.fromkeys(name for each in judged for name in each.strata))
    if strata:
        nowhere = [np.zeros(len(each.correct), dtype=bool) for each in judged]
        found["stratum"] = _rows(
            {
                name: [
                    each.strata.get(name, none) for each, none in zip(judged, nowhere, strict=True)
                ]
                for name in strata
            },
            judged,
        )
    return found


def _rows(masks: Mapping[str, Sequence[BoolArray]], judged: Sequence[Judged]) -> tuple[Row, ...]:
    """A row per part that has responses."""
    rows = (_row(name, each, judged) for name, each in masks.items())
    return tuple(row for row in rows if row is not None)


def _row(name: str, masks: Sequence[BoolArray], judged: Sequence[Judged]) -> Row | None:
    parts = [(each, mask) for each, mask in zip(judged, masks, strict=True) if mask.any()]
    if not parts:
        return None
    values = []
    for each, mask in parts:
        y, p = each.correct[mask], each.predicted[mask]
        found = scores(y, p)
        area = np.nan if found.auc is None else found.auc
        values.append((area, found.log_loss, float(p.mean()), float(y.mean())))
    auc, log_loss, mean_predicted, observed = np.transpose(values)
    known = auc[np.isfinite(auc)]
    return Row(
        name=name,
        n=len(np.unique(np.concatenate([each.response[mask] for each, mask in parts]))),
        n_students=len(np.unique(np.concatenate([each.student[mask] for each, mask in parts]))),
        auc=float(known.mean()) if known.size else np.nan,
        log_loss=float(log_loss.mean()),
        mean_predicted=float(mean_predicted.mean()),
        observed=float(observed.mean()),
    )


def _between(values: IntArray, low: int, high: int | None) -> BoolArray:
    inside: BoolArray = values >= low
    return inside if high is None else inside & (values <= high)


def _most_answered(judged: Sequence[Judged], n: int) -> list[int]:
    """Skills by responses, ties by index."""
    counts = np.bincount(np.concatenate([each.skills[each.skills > 0] for each in judged]))
    order = np.argsort(-counts, kind="stable")[:n]
    return [int(skill) for skill in order if counts[skill]]


def _of_groups(judged: Sequence[Judged], groups: NDArray[Any]) -> dict[str, list[BoolArray]]:
    named = np.where(pd.isna(groups), "", groups).astype(str)
    return {
        name: [named[each.student] == name for each in judged]
        for name in np.unique(named).tolist()
        if name
    }
