"""A simulated year as frames: the files of the EDM Cup 2023 layout, and the truth behind them.

`skill_prerequisites` and `skill_lessons` extend that layout. Like the real files, these have
problem ids in the log that problem_details lacks, repeated relationships, and students in both
files of test scores.
"""

import numpy as np
import pandas as pd

from deepkt_irt.sources.simulator_lessons import skill_lessons
from deepkt_irt.sources.simulator_logs import HINTS_PER_PROBLEM, epoch_seconds, log_actions
from deepkt_irt.sources.simulator_world import (
    DRIFT_DAY,
    BoolArray,
    FloatArray,
    TextArray,
    World,
    unique_ids,
)
from deepkt_irt.sources.simulator_year import (
    DAY_MS,
    RELEASE_MS,
    Year,
    practised,
    risen,
)

_EVALUATION_SHARE = 0.2  # of the students
_ALSO_TRAINING_SHARE = 0.055  # of the evaluation students
_REPEATED_SHARE = 0.02  # of the relationships
_IMAGE_SHARE, _EQUATION_SHARE, _VIDEO_SHARE = 0.2, 0.4, 0.02
_TEXT_FEATURES = 32
_FOLDERS = {"review": "Practice", "practice": "Practice", "test": "Unit tests"}


def landing_frames(rng: np.random.Generator, world: World, year: Year) -> dict[str, pd.DataFrame]:
    """The files by their names without suffix."""
    log_rng, content_rng, scores_rng, pairs_rng = rng.spawn(4)
    n_problems = world.problems.skill.size
    hint_ids = unique_ids(content_rng, n_problems * HINTS_PER_PROBLEM)
    hint_ids = hint_ids.reshape(n_problems, HINTS_PER_PROBLEM)
    explanation_ids = unique_ids(content_rng, n_problems)
    sequence_ids = unique_ids(content_rng, len(year.sequences))
    log = log_actions(log_rng, world, year, hint_ids=hint_ids, explanation_ids=explanation_ids)
    training, evaluation = _unit_test_scores(scores_rng, world, year)
    return {
        "action_logs": log.frame,
        "assignment_details": _assignment_details(world, year, sequence_ids, end=log.end_at),
        "problem_details": _problem_details(content_rng, world),
        "sequence_details": _sequence_details(world, year, sequence_ids),
        "training_unit_test_scores": training,
        "evaluation_unit_test_scores": evaluation,
        "assignment_relationships": _assignment_relationships(pairs_rng, year),
        "sequence_relationships": _sequence_relationships(year, sequence_ids),
        "hint_details": _help_details(content_rng, world, hint_ids, kind="hint"),
        "explanation_details": _help_details(
            content_rng, world, explanation_ids[:, None], kind="explanation"
        ),
        "skill_prerequisites": pd.DataFrame(
            [(skill.code, before) for skill in world.skills for before in skill.prerequisites],
            columns=["skill_code", "prerequisite_skill_code"],
        ),
        "skill_lessons": skill_lessons(world.skills),
    }


def truth_frames(world: World, year: Year) -> dict[str, pd.DataFrame]:
    """What estimators are to find, by name."""
    return {
        "truth_items": _truth_items(world, year),
        "truth_students": _truth_students(world),
        "truth_abilities": _truth_abilities(world, year),
        "truth_responses": _truth_responses(world, year),
        "truth_skills": pd.DataFrame(
            {
                "skill_code": [skill.code for skill in world.skills],
                "name": [skill.name for skill in world.skills],
                "unit": range(1, len(world.skills) + 1),
                "prerequisite_skill_codes": [" ".join(s.prerequisites) for s in world.skills],
            }
        ),
    }


