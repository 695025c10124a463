"""What the simulated district has to say about its skills: explanations, worked examples, hints.

Real text for the invented curriculum, so that what is explained to a student has something true to
rest on. It stands in `simulator_lessons.toml`.
"""

import hashlib
import tomllib
from importlib.resources import files

import pandas as pd

from deepkt_irt.sources.simulator_world import Skill

_GRADE, _LOCALE, _LICENCE = "6", "en", "of deepkt-irt itself"
_ID_DIGITS = 8


def skill_lessons(skills: tuple[Skill, ...]) -> pd.DataFrame:
    """One row a lesson on one of the skills, in the order of the skills.

    Returns:
        lesson_id, skill_code, kind (explanation or hint), title, text, grade, locale, licence.
    """
    written = files("deepkt_irt.sources").joinpath("simulator_lessons.toml").read_text("utf-8")
    lessons = tomllib.loads(written)["lesson"]
    rows = [
        {
            "lesson_id": _lesson_id(lesson["skill"], lesson["title"]),
            "skill_code": lesson["skill"],
            "kind": lesson["kind"],
            "title": lesson["title"],
            "text": lesson["text"],
            "grade": _GRADE,
            "locale": _LOCALE,
            "licence": _LICENCE,
        }
        for skill in skills
        for lesson in lessons
        if lesson["skill"] == skill.code
    ]
    return pd.DataFrame(rows)


def _lesson_id(skill: str, title: str) -> str:
    return hashlib.sha256(f"{skill}/{title}".encode()).hexdigest()[:_ID_DIGITS].upper()
