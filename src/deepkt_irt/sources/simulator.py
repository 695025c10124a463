"""A simulated school district whose truth is known, as files in the EDM Cup 2023 layout.

A first response is right with probability `c + (1 - slip - c) / (1 + exp(-a (theta - b)))`, where
theta is the student's ability in the skill, which rises with each problem practised, and b changes
on one date for the items that drift. Rapid guessers answer some problems in about two seconds, and
then are right with probability c. Who meets what when is drawn before any answer, so no response
decides which items a student meets. Hints help a student later, through practice, not at once;
who asks for the answer first moves on without a graded response.

Everything is determined by the settings. It imports neither Spark nor the estimators it is to test.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.simulator_files import landing_frames, truth_frames
from deepkt_irt.sources.simulator_world import build_world
from deepkt_irt.sources.simulator_year import live_year

_TRUTH = "truth_"


@dataclass(frozen=True)
class District:
    """A simulated year: one frame per landing file, named like it, and the truth.

    Abilities, `b` and `drift_b` are in logits, times in epoch seconds.

    Attributes:
        skill_prerequisites: An extension of the layout, which says nothing about prerequisites:
            skill_code, prerequisite_skill_code, one row for each such pair.
        skill_lessons: Another one: lesson_id, skill_code, kind (explanation or hint), title, text,
            grade, locale, licence. The cup's hints and explanations have no text.
        truth_items: problem_id, a, b, c, drift_at (null: no drift) and drift_b, which is added to
            b from drift_at on. Withdrawn problems, absent from problem_details, are among them.
        truth_students: student_id, class_id, ability (general, at the start), speed (natural log
            of seconds, above 0: fast), kind.
        truth_abilities: ability_start and ability_end of each student_id and skill_code.
        truth_responses: Each graded first response: p_irt is the chance of an earnest answer
            without a slip; p_correct the best possible prediction, which knows the student's rates
            of slips and rapid guesses but not whether this is one; is_rapid, correct, event_kind.
        truth_skills: skill_code, name, unit, prerequisite_skill_codes (joined by spaces).
    """

    action_logs: pd.DataFrame
    assignment_details: pd.DataFrame
    problem_details: pd.DataFrame
    sequence_details: pd.DataFrame
    training_unit_test_scores: pd.DataFrame
    evaluation_unit_test_scores: pd.DataFrame
    assignment_relationships: pd.DataFrame
    sequence_relationships: pd.DataFrame
    hint_details: pd.DataFrame
    explanation_details: pd.DataFrame
    skill_prerequisites: pd.DataFrame
    skill_lessons: pd.DataFrame
    truth_items: pd.DataFrame
    truth_students: pd.DataFrame
    truth_abilities: pd.DataFrame
    truth_responses: pd.DataFrame
    truth_skills: pd.DataFrame


def simulate(settings: SimulatorSettings) -> District:
    """Simulate one school year, September 2024 to June 2025.

    Args:
        settings: Size of the district, and the seed that determines every value.
    """
    world_rng, year_rng, files_rng = np.random.default_rng(settings.seed).spawn(3)
    world = build_world(world_rng, n_students=settings.n_students, n_items=settings.n_items)
    year = live_year(year_rng, world)
    return District(**landing_frames(files_rng, world, year), **truth_frames(world, year))


def write_district(district: District, folder: Path, *, truth_folder: Path) -> list[Path]:
    """Write the landing files into `folder` and the truth into `truth_folder`.

    Each file appears under its name only when it is complete, and replaces one of that name.

    Returns:
        The files written: the landing files, then the truth.

    Raises:
        UsageError: If the truth would stand among the landing files.
        BackendUnavailable: If a folder cannot be written.
    """
    if truth_folder.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the truth must not stand in the landing folder {folder}")
    paths = []
    for field in fields(District):
        target = truth_folder if field.name.startswith(_TRUTH) else folder
        paths.append(target / f"{field.name}.csv")
        _write_csv(getattr(district, field.name), paths[-1])
    return paths


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    unfinished = path.with_name(f"_{path.name}")  # readers skip names that begin so
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(unfinished, index=False, lineterminator="\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise BackendUnavailable(f"{path}: cannot be written: {error}") from error
