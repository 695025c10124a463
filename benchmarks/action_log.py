"""Files in the layout of the EDM Cup 2023, of any size, for measuring speed.

Beside the simulator, which knows the truth behind every answer and takes minutes for a million
actions: here students know nothing and learn nothing, but sizes, lengths and shares are those of
the cup (24 million actions on 133,000 problems; an answer is asked for in 11.6% of the problems,
a hint in 1%).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

# rows of the cup's files, to keep the proportions
_ACTIONS, _ASSIGNMENTS, _PROBLEMS = 23_932_276, 9_319_676, 132_738
_TRAINING, _EVALUATION = 452_439, 124_455
_UNKNOWN_SHARE = 0.014  # of the rows, on problems that problem_details lacks
_ACTIONS_PER_STUDENT, _ZEAL_SD = 500, 0.8
_PROBLEMS_PER_PRACTICE = 7.5
_ACTIONS_PER_PROBLEM = 4.785  # as the shares below make it, assignment actions included
_SCORES_PER_TEST = 10
_REPEATED_SHARE = 0.02  # of the relationships
_CHUNK = 20_000  # assignments written at a time

_HINT, _ANSWER, _OPEN, _RIGHT_AT_ONCE = 0.01, 0.116, 0.06, 0.65
_STEPS = (
    *("assignment_started", "problem_started", "hint_requested", "wrong_response"),
    *("answer_requested", "correct_response", "open_response", "problem_finished"),
    *("continue_selected", "assignment_finished"),
)
_TUTORING = ("answer", "hint", "explanation", "no_tutoring")
_SKILLS = 400
_YEAR_START, _YEAR_SECONDS = 1_630_000_000, 26_000_000

_LETTERS = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)
_ID_LENGTH, _ID_STRIDE = 10, 1_000_000_000_039  # a prime, so that ids of one kind never repeat


@dataclass(frozen=True)
class Log:
    """Sizes of one log.

    Attributes:
        n_students: Students.
        n_practice: Practice assignments, in order of student.
        n_tests: Unit tests; test k is of student k modulo the students.
        n_assignments: Rows of assignment_details; those beyond practice and tests have no action.
        n_problems: Problems met; the last ones are missing in problem_details.
    """

    n_students: int
    n_practice: int
    n_tests: int
    n_assignments: int
    n_problems: int

    @classmethod
    def of(cls, n_actions: int) -> "Log":
        """A log of about so many actions, everything else in proportion."""
        practice = round(n_actions / (_PROBLEMS_PER_PRACTICE * _ACTIONS_PER_PROBLEM))
        share = n_actions / _ACTIONS
        tests = max(2, round((_TRAINING + _EVALUATION) * share / _SCORES_PER_TEST))
        return cls(
            n_students=max(2, n_actions // _ACTIONS_PER_STUDENT),
            n_practice=practice,
            n_tests=tests,
            n_assignments=max(round(_ASSIGNMENTS * share), practice + tests),
            n_problems=max(100, round(_PROBLEMS * share)),
        )

    @property
    def n_known(self) -> int:
        """Problems in problem_details."""
        return self.n_problems - max(1, round(_UNKNOWN_SHARE * self.n_problems))

    def student_of_practice(self) -> IntArray:
        """Student of each practice assignment, (n_practice,); some do much more than others."""
        weights = np.random.default_rng(self.n_students).lognormal(0.0, _ZEAL_SD, self.n_students)
        ends = np.cumsum(weights) / weights.sum()
        return np.searchsorted(ends[:-1], (np.arange(self.n_practice) + 0.5) / self.n_practice)


def assignment_ids(numbers: IntArray) -> pa.Array:
    """Ids of assignments as the files have them."""
    return _ids("assignment", numbers)


def write_action_log(folder: Path, n_actions: int, *, seed: int) -> dict[str, int]:
    """Write the files.

    Args:
        folder: Where to; it must exist.
        n_actions: Actions wanted; what is written differs by less than 1%.
        seed: Determines every value.

    Returns:
        Rows by file name.
    """
    log, rng = Log.of(n_actions), np.random.default_rng(seed)
    starts = _YEAR_START + rng.integers(_YEAR_SECONDS, size=log.n_assignments)
    files: dict[str, Iterator[pa.Table]] = {
        "action_logs": _actions(log, starts, rng),
        "assignment_details": _assignments(log, starts),
        "problem_details": iter([_problems(log, rng)]),
        "assignment_relationships": iter([_relationships(log, rng)]),
        **_scores(log, rng),
    }
    return {name: _written(folder / f"{name}.csv", parts) for name, parts in files.items()}


def _written(path: Path, parts: Iterator[pa.Table]) -> int:
    """Write a file part by part; without quotes where no value needs them."""
    rows, first = 0, next(parts)
    quotes = pa.csv.WriteOptions(
        quoting_style="needed" if "problem_type" in first.schema.names else "none"
    )
    with pa.csv.CSVWriter(path, first.schema, write_options=quotes) as writer:
        for part in chain([first], parts):
            writer.write(part)
            rows += part.num_rows
    return rows


def _actions(log: Log, starts: IntArray, rng: np.random.Generator) -> Iterator[pa.Table]:
    """The log, by assignment and time."""
    for first in range(0, log.n_practice, _CHUNK):
        assignment = np.arange(first, min(first + _CHUNK, log.n_practice))
        met = np.repeat(assignment, 1 + rng.poisson(_PROBLEMS_PER_PRACTICE - 1, assignment.size))
        counts = _counts(met, rng)
        at = np.repeat(np.arange(counts.size), counts.ravel())
        row, step = at // len(_STEPS), at % len(_STEPS)
        seconds = np.cumsum(rng.gamma(2.0, 8.0, row.size))
        opened = np.flatnonzero(step == 0)
        since = seconds - seconds[opened][np.cumsum(step == 0) - 1]
        yield _action_table(
            assignment=met[row],
            seconds=np.round(starts[met[row]] + since, 3),
            problem=rng.integers(log.n_problems, size=met.size)[row],
            step=step,
        )


def _counts(met: IntArray, rng: np.random.Generator) -> IntArray:
    """How often each step happens on each problem met, (problems met, steps)."""
    n = met.size
    first = np.diff(met, prepend=-1) > 0
    last = np.diff(met, append=met[-1] + 1) > 0
    is_open = rng.random(n) < _OPEN
    asked = ~is_open & (rng.random(n) < _ANSWER)
    wrong = ~is_open * (rng.geometric(_RIGHT_AT_ONCE, n) - 1)
    hints, one = (rng.random(n) < _HINT).astype(np.int64), np.ones(n, dtype=np.int64)
    columns = (first, one, hints, wrong, asked, ~is_open, is_open, one, ~last, last)
    return np.column_stack([np.asarray(column, dtype=np.int64) for column in columns])


def _action_table(
    *, assignment: IntArray, seconds: NDArray[np.float64], problem: IntArray, step: IntArray
) -> pa.Table:
    absent = (step == 0) | (step == len(_STEPS) - 1)
    tutoring = pa.array(_TUTORING).take(pa.array(problem % len(_TUTORING), mask=absent))
    hint = step != _STEPS.index("hint_requested")
    return pa.table(
        {
            "assignment_log_id": _ids("assignment", assignment),
            "timestamp": seconds,
            "problem_id": _ids("problem", problem, mask=absent),
            "max_attempts": pa.array(np.full(step.size, 3), mask=absent),
            "available_core_tutoring": tutoring,
            "score_viewable": pa.array(np.ones(step.size, dtype=np.int64), mask=absent),
            "continuous_score_viewable": pa.array(np.zeros(step.size, np.int64), mask=absent),
            "action": pa.array(_STEPS).take(pa.array(step)),
            "hint_id": _ids("hint", problem, mask=hint),
            "explanation_id": pa.nulls(step.size, pa.string()),
        }
    )


def _assignments(log: Log, starts: IntArray) -> Iterator[pa.Table]:
    practice = log.student_of_practice()
    for first in range(0, log.n_assignments, _CHUNK * 10):
        number = np.arange(first, min(first + _CHUNK * 10, log.n_assignments))
        student = number % log.n_students
        known = number < log.n_practice
        student[known] = practice[number[known]]
        known = (number >= log.n_practice) & (number < log.n_practice + log.n_tests)
        student[known] = (number[known] - log.n_practice) % log.n_students
        start = starts[number].astype(np.float64)
        yield pa.table(
            {
                "assignment_log_id": _ids("assignment", number),
                "student_id": _ids("student", student),
                "sequence_id": _ids("sequence", number % 1_000),
                "teacher_id": _ids("teacher", student // 100),
                "class_id": _ids("class", student // 25),
                "assignment_release_date": start - 86_400,
                "assignment_due_date": pa.array(start + 604_800, mask=number % 3 == 0),
                "assignment_start_time": start,
                "assignment_end_time": pa.array(start + 1_800.5, mask=number % 7 == 0),
            }
        )


def _problems(log: Log, rng: np.random.Generator) -> pa.Table:
    number = np.arange(log.n_known)
    features = rng.normal(size=(number.size, 32)).round(4).astype(str)
    kinds = pa.array(["Multiple Choice", "Number", "Numeric Expression", "Check All That Apply"])
    skill = number % _SKILLS
    code = [f"{1 + k % 8}.NF.B.{k // 8}" for k in range(_SKILLS)]
    return pa.table(
        {
            "problem_id": _ids("problem", number),
            "problem_multipart_id": _ids("part", number // 2),
            "problem_multipart_position": number % 2 + 1,
            "problem_type": kinds.take(pa.array(number % len(kinds))),
            "problem_skill_code": pa.array(code).take(pa.array(skill, mask=number % 4 == 0)),
            "problem_skill_description": pa.array(f"Skill {each}" for each in skill),
            "problem_contains_image": number % 5 // 4,
            "problem_contains_equation": number % 3 // 2,
            "problem_contains_video": np.zeros(number.size, dtype=np.int64),
            "problem_text_bert_pca": pa.array(f"[{', '.join(row)}]" for row in features),
        }
    )


def _relationships(log: Log, rng: np.random.Generator) -> pa.Table:
    """Each test with all practice of its student; a few pairs twice."""
    student = log.student_of_practice()
    begin = np.searchsorted(student, np.arange(log.n_students + 1))
    owner = np.arange(log.n_tests) % log.n_students
    n_practice = np.diff(begin)[owner]
    test = np.repeat(np.arange(log.n_tests), n_practice)
    within = np.arange(test.size) - np.repeat(np.cumsum(n_practice) - n_practice, n_practice)
    practice = begin[owner[test]] + within
    again = rng.random(test.size) < _REPEATED_SHARE
    order = np.concatenate([np.arange(test.size), np.flatnonzero(again)])
    return pa.table(
        {
            "unit_test_assignment_log_id": _ids("assignment", log.n_practice + test[order]),
            "in_unit_assignment_log_id": _ids("assignment", practice[order]),
        }
    )


def _scores(log: Log, rng: np.random.Generator) -> dict[str, Iterator[pa.Table]]:
    """Scores of the training and of the evaluation students; each test is in one of the files."""
    test = np.repeat(np.arange(log.n_tests), _SCORES_PER_TEST)
    first = rng.integers(log.n_problems, size=log.n_tests)
    place = np.arange(test.size) % _SCORES_PER_TEST
    both = pa.table(
        {
            "id": _ids("score", np.arange(test.size)),
            "assignment_log_id": _ids("assignment", log.n_practice + test),
            "problem_id": _ids("problem", (first[test] + place) % log.n_problems),
            "score": rng.integers(2, size=test.size),
        }
    )
    evaluation = test % 5 == 0
    return {
        "training_unit_test_scores": iter([both.filter(pa.array(~evaluation)).drop("id")]),
        "evaluation_unit_test_scores": iter([both.filter(pa.array(evaluation))]),
    }


def _ids(kind: str, number: IntArray, mask: NDArray[np.bool_] | None = None) -> pa.Array:
    """Ids of letters and digits that tell nothing; those of two kinds may be alike."""
    size = len(_LETTERS) ** _ID_LENGTH
    offset = int.from_bytes(kind.encode()) % size
    scattered = (number * _ID_STRIDE + offset) % size
    places = len(_LETTERS) ** np.arange(_ID_LENGTH)
    letters = _LETTERS[scattered[:, None] // places % len(_LETTERS)]
    offsets = np.arange(0, (number.size + 1) * _ID_LENGTH, _ID_LENGTH, dtype=np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))]
    ids = pa.Array.from_buffers(pa.string(), number.size, buffers)
    if mask is None:
        return ids
    return pa.compute.if_else(pa.array(mask), pa.scalar(None, pa.string()), ids)
