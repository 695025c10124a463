"""Who was champion when: a history kept as tags on model versions, and the writes that change it.

A registry has no transaction over an alias and a tag, so every change is a list of writes whose
order makes a run that was killed between two of them whole when it is repeated:

* Promotion notes the reign first and moves the alias last. A noted reign that the alias does not
  confirm never began: repeated, only the alias is moved; followed by another change, it is
  withdrawn. The other way round the version that was champion before would be lost.
* Rollback withdraws the reign first and moves the alias last. An alias on a withdrawn reign says
  that the rollback is not finished: repeated, it goes to the same version, and not one further.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deepkt_irt.errors import UsageError

BEGAN, WITHDRAWN, REASON = "champion_since", "champion_until", "champion_reason"
_TAG = re.compile(rf"({BEGAN}|{WITHDRAWN})_(\d+)")


@dataclass(frozen=True)
class SetTag:
    """A tag to be written on a version."""

    version: str
    key: str
    value: str


@dataclass(frozen=True)
class NameChampion:
    """The champion's alias, to be moved to a version."""

    version: str


Write = SetTag | NameChampion


@dataclass(frozen=True)
class Reign:
    """One time that a version was champion; a version can have several.

    Attributes:
        place: Counts the reigns of a model from 1.
        version: Number in the registry.
        since: Instant, ISO 8601; empty where the alias was set without saying when.
        until: Instant of its withdrawal, by rollback; empty if it never was.
    """

    place: int
    version: str
    since: str
    until: str = ""


def reigns(tags: Mapping[str, Mapping[str, str]]) -> tuple[Reign, ...]:
    """All reigns of a model, oldest first.

    Args:
        tags: Tags of each version, by its number.
    """
    began: dict[tuple[int, str], str] = {}
    withdrawn: dict[tuple[int, str], str] = {}
    for version, own in tags.items():
        for key, value in own.items():
            if found := _TAG.fullmatch(key):
                kind = began if found[1] == BEGAN else withdrawn
                kind[int(found[2]), version] = value
    return tuple(
        Reign(place, version, since, withdrawn.get((place, version), ""))
        for (place, version), since in sorted(began.items())
    )


def promotion(
    history: tuple[Reign, ...], *, current: str | None, version: str, at: str, reason: str = ""
) -> tuple[Write, ...]:
    """Writes that make a version champion; none if it is already.

    Args:
        history: All reigns.
        current: Version that the alias names; None if there is none.
        version: The new champion.
        at: Instant, ISO 8601.
        reason: Why, in one sentence.
    """
    live = _live(history)
    if live and live[-1].version == version:
        return () if current == version else (NameChampion(version),)
    standing = _standing(history, current)
    writes: list[Write] = [_withdrawal(reign, at) for reign in standing.unconfirmed]
    place = 1 + max((reign.place for reign in history), default=0)
    if current == version and standing.reign and not standing.reign.until:
        return tuple(writes)  # champion all along; another's promotion was begun and left
    if current not in (None, version) and standing.reign is None:
        writes.append(SetTag(str(current), f"{BEGAN}_{place}", ""))
        place += 1
    if reason:
        writes.append(SetTag(version, f"{REASON}_{place}", reason))
    writes.append(SetTag(version, f"{BEGAN}_{place}", at))
    writes.append(NameChampion(version))
    return tuple(writes)


def rollback(history: tuple[Reign, ...], *, current: str, at: str) -> tuple[str, tuple[Write, ...]]:
    """The version that was champion before, and the writes that make it champion again.

    Args:
        history: All reigns.
        current: Version that the alias names.
        at: Instant, ISO 8601.

    Raises:
        UsageError: If no version was champion before.
    """
    target = champion_before(history, current)
    if target is None:
        raise UsageError(f"version {current} has no champion before it to go back to")
    writes = [_withdrawal(reign, at) for reign in _ending(history, current)]
    return target, (*writes, NameChampion(target))


def champion_before(history: tuple[Reign, ...], current: str) -> str | None:
    """The version that a rollback of the champion would go back to; None if there is none."""
    over = _ending(history, current)
    before = [reign for reign in _live(history) if reign not in over]
    return before[-1].version if before else None


def _ending(history: tuple[Reign, ...], current: str) -> tuple[Reign, ...]:
    """Reigns that a rollback ends."""
    standing = _standing(history, current)
    own = [each for each in (standing.reign,) if each and not each.until]
    return (*standing.unconfirmed, *own)


def is_withdrawn(history: tuple[Reign, ...], version: str) -> bool:
    """Whether a version was champion and was taken back, and has not become it again since."""
    own = [reign for reign in history if reign.version == version]
    return bool(own) and bool(own[-1].until)


@dataclass(frozen=True)
class _Standing:
    """How history and alias fit together.

    Attributes:
        reign: The reign of the version that the alias names; None if it has none.
        unconfirmed: Reigns noted after it, which the alias never followed.
    """

    reign: Reign | None
    unconfirmed: tuple[Reign, ...]


def _live(history: tuple[Reign, ...]) -> tuple[Reign, ...]:
    return tuple(reign for reign in history if not reign.until)


def _standing(history: tuple[Reign, ...], current: str | None) -> _Standing:
    live = _live(history)
    if live and live[-1].version == current:
        return _Standing(live[-1], ())
    # a promotion begun and left is the last that was noted; else a rollback is not finished
    if len(live) > 1 and live[-2].version == current and live[-1] == history[-1]:
        return _Standing(live[-2], live[-1:])
    own = [reign for reign in history if reign.version == current]
    if current is not None and not own:
        return _Standing(None, ())  # the alias was set by other means, after all that is noted
    since = own[-1].place if own else 0
    above = tuple(reign for reign in live if reign.place > since)
    return _Standing(own[-1] if own else None, above)


def _withdrawal(reign: Reign, at: str) -> SetTag:
    return SetTag(reign.version, f"{WITHDRAWN}_{reign.place}", at)


def reasons_of(tags: Mapping[str, str]) -> Iterator[str]:
    """Why a version became champion, each time, oldest first."""
    places = sorted(int(key.rpartition("_")[2]) for key in tags if key.startswith(f"{REASON}_"))
    return (tags[f"{REASON}_{place}"] for place in places)
