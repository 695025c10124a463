"""Order and outcome of a list of activities, by their dependsOn.

An outcome is what `activity('x')` gives: ActivityName, Status, and output or error.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from deepkt_irt.azure.factory.documents import Document

SUCCEEDED, FAILED, SKIPPED = "Succeeded", "Failed", "Skipped"

type Outcomes = Mapping[str, Any]


def in_order(activities: list[Document]) -> Iterator[Document]:
    """Activities so that each follows those it waits for; otherwise as they are written."""
    waiting, done = list(activities), set[str]()
    while waiting:
        ready = next(each for each in waiting if _waits_for(each) <= done)
        waiting.remove(ready)
        done.add(ready["name"])
        yield ready


def starts(activity: Document, outcomes: Outcomes) -> bool:
    """Whether an activity runs: every dependency ended in one of the ways it asks for."""
    return all(_met(each, outcomes) for each in activity.get("dependsOn", []))


def _met(dependency: Document, outcomes: Outcomes) -> bool:
    status = outcomes[dependency["activity"]]["Status"]
    ran = {"Completed"} if status != SKIPPED else set[str]()
    return bool({status, *ran} & set(dependency["dependencyConditions"]))


def failure(activities: list[Document], outcomes: Outcomes) -> str | None:
    """Why a list of activities failed as a whole, None if it succeeded.

    Activities that none waits for decide; in place of a skipped one, those it waited for.
    """
    waits = {each["name"]: _waits_for(each) for each in activities}
    asked = [name for name in waits if not any(name in above for above in waits.values())]
    seen = set(asked)
    for name in asked:  # grows on the way
        if outcomes[name]["Status"] == SKIPPED:
            parents = sorted(waits[name] - seen)
            asked += parents
            seen.update(parents)
    for name in asked:
        if outcomes[name]["Status"] == FAILED:
            message = outcomes[name].get("error", {}).get("message", "is marked as failed")
            return f"{name}: {message}"
    return None


def _waits_for(activity: Document) -> set[str]:
    return {each["activity"] for each in activity.get("dependsOn", [])}
