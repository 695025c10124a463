"""xAPI statements, versions 1.0.3 and 2.0: JSON lines, arrays, or what a record store answers."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deepkt_irt.sources.layout import Source
from deepkt_irt.sources.statement_values import (
    Skill,
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

# by the last part of a verb's IRI, since profiles give the same verb several homes
_ROLES = {
    "answered": "response",
    "evaluated": "response",
    "asked": "hint",
    "voided": "void",
    **dict.fromkeys(("attempted", "initialized", "launched", "resumed", "suspended"), "progress"),
    **dict.fromkeys(("completed", "passed", "failed", "terminated", "abandoned"), "progress"),
}
_BELOW_ITEM = re.compile(r"/(hint|answer)(/[^/]*)?$")  # a hint may be an activity below its item
_ACCOUNT = "|"  # between an account's home page and its name


def flat(statement: Mapping[str, Any]) -> dict[str, str]:
    """Values of a statement by column of bronze.raw_statements."""
    definition = part(statement, "object", "definition")
    result, context = part(statement, "result"), part(statement, "context")
    verb = identifier(statement.get("verb"))
    role = _ROLES.get(_last(verb), "")
    activity = identifier(statement.get("object"))
    return {
        "statement_id": text(statement.get("id")),
        "student_id": _agent(statement.get("actor")),
        "verb": verb,
        "role": "answer" if role == "hint" and _tells_answer(activity, definition) else role,
        "object_id": _BELOW_ITEM.sub("", activity) if role == "hint" else activity,
        "item_type": text(definition.get("interactionType")),
        "title": title(definition.get("name")) or title(definition.get("description")),
        **joined(_skills(definition, context)),
        "answered_at": text(statement.get("timestamp") or statement.get("stored")),
        "success": text(result.get("success")),
        "score": _score(part(result, "score")),
        "answer": text(result.get("response")),
        "duration": text(result.get("duration")),
        "registration": text(context.get("registration")),
        "class_id": _class(context),
    }


def _agent(actor: object) -> str:
    """Who acted: account, hash of the mail address, or OpenID; empty for groups and nobody."""
    actor = part(actor)
    if actor.get("objectType") == "Group":
        return ""
    mbox = text(actor.get("mbox"))
    hashed = hashlib.sha1(mbox.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()
    return (
        _account(part(actor, "account"))
        or text(actor.get("mbox_sha1sum")).lower()
        or (hashed if mbox else "")  # so the specification makes mbox_sha1sum
        or text(actor.get("openid"))
    )


def _account(account: Mapping[str, Any]) -> str:
    home, name = text(account.get("homePage")), text(account.get("name"))
    return f"{home}{_ACCOUNT}{name}" if name.strip() else ""


def _last(iri: str) -> str:
    return iri.rstrip("/").replace("#", "/").rpartition("/")[2].lower()


def _tells_answer(activity: str, definition: Mapping[str, Any]) -> bool:
    return _last(text(definition.get("type"))) == "solution" or activity.endswith("/answer")


def _score(score: Mapping[str, Any]) -> str:
    if score.get("scaled") is not None:
        return text(score["scaled"])
    return share_of(score.get("raw"), score.get("min"), score.get("max"))


def _skills(definition: Mapping[str, Any], context: Mapping[str, Any]) -> list[Skill]:
    """Skills by extension; else objectives in the context; else what the item is part of."""
    named = extension_skills(part(definition, "extensions"), part(context, "extensions"))
    if named:
        return named
    around = list(_around(context))
    for wanted in (
        [each for _, kind, each in around if kind == "objective"],
        [each for place, kind, each in around if place == "parent" and kind != "course"],
        [each for place, kind, each in around if place == "grouping" and kind != "course"],
    ):
        if wanted:
            return [
                (identifier(each), title(part(each, "definition").get("name"))) for each in wanted
            ]
    return []


def _around(context: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Activities of the context: where it names them, the last part of their type, themselves."""
    for place in ("parent", "grouping", "category", "other"):
        for each in parts(part(context, "contextActivities").get(place)):
            yield place, _last(text(part(each, "definition").get("type"))), each


def _class(context: Mapping[str, Any]) -> str:
    """The team, or else the course, of a statement."""
    team = _account(part(context, "team", "account"))
    return team or next((identifier(e) for _, kind, e in _around(context) if kind == "course"), "")


SOURCE = Source(
    name="xapi",
    layouts=(layout(list_name="statements", flat=flat),),
    canonical=canonical,
    scope=SCOPE,
)
