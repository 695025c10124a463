"""The action log of a simulated year: every click between a problem's start and its end.

The first graded action on a problem is the answer that was drawn; what follows a wrong one, such as
further attempts, help and the final right response, is drawn here. Unit tests leave no actions.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from deepkt_irt.sources.simulator_world import (
    HINT_SEEKER,
    OPEN_TYPE,
    SCHOOL_STARTS_AT,
    BoolArray,
    FloatArray,
    IntArray,
    TextArray,
    World,
    repeat_rows,
)
from deepkt_irt.sources.simulator_year import Year

HINTS_PER_PROBLEM = 2
MAX_ATTEMPTS = 10

_EPOCH_MS = int(SCHOOL_STARTS_AT.timestamp()) * 1_000
_ASK_AFTER_WRONG, _ASK_AFTER_WRONG_SEEKER = 0.33, 0.6
_EXPLANATION_SHARE, _VIDEO_SHARE, _RESUMED_SHARE, _SECOND_HINT_SHARE = 0.4, 0.01, 0.02, 0.3
_MAX_RETRIES = MAX_ATTEMPTS - 2  # besides the first wrong and the final right one
_RESUMED_AFTER_MS = (600_000, 5_400_000)
_GAP_SD = 0.5

# Action and usual seconds since the one before, in the order in which they happen on a problem;
# where there are no seconds, the gap is a share of the latency or drawn apart.
_STEPS = (
    ("assignment_started", None),
    ("assignment_resumed", None),
    ("problem_started", 1.5),
    ("hint_requested", None),
    ("answer_requested", None),
    ("correct_response", None),
    ("wrong_response", None),
    ("open_response", None),
    ("wrong_response", 12.0),
    ("skill_related_video_requested", 8.0),
    ("explanation_requested", 5.0),
    ("answer_requested", 6.0),
    ("correct_response", 14.0),
    ("problem_finished", 0.3),
    ("continue_selected", 1.5),
    ("assignment_finished", 1.0),
)
_RESUMED, _HINT, _FIRST_RESPONSE = 1, 3, (4, 5, 6, 7)  # positions in _STEPS
_ASSIGNMENT_ACTIONS = ("assignment_started", "assignment_resumed", "assignment_finished")


@dataclass(frozen=True)
class ActionLog:
    """The log, and when each assignment ended."""

    frame: pd.DataFrame
    end_at: FloatArray  # (assignments,), epoch seconds; NaN where it was never finished


def epoch_seconds(since_start_ms: IntArray) -> FloatArray:
    """Epoch seconds with milliseconds as the fraction."""
    return np.asarray((_EPOCH_MS + since_start_ms) / 1_000, dtype=np.float64)


def log_actions(
    rng: np.random.Generator,
    world: World,
    year: Year,
    *,
    hint_ids: TextArray,
    explanation_ids: TextArray,
) -> ActionLog:
    """Write down every action of the year, in order of assignment and time.

    Args:
        rng: Draws what follows a wrong response, and the gaps.
        world: The district.
        year: What happened.
        hint_ids: (problems, HINTS_PER_PROBLEM).
        explanation_ids: (problems,).
    """
    practice = np.flatnonzero(year.encounters.practice)
    counts = _step_counts(rng, world, year, practice)
    flat, within = repeat_rows(counts.ravel())
    row, step = practice[flat // len(_STEPS)], flat % len(_STEPS)
    gap = _gaps(rng, year, row=row, step=step, hints=counts[flat // len(_STEPS), _HINT])
    at_ms = _times(year, row=row, step=step, gap=gap)
    action = np.array([name for name, _ in _STEPS], dtype=object)[step]
    problem = year.encounters.problem[row]
    on_problem = ~np.isin(step, [i for i, s in enumerate(_STEPS) if s[0] in _ASSIGNMENT_ACTIONS])
    frame = pd.DataFrame(
        {
            "assignment_log_id": year.assignments.assignment_log_id[
                year.encounters.assignment[row]
            ],
            "timestamp": epoch_seconds(at_ms),
            "problem_id": _where(on_problem, world.problems.problem_id[problem]),
            "max_attempts": _where(on_problem, str(MAX_ATTEMPTS)),
            "available_core_tutoring": _where(on_problem, world.problems.tutoring[problem]),
            "score_viewable": _where(on_problem, "1"),
            "continuous_score_viewable": _where(on_problem, "0"),
            "action": action,
            "hint_id": _where(
                step == _HINT, hint_ids[problem, np.minimum(within, HINTS_PER_PROBLEM - 1)]
            ),
            "explanation_id": _where(action == "explanation_requested", explanation_ids[problem]),
        }
    )
    ended = step == len(_STEPS) - 1
    end_at = np.full(year.assignments.student.size, np.nan)
    end_at[year.encounters.assignment[row[ended]]] = epoch_seconds(at_ms[ended])
    return ActionLog(frame=frame, end_at=end_at)


def _step_counts(
    rng: np.random.Generator, world: World, year: Year, practice: IntArray
) -> IntArray:
    """How often each step happens on each problem practised, (practice encounters, steps)."""
    met, answers = year.encounters, year.answers
    student = year.assignments.student[met.assignment[practice]]
    tutoring = world.problems.tutoring[met.problem[practice]]
    abandoned, graded = met.abandoned[practice], answers.graded[practice]
    correct = graded & answers.correct[practice]
    wrong = graded & ~correct
    first = met.position[practice] == 0
    last = np.roll(first, -1)  # the first one of the year ends the last one of the year
    size = practice.size

    def sometimes(share: float | FloatArray) -> BoolArray:
        return np.asarray(rng.random(size) < share)

    hinted = graded & (tutoring == "hint") & sometimes(world.students.hint_rate[student])
    hints = hinted * (1 + sometimes(_SECOND_HINT_SHARE))
    seeker = world.students.kind[student] == HINT_SEEKER
    asks = wrong & sometimes(np.where(seeker, _ASK_AFTER_WRONG_SEEKER, _ASK_AFTER_WRONG))
    tries = rng.geometric(0.3 + 0.5 * answers.p_irt[practice]) - 1
    retries = wrong * np.minimum(np.where(asks, tries // 2, tries), _MAX_RETRIES)
    return np.column_stack(
        [
            first,
            ~first & sometimes(_RESUMED_SHARE),
            np.ones(size, dtype=np.int64),
            hints,
            answers.answer_first[practice],
            correct,
            wrong,
            ~abandoned & (world.problems.type[met.problem[practice]] == OPEN_TYPE),
            retries,
            wrong & sometimes(_VIDEO_SHARE),
            wrong & (tutoring == "explanation") & sometimes(_EXPLANATION_SHARE),
            asks,
            wrong,
            ~abandoned,
            ~abandoned,
            last & ~abandoned,
        ]
    ).astype(np.int64)


def _gaps(
    rng: np.random.Generator, year: Year, *, row: IntArray, step: IntArray, hints: IntArray
) -> IntArray:
    """Milliseconds since the action before; up to the first response they add up to the latency."""
    usual = np.array([seconds or 0.0 for _, seconds in _STEPS])[step]
    gap = np.round(1_000 * usual * rng.lognormal(0.0, _GAP_SD, row.size)).astype(np.int64)
    hurried = year.answers.rapid[row] & (gap > 2_000)
    gap = np.where(hurried, gap // 6, gap)
    latency = year.answers.latency_ms[row]
    share = latency // (hints + 1)
    gap = np.where(step == _HINT, share, gap)
    gap = np.where(np.isin(step, _FIRST_RESPONSE), latency - hints * share, gap)
    pause = rng.integers(*_RESUMED_AFTER_MS, size=row.size)
    return np.asarray(np.where(step == _RESUMED, pause, gap), dtype=np.int64)


def _times(year: Year, *, row: IntArray, step: IntArray, gap: IntArray) -> IntArray:
    """Milliseconds since the first day of school, running on within each assignment."""
    running = np.cumsum(gap)
    started = np.flatnonzero(step == 0)
    origin = running[started][np.cumsum(step == 0) - 1]
    return np.asarray(year.assignments.start_ms[year.encounters.assignment[row]] + running - origin)


def _where(applies: BoolArray, values: TextArray | str) -> TextArray:
    """The values where they apply, and nothing elsewhere."""
    filled = np.full(applies.size, None, dtype=object)
    filled[applies] = values if isinstance(values, str) else values[applies]
    return filled
