"""Caliper events, versions 1.1 and 1.2: JSON lines, arrays, or the envelopes sensors send."""

from collections.abc import Mapping
from typing import Any

from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.statement_values import (
    Skill,
    elapsed,
    extension_skills,
    identifier,
    joined,
    layout,
    part,
    parts,
    share_of,
    text,
    title,
)
from deepkt_irt.sources.statements import SCOPE, canonical

_ROLES = {
    ("AssessmentItemEvent", "Completed"): "response",
    ("AssessmentItemEvent", "Submitted"): "response",
    ("AssessmentItemEvent", "Started"): "progress",
    ("AssessmentItemEvent", "Skipped"): "progress",
    **{
        ("AssessmentEvent", action): "progress"  # of the whole: no answer to a question
        for action in ("Started", "Submitted", "Paused", "Resumed", "Restarted", "Reset")
    },
    ("GradeEvent", "Graded"): "grade",
}
_ITEM_TYPES = {
    "MultipleChoiceResponse": "multiple choice",
    "MultipleResponseResponse": "choose_n",
    "TrueFalseResponse": "true/false",
    "FillinBlankResponse": "fill-in",
}


def flat(event: Mapping[str, Any]) -> dict[str, str]:
    """Values of an event by column of bronze.raw_statements."""
    kind, action = text(event.get("type")), text(event.get("action"))
    role = _ROLES.get((kind, action), "")
    made = part(event, "generated")
    attempt = event.get("object") if role == "grade" else _attempt(event)
    item = part(attempt).get("assignable") if role == "grade" else event.get("object")
    whole = part(attempt).get("isPartOf")  # the attempt at the assessment the item is in
    answers = (made.get(name) for name in ("value", "values", "selections"))
    return {
        "statement_id": text(event.get("id")),
        # who grades is the actor of a grade
        "student_id": identifier(
            part(attempt).get("assignee") if role == "grade" else event.get("actor")
        ),
        "verb": f"{kind} {action}".strip(),
        "role": role,
        "object_id": identifier(item),
        "item_type": _ITEM_TYPES.get(text(made.get("type")), ""),
        "title": title(part(item).get("name")),
        **joined(_skills(event, part(item))),
        "answered_at": text(event.get("eventTime")),
        "score": _score(made) if role == "grade" else "",
        "answer": text(next((each for each in answers if each is not None), None)),
        "duration": _duration(made) or _duration(part(attempt)),
        "attempt_id": identifier(attempt),
        "attempt_count": text(part(attempt).get("count")),
        "registration": identifier(whole),
        "class_id": identifier(event.get("group") or part(event, "membership").get("organization")),
    }


def _attempt(event: Mapping[str, Any]) -> object:
    """The attempt an event is about: made by it, or named by the response it made."""
    made = event.get("generated")
    return made if part(made).get("type") == "Attempt" else part(made).get("attempt")


def _duration(entity: Mapping[str, Any]) -> str:
    return text(entity.get("duration")) or elapsed(
        entity.get("startedAtTime"), entity.get("endedAtTime")
    )


def _score(made: Mapping[str, Any]) -> str:
    """Points given of those possible."""
    score = part(made, "score") or made
    return share_of(score.get("scoreGiven"), None, score.get("maxScore"))


def _skills(event: Mapping[str, Any], item: Mapping[str, Any]) -> list[Skill]:
    """Skills by extension of the item or the event; else the item's learning objectives."""
    named = extension_skills(part(item, "extensions"), part(event, "extensions"))
    return named or [
        (identifier(each), title(part(each).get("name")))
        for each in parts(item.get("learningObjectives"))
    ]


SOURCE = Source(
    name="caliper", layouts=(layout(list_name="data", flat=flat),), canonical=canonical, scope=SCOPE
)
