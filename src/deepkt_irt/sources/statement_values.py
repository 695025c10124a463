"""What statements of learning systems have in common: their columns, and how values are read.

A statement comes from outside and may hold anything anywhere, so every reader here takes any JSON
value: what is not what it should be is not there.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from deepkt_irt.sources.layout import (
    Document,
    Field,
    Layout,
    duration,
    graded,
    instant,
    number,
    share,
)
from deepkt_irt.tables.bronze import RAW_STATEMENTS

SKILL_SEPARATOR = "\n"  # what joins skill_ids and skill_names: stands in no IRI and no name
TITLE_CHARACTERS = 120
_LARGEST = 1e300  # of a whole number, so that sums stay finite
_LONGEST_SECONDS = 1e9  # longer is no time on a question
_RULES = {
    "answered_at": instant,
    "success": graded,
    "score": share,
    "duration": duration,
    "attempt_count": number,
}
_FILLED = ("statement_id", "student_id", "verb", "object_id", "answered_at")

Skill = tuple[str, str]
"""Id and name; the name is empty where none is given."""


def layout(*, list_name: str, flat: Callable[[Mapping[str, Any]], dict[str, str]]) -> Layout:
    """The layout of JSON files of statements; headers are the columns of bronze.raw_statements.

    Args:
        list_name: Member of an envelope that holds the statements.
        flat: Values of a statement by column.
    """
    names = [name for name in RAW_STATEMENTS.column_names if not name.startswith("_")]
    return Layout(
        table=RAW_STATEMENTS,
        patterns=("*.json", "*.jsonl", "*.ndjson"),
        fields=tuple(
            Field(name, name, rule=_RULES.get(name), filled=name in _FILLED) for name in names
        ),
        document=Document(list_name=list_name, flat=flat, whole="statement"),
    )


def part(value: object, *names: str) -> Mapping[str, Any]:
    """The object inside an object by the names that lead to it; empty if there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def parts(value: object) -> list[Any]:
    """A list as it is, one value as a list of it, nothing as an empty one."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text(value: object) -> str:
    """A value as text: a text as it is, anything else as JSON; nothing is empty."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def identifier(value: object) -> str:
    """The id of something given by its id alone or as an object."""
    return text(value.get("id")) if isinstance(value, Mapping) else text(value)


def title(value: object) -> str:
    """A name as one line; of one in several languages the English one, or else the first."""
    if isinstance(value, Mapping):
        english = (each for tag, each in value.items() if tag.lower().startswith("en"))
        value = next(english, next(iter(value.values()), None))
    return " ".join(value.split())[:TITLE_CHARACTERS] if isinstance(value, str) else ""


def share_of(given: object, least: object, most: object) -> str:
    """Where a score stands between the least and the most possible; empty if that is unknown."""
    score, low, high = _finite(given), _finite(0 if least is None else least), _finite(most)
    if score is None or low is None or high is None or high <= low:
        return ""
    return repr((score - low) / (high - low))


def elapsed(start: object, end: object) -> str:
    """The time between two instants as ISO 8601; empty unless both are known and in order."""
    try:
        taken = datetime.fromisoformat(text(end)) - datetime.fromisoformat(text(start))
    except (ValueError, TypeError):  # one is no time, or only one has an offset
        return ""
    seconds = taken.total_seconds()
    return f"PT{seconds:.3f}S" if 0 < seconds < _LONGEST_SECONDS else ""


def extension_skills(*extensions: Mapping[str, Any]) -> list[Skill]:
    """Skills named in extensions: members whose name ends in `skill` or `skills`."""
    return [
        (identifier(each), title(part(each).get("name")))
        for members in extensions
        for name, value in members.items()
        if name.replace("#", "/").rpartition("/")[2].lower() in {"skill", "skills"}
        for each in parts(value)
    ]


def joined(skills: Iterable[Skill]) -> dict[str, str]:
    """Skills as bronze keeps them, each once."""
    named: dict[str, str] = {}
    for skill, name in skills:
        key = " ".join(skill.split())
        if key:
            named[key] = named.get(key) or name
    return {
        "skill_ids": SKILL_SEPARATOR.join(named),
        "skill_names": SKILL_SEPARATOR.join(named.values()) if any(named.values()) else "",
    }


def _finite(value: object) -> float | None:
    """A number that can be reckoned with; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _LARGEST:
        return None
    return float(value)