def _assignment_details(
    world: World, year: Year, sequence_ids: TextArray, *, end: FloatArray
) -> pd.DataFrame:
    work = year.assignments
    class_index = world.students.class_index[work.student]
    release_ms = work.release_day * DAY_MS + RELEASE_MS
    met = year.encounters
    test_ms = np.bincount(
        met.assignment, year.answers.latency_ms * ~met.practice, minlength=work.student.size
    ).astype(np.int64)
    test_end = np.where(test_ms > 0, epoch_seconds(work.start_ms + test_ms), np.nan)
    return pd.DataFrame(
        {
            "assignment_log_id": work.assignment_log_id,
            "student_id": world.students.student_id[work.student],
            "sequence_id": sequence_ids[work.sequence],
            "teacher_id": world.teacher_ids[class_index],
            "class_id": world.class_ids[class_index],
            "assignment_release_date": epoch_seconds(release_ms),
            "assignment_due_date": epoch_seconds(release_ms + 7 * DAY_MS),
            "assignment_start_time": epoch_seconds(work.start_ms),
            "assignment_end_time": np.where(np.isnan(end), test_end, end),
        }
    )


def _problem_details(rng: np.random.Generator, world: World) -> pd.DataFrame:
    """Withdrawn problems are not there any more."""
    problems = world.problems
    shown = np.flatnonzero(problems.role != "withdrawn")
    return pd.DataFrame(
        {
            "problem_id": problems.problem_id[shown],
            "problem_multipart_id": unique_ids(rng, shown.size),
            "problem_multipart_position": 1,
            "problem_type": problems.type[shown],
            "problem_skill_code": [world.skills[i].code for i in problems.skill[shown]],
            "problem_skill_description": [world.skills[i].name for i in problems.skill[shown]],
            "problem_contains_image": (rng.random(shown.size) < _IMAGE_SHARE).astype(np.int64),
            "problem_contains_equation": (rng.random(shown.size) < _EQUATION_SHARE).astype(
                np.int64
            ),
            "problem_contains_video": (rng.random(shown.size) < _VIDEO_SHARE).astype(np.int64),
            "problem_text_bert_pca": _text_features(rng, shown.size),
        }
    )


def _sequence_details(world: World, year: Year, sequence_ids: TextArray) -> pd.DataFrame:
    names = [world.skills[sequence.unit].name for sequence in year.sequences]
    problem_id = world.problems.problem_id
    return pd.DataFrame(
        {
            "sequence_id": sequence_ids,
            "sequence_folder_path_level_1": "Mathematics",
            "sequence_folder_path_level_2": "Grade 6",
            "sequence_folder_path_level_3": [
                f"Unit {sequence.unit + 1:02d} - {name}"
                for sequence, name in zip(year.sequences, names, strict=True)
            ],
            "sequence_folder_path_level_4": [_FOLDERS[s.role] for s in year.sequences],
            "sequence_folder_path_level_5": None,
            "sequence_name": [sequence.name for sequence in year.sequences],
            "sequence_problem_ids": [
                f"[{', '.join(problem_id[list(sequence.problems)])}]" for sequence in year.sequences
            ],
        }
    )


