"""Statements of an invented learning system, as xAPI and Caliper write them."""

import json
from collections.abc import Mapping
from typing import Any

HOME = "https://lms.example"
VERBS = "http://adlnet.gov/expapi/verbs"
ACTIVITIES = "http://adlnet.gov/expapi/activities"
MONDAY = "2026-02-02T09:{minute:02d}:00Z"

Statement = dict[str, Any]


def xapi(
    number: int,
    *,
    who: str = "ann",
    verb: str = "answered",
    item: str = "q1",
    minute: int = 0,
    result: Mapping[str, Any] | None = None,
    registration: str | None = "r1",
) -> Statement:
    """One xAPI statement; its id and time follow from the numbers."""
    context: Statement = {
        "contextActivities": {
            "parent": [{"id": f"{HOME}/quiz"}],
            "other": [
                {
                    "id": f"{HOME}/skill/fractions",
                    "definition": {
                        "type": f"{ACTIVITIES}/objective",
                        "name": {"de": "Brüche", "en-GB": "Fractions"},
                    },
                }
            ],
        }
    }
    if registration:
        context["registration"] = registration
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "actor": {"account": {"homePage": HOME, "name": who}},
        "verb": {"id": f"{VERBS}/{verb}", "display": {"en": verb}},
        "object": {
            "id": f"{HOME}/item/{item}",
            "definition": {"interactionType": "choice", "name": {"en": f"Question {item}"}},
        },
        "result": dict(result or {}),
        "context": context,
        "timestamp": MONDAY.format(minute=minute),
    }  # fmt: skip


def voiding(number: int, target: int) -> Statement:
    """A statement by which a teacher takes another back."""
    return xapi(number, who="teacher", verb="voided", minute=59) | {
        "object": {
            "objectType": "StatementRef",
            "id": f"00000000-0000-4000-8000-{target:012d}",
        }
    }


def caliper(
    number: int,
    kind: str,
    action: str,
    *,
    who: str = "ann",
    item: str = "q1",
    minute: int = 0,
    attempt: int = 1,
    given: float | None = None,
    most: float | None = 1,
    **response: Any,
) -> Statement:
    """One Caliper event of an item: a response to it, or the grade of one."""
    asked = {
        "id": f"{HOME}/item/{item}",
        "type": "AssessmentItem",
        "name": f"Question {item}",
        "extensions": {"skills": ["fractions", "adding"]},
    }
    tried = {
        "id": f"{HOME}/attempt/{who}/{item}/{attempt}",
        "type": "Attempt",
        "assignee": f"{HOME}/user/{who}",
        "assignable": asked,
        "count": attempt,
        "isPartOf": f"{HOME}/attempt/{who}",
    }
    is_grade = kind == "GradeEvent"
    made = (
        {"type": "Score", "scoreGiven": given, "maxScore": most, "attempt": tried["id"]}
        if is_grade
        else {"type": "MultipleChoiceResponse", "attempt": tried, **response}
    )
    return {
        "id": f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
        "type": kind,
        "action": action,
        "actor": {"id": f"{HOME}/user/{'grader' if is_grade else who}", "type": "Person"},
        "object": tried if is_grade else asked,
        "generated": made,
        "group": {"id": f"{HOME}/class/7b", "type": "CourseSection"},
        "eventTime": MONDAY.format(minute=minute),
    }  # fmt: skip


def envelope(*events: Statement) -> Statement:
    """What a sensor sends."""
    return {
        "sensor": f"{HOME}/sensor",
        "sendTime": "2026-02-02T10:00:00.000Z",
        "dataVersion": "http://purl.imsglobal.org/ctx/caliper/v1p2",
        "data": list(events),
    }


def lines(*statements: Any) -> str:
    """One a line."""
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in statements)
