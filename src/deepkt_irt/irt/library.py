"""Calibration for those who have a table of responses and want a table of items.

>>> import numpy as np, pandas as pd
>>> from deepkt_irt.irt import calibrate
>>> rng = np.random.default_rng(1)
>>> theta, b = rng.normal(size=400), np.array([-1.0, -0.3, 0.2, 0.8, 1.4])
>>> right = rng.random((400, 5)) < 1 / (1 + np.exp(b - theta[:, None]))
>>> answers = pd.DataFrame(
...     [(f"s{s}", f"item {i}", int(right[s, i])) for s in range(400) for i in range(5)],
...     columns=["student", "item", "score"],
... )
>>> found = calibrate(answers)
>>> found.items["model"].unique().tolist()
['1PL']
>>> bool((abs(found.items["difficulty"] - b) < 0.4).all())
True
>>> found.students.columns.tolist()
['ability', 'ability_sd', 'ability_map', 'n_responses']
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepkt_irt.irt.ability import estimate_abilities
from deepkt_irt.irt.calibration import Calibration
from deepkt_irt.irt.calibration import calibrate as calibrate_responses
from deepkt_irt.irt.fit import item_fit
from deepkt_irt.irt.items import ItemParameters
from deepkt_irt.irt.predictive import leave_one_out
from deepkt_irt.irt.responses import Responses
from deepkt_irt.settings import CalibrationSettings

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ROUNDING = 1e-3  # of a share of credit
_COLUMNS = ("student", "item", "score")


@dataclass(frozen=True)
class CalibratedTest:
    """Items and students of one calibration as tables.

    Attributes:
        items: By item: model, difficulty, difficulty_se, discrimination, discrimination_se,
            guessing, guessing_se, n_responses, p_value. NaN where a parameter was not estimated.
        students: By student: ability (EAP), ability_sd, ability_map, n_responses.
        groups: By group: mean and sd of ability.
        n_repeated: Responses left out because the student had answered the item before.
        calibration: All of it as arrays, in the order of the tables.
        responses: What it was made of.
        full_credit: Score that is full credit: an item's highest level, or 1, (items,).
    """

    items: pd.DataFrame
    students: pd.DataFrame
    groups: pd.DataFrame
    n_repeated: int
    calibration: Calibration
    responses: Responses
    full_credit: FloatArray

    @property
    def parameters(self) -> ItemParameters:
        """Curves of the items, for chances and information at any ability."""
        return self.calibration.items

    def fit(self) -> pd.DataFrame:
        """Fit of each item: infit, outfit with z, RMSD, item-theta correlation, p with interval.

        Each response is held against what the student's other responses let one expect.
        """
        score = _shares(self.responses, self.parameters)
        predicted = leave_one_out(
            self.responses.student,
            self.responses.item,
            score,
            n_students=self.responses.n_students,
            items=self.parameters,
            population_mean=self.calibration.population_mean,
            population_sd=self.calibration.population_sd,
        )
        found = item_fit(self.responses.item, score, predicted=predicted)
        return pd.DataFrame(vars(found), index=self.items.index)

    def abilities(
        self,
        data: pd.DataFrame | ArrayLike,
        *,
        student: str = "student",
        item: str = "item",
        score: str = "score",
    ) -> pd.DataFrame:
        """Abilities of students, new ones too, from responses to these items.

        Responses to other items do not count.

        Args:
            data: As for calibrate.
            student: Column of the student.
            item: Column of the item.
            score: Column of the score.

        Raises:
            ValueError: If the data cannot be read.
        """
        answers = _answers(data, _names(student, item, score, None))
        first = answers.drop_duplicates(["student", "item"])
        known = first[first["item"].isin(self.items.index)]
        at = self.items.index.get_indexer(pd.Index(known["item"])).astype(np.int64)
        codes, students = pd.factorize(known["student"], sort=True)
        share = known["score"].to_numpy(dtype=np.float64) / self.full_credit[at]
        _refuse(pd.Series(share > 1, index=known.index), "the score is above full credit")
        found = estimate_abilities(
            codes.astype(np.int64),
            at,
            self.parameters.at_levels(at, share),
            n_students=len(students),
            items=self.parameters,
            population_mean=self.calibration.population_mean,
            population_sd=self.calibration.population_sd,
        )
        columns = {
            "ability": found.ability,
            "ability_sd": found.ability_sd,
            "ability_map": found.ability_map,
            "n_responses": found.student_n,
        }
        return pd.DataFrame(columns, index=pd.Index(students, name=student))


def calibrate(  # noqa: PLR0913 - the columns of a table
    data: pd.DataFrame | ArrayLike,
    *,
    student: str = "student",
    item: str = "item",
    score: str = "score",
    group: str | None = None,
    guessable: Collection[object] = (),
    settings: CalibrationSettings | None = None,
) -> CalibratedTest:
    """Calibrate items on a long table of responses, one row a response.

    Rows without a score are no responses. Of several responses of a student to an item the first
    counts, in the order of the rows.

    Args:
        data: A frame, or an array whose columns are student, item and score.
        student: Column of the student; any values.
        item: Column of the item; any values.
        score: Column of the score: 1 right and 0 wrong, or share of credit from 0 to 1, or whole
            levels 0, 1, 2 … of items with more than one step.
        group: Column of the student's group, each with its own distribution of ability; the first
            one in sorted order sets the scale.
        guessable: Items that may be right by chance; with enough responses they get a guessing
            parameter.
        settings: How many responses a model needs, priors, quadrature.

    Returns:
        Tables of items, students and groups.

    Raises:
        ValueError: If a column is missing or a row cannot be, with the row's number.
        NoData: If no item has enough responses.
        NoConvergence: If the estimates do not settle.
    """
    answers = _answers(data, _names(student, item, score, group))
    first = answers.drop_duplicates(["student", "item"])
    student_codes, students = pd.factorize(first["student"], sort=True)
    item_codes, items = pd.factorize(first["item"], sort=True)
    settings = settings or CalibrationSettings()
    scores = first["score"].to_numpy(dtype=np.float64)
    full_credit = _full_credit(scores, item_codes, len(items))
    level, n_steps = _levels(scores, item_codes, full_credit, max_levels=settings.max_levels)
    of_student, groups = _groups(first, student_codes)
    responses = Responses(
        student_codes.astype(np.int64),
        item_codes.astype(np.int64),
        level,
        n_students=len(students),
        n_items=len(items),
        group=of_student,
        guessable=pd.Index(items).isin(list(guessable)),
        n_steps=n_steps,
    )
    found = calibrate_responses(responses, settings=settings)
    return CalibratedTest(
        items=_item_table(found, pd.Index(items, name=item)),
        students=_student_table(found, pd.Index(students, name=student)),
        groups=pd.DataFrame({"mean": found.group_mean, "sd": found.group_sd}, index=groups),
        n_repeated=len(answers) - len(first),
        calibration=found,
        responses=responses,
        full_credit=full_credit,
    )


def _names(student: str, item: str, score: str, group: str | None) -> dict[str, str]:
    names = {"student": student, "item": item, "score": score}
    return names if group is None else {**names, "group": group}


def _answers(data: pd.DataFrame | ArrayLike, names: dict[str, str]) -> pd.DataFrame:
    """The rows with a score, under our own column names, their row numbers as index."""
    frame = data if isinstance(data, pd.DataFrame) else _from_array(data)
    absent = [name for name in names.values() if name not in frame.columns]
    if absent:
        there = ", ".join(map(str, frame.columns))
        raise ValueError(
            f"no column {', '.join(absent)} among {there}; name them: calibrate(data, "
            "student=…, item=…, score=…)"
        )
    own = frame[list(names.values())].set_axis(list(names), axis=1).reset_index(drop=True)
    for name in ("student", "item"):
        _refuse(own[name].isna(), f"column {names[name]!r} is empty")
    score = pd.to_numeric(own["score"], errors="coerce")
    unreadable = score.isna() & own["score"].notna()
    _refuse(unreadable, f"column {names['score']!r} is no number: write 1, 0 or a share of credit")
    _refuse(score < 0, f"column {names['score']!r} is below 0")
    return own.assign(score=score)[score.notna()]


def _from_array(data: ArrayLike) -> pd.DataFrame:
    array = np.asarray(data)
    if array.ndim != 2 or array.shape[1] != len(_COLUMNS):
        raise ValueError(
            f"an array of shape {array.shape}; it needs three columns: student, item, score"
        )
    return pd.DataFrame(array, columns=list(_COLUMNS))


def _refuse(wrong: "pd.Series[bool]", problem: str) -> None:
    if wrong.any():
        raise ValueError(f"row {wrong.idxmax()} (of {int(wrong.sum())} such rows): {problem}")


def _full_credit(score: FloatArray, item: IntArray, n_items: int) -> FloatArray:
    """Highest level of items with a score above 1, which have whole levels; 1 of the others."""
    highest = np.ones(n_items)
    np.maximum.at(highest, item, score)
    if ((highest[item] > 1) & (score != np.round(score))).any():
        raise ValueError("an item has scores above 1 that are no whole levels")
    return highest


def _levels(
    score: FloatArray, item: IntArray, full_credit: FloatArray, *, max_levels: int
) -> tuple[IntArray, IntArray]:
    """Level reached of each response, and the steps of each item.

    Items with whole levels have as many steps as their highest level; of shares of credit it is
    the smallest K for which all are k / K. Where none fits, full credit is right and anything
    less wrong.
    """
    steps = np.where(full_credit > 1, full_credit, 0).astype(np.int64)
    share = score / full_credit[item]
    for k in range(1, max_levels):
        off = np.abs(share * k - np.round(share * k)) > _ROUNDING
        fits = np.bincount(item, off, len(steps)) == 0
        steps = np.where((steps == 0) & fits, k, steps)
    unfit, steps = steps == 0, np.maximum(steps, 1)
    full = share > 1 - _ROUNDING
    level = np.where(unfit[item], full, np.round(share * steps[item]))
    return level.astype(np.int64), steps


def _groups(first: pd.DataFrame, student: IntArray) -> tuple[IntArray | None, pd.Index]:
    if "group" not in first.columns:
        return None, pd.Index(["all"], name="group")
    _refuse(first["group"].isna(), "the group is empty")
    codes, groups = pd.factorize(first["group"], sort=True)
    of_student = np.zeros(student.max() + 1, dtype=np.int64)
    of_student[student] = codes
    several = of_student[student] != codes
    _refuse(pd.Series(several, index=first.index), "the student stands in another group elsewhere")
    return of_student, pd.Index(groups, name="group")


def _shares(responses: Responses, items: ItemParameters) -> FloatArray:
    """Shares of credit as the items were calibrated: an item may have become right or wrong."""
    given = responses.n_steps
    steps = given if given is not None else np.ones(responses.n_items, dtype=np.int64)
    share = responses.level / np.maximum(steps, 1)[responses.item]
    return items.at_levels(responses.item, share)


def _item_table(found: Calibration, index: pd.Index) -> pd.DataFrame:
    columns = {
        "model": [str(each) or None for each in found.model],
        "difficulty": found.difficulty,
        "difficulty_se": found.difficulty_se,
        "discrimination": found.discrimination,
        "discrimination_se": found.discrimination_se,
        "guessing": found.guessing,
        "guessing_se": found.guessing_se,
        "n_responses": found.n_responses,
        "p_value": found.p_value,
    }
    return pd.DataFrame(columns, index=index)


def _student_table(found: Calibration, index: pd.Index) -> pd.DataFrame:
    students = found.students
    columns = {
        "ability": students.ability,
        "ability_sd": students.ability_sd,
        "ability_map": students.ability_map,
        "n_responses": students.student_n,
    }
    return pd.DataFrame(columns, index=index)