def _unit_test_scores(
    rng: np.random.Generator, world: World, year: Year
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of the training and of the evaluation students; a few students are in both."""
    met, work = year.encounters, year.assignments
    n_students = world.students.student_id.size
    held_out = np.zeros(n_students, dtype=np.bool_)
    held_out[rng.permutation(n_students)[: round(_EVALUATION_SHARE * n_students)]] = True
    in_both = rng.random(n_students) < _ALSO_TRAINING_SHARE
    first_half = rng.random(work.student.size) < 0.5
    evaluation = held_out[work.student] & ~(in_both[work.student] & first_half)
    tested = np.flatnonzero(~met.practice)
    scores = pd.DataFrame(
        {
            "assignment_log_id": work.assignment_log_id[met.assignment[tested]],
            "problem_id": world.problems.problem_id[met.problem[tested]],
            "score": year.answers.correct[tested].astype(np.int64),
        }
    )
    is_evaluation = evaluation[met.assignment[tested]]
    held = scores[is_evaluation].reset_index(drop=True)
    held.insert(0, "id", unique_ids(rng, len(held)))
    return scores[~is_evaluation].reset_index(drop=True), held


def _assignment_relationships(rng: np.random.Generator, year: Year) -> pd.DataFrame:
    """Each unit test taken with the student's practice in that unit; a few pairs twice."""
    work = pd.DataFrame(
        {
            "log": year.assignments.assignment_log_id,
            "student": year.assignments.student,
            "unit": np.array([s.unit for s in year.sequences])[year.assignments.sequence],
            "is_test": _is_test(year)[year.assignments.sequence],
        }
    )
    pairs = work[work["is_test"]].merge(work[~work["is_test"]], on=["student", "unit"])
    pairs = pairs[["log_x", "log_y"]].set_axis(
        ["unit_test_assignment_log_id", "in_unit_assignment_log_id"], axis=1
    )
    again = pairs.sample(n=max(1, round(_REPEATED_SHARE * len(pairs))), random_state=rng)
    return pd.concat([pairs, again], ignore_index=True)


def _sequence_relationships(year: Year, sequence_ids: TextArray) -> pd.DataFrame:
    tests = _is_test(year)
    pairs = [
        (sequence_ids[test], sequence_ids[other])
        for test in np.flatnonzero(tests)
        for other in np.flatnonzero(~tests)
        if year.sequences[test].unit == year.sequences[other].unit
    ]
    return pd.DataFrame(pairs, columns=["unit_test_sequence_id", "in_unit_sequence_id"])


def _help_details(
    rng: np.random.Generator, world: World, ids: TextArray, *, kind: str
) -> pd.DataFrame:
    """The hints or explanations, ids (problems, per problem), of problems that offer them."""
    offered = np.flatnonzero(world.problems.tutoring == kind)
    chosen = ids[offered]
    return pd.DataFrame(
        {
            f"{kind}_id": chosen.ravel(),
            "problem_id": np.repeat(world.problems.problem_id[offered], chosen.shape[1]),
            f"{kind}_text_bert_pca": _text_features(rng, chosen.size),
        }
    )


def _truth_items(world: World, year: Year) -> pd.DataFrame:
    problems = world.problems
    kept = problems.role != "open"
    drift_b = year.drift_b[kept]
    drift_at = epoch_seconds(np.array(DRIFT_DAY * DAY_MS))
    return pd.DataFrame(
        {
            "problem_id": problems.problem_id[kept],
            "a": problems.a[kept],
            "b": problems.b[kept],
            "c": problems.c[kept],
            "drift_at": np.where(drift_b == 0, np.nan, drift_at),
            "drift_b": drift_b,
        }
    )


def _truth_students(world: World) -> pd.DataFrame:
    students = world.students
    return pd.DataFrame(
        {
            "student_id": students.student_id,
            "class_id": world.class_ids[students.class_index],
            "ability": students.general,
            "speed": students.speed,
            "kind": students.kind,
        }
    )


def _truth_abilities(world: World, year: Year) -> pd.DataFrame:
    students = world.students
    n_students, n_skills = students.ability.shape
    met = year.encounters
    student = year.assignments.student[met.assignment]
    cell = student * n_skills + world.problems.skill[met.problem]
    n_practised = np.bincount(cell[practised(world, met)], minlength=n_students * n_skills)
    owner = np.repeat(np.arange(n_students), n_skills)
    return pd.DataFrame(
        {
            "student_id": students.student_id[owner],
            "skill_code": np.tile([skill.code for skill in world.skills], n_students),
            "ability_start": students.ability.ravel(),
            "ability_end": students.ability.ravel() + risen(students, owner, n_practised),
        }
    )


def _truth_responses(world: World, year: Year) -> pd.DataFrame:
    met, answers = year.encounters, year.answers
    graded = np.flatnonzero(answers.graded)
    assignment = met.assignment[graded]
    return pd.DataFrame(
        {
            "assignment_log_id": year.assignments.assignment_log_id[assignment],
            "problem_id": world.problems.problem_id[met.problem[graded]],
            "student_id": world.students.student_id[year.assignments.student[assignment]],
            "event_kind": np.where(met.practice[graded], "practice", "assessment"),
            "p_irt": answers.p_irt[graded],
            "p_correct": answers.p_correct[graded],
            "is_rapid": answers.rapid[graded].astype(np.int64),
            "correct": answers.correct[graded].astype(np.int64),
        }
    )


def _is_test(year: Year) -> BoolArray:
    return np.array([sequence.role == "test" for sequence in year.sequences])


def _text_features(rng: np.random.Generator, count: int) -> list[str]:
    values = rng.normal(size=(count, _TEXT_FEATURES))
    return [f"[{', '.join(f'{value:.4f}' for value in row)}]" for row in values]
