"""Pages of a REST interface to rows of the copied layout."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.pulling.connection import (
    Cursor,
    LinkHeader,
    NextUrl,
    NumberParameter,
    Offset,
    PageNumber,
    RestApi,
    TimeParameter,
)
from deepkt_irt.pulling.http import Answer, Client
from deepkt_irt.pulling.windows import Window
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

_SEPARATOR = ";"
_JOINED = frozenset({"skill_ids", "skill_names"})
_LINK = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
_REL = re.compile(r'\brel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)

Record = Mapping[str, object]


def asked_for_time(connection: RestApi, kind: TimeParameter, window: Window[datetime]) -> str:
    """Address of the first page of a window by time."""
    given = {kind.since: _instant(kind, window.since)}
    if kind.until:
        given[kind.until] = _instant(kind, window.until)
    return _first(connection, given)


def asked_for_number(connection: RestApi, kind: NumberParameter, since: int) -> str:
    """Address of the first page from a number on."""
    return _first(connection, {kind.since: str(since)})


def records(
    client: Client, url: str, on_progress: Callable[[str], None]
) -> Iterator[tuple[str, Record]]:
    """All records behind an address, page after page, each with its place for messages.

    A page that came before, word for word, adds nothing: what it holds is there.

    Raises:
        BackendUnavailable: If a page cannot be had, or pages run in a circle.
        BadFile: If an answer is not what the connection says.
    """
    connection = client.connection
    asked, seen = set[str](), set[bytes]()
    following: str | None = url
    while following is not None:
        url = following
        if url in asked or len(asked) >= connection.max_pages:
            problem = "comes again, so they run in a circle" if url in asked else "is one too many"
            raise BackendUnavailable(
                f"{connection.name}: page {len(asked) + 1} {problem}; check pages, and max_pages"
            )
        asked.add(url)
        answer = client.get(url)
        where = f"{connection.name} page {len(asked)}"
        found = _listed(connection, answer.document, where)
        digest = hashlib.sha256(json.dumps(found).encode()).digest()
        if found and digest in seen:
            _refuse_stuck(connection, where)
            on_progress(f"{where}: the same as a page before, not taken again")
        else:
            seen.add(digest)
            yield from ((f"{where} record {n}", each) for n, each in enumerate(found, start=1))
        following = _next(connection, answer, url, len(found))


def row(connection: RestApi, record: Record, where: str) -> tuple[str, ...]:
    """Values of a record in the order of the layout; what it lacks is empty.

    Raises:
        BadFile: If a skill's id holds what joins skills.
    """
    return tuple(
        _text(name, member_at(record, connection.fields.get(name, name)), where)
        for name in COPIED_COLUMNS
    )


def member_at(document: object, path: str) -> object:
    """What stands at a place such as `learner.id`; None if nothing does."""
    for name in path.split(".") if path else ():
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def number_of(kind: NumberParameter, record: Record, where: str) -> int:
    """The watermark of a record.

    Raises:
        BadFile: If there is none.
    """
    value = member_at(record, kind.member)
    if not isinstance(value, str) or not re.fullmatch(r"\d{1,18}", value, re.ASCII):
        raise BadFile(
            where, f"no whole number at {kind.member}", "check watermark.member in the connection"
        )
    return int(value)


def _instant(kind: TimeParameter, instant: datetime) -> str:
    if kind.written == "iso":
        return instant.isoformat().replace("+00:00", "Z")
    milliseconds = int(instant.timestamp() * 1000)
    return str(milliseconds if kind.written == "epoch_milliseconds" else milliseconds // 1000)


def _first(connection: RestApi, given: Mapping[str, str]) -> str:
    url, pages = connection.url, connection.pages
    for name, value in {**connection.parameters, **given}.items():
        url = _with(url, name, value)
    if isinstance(pages, PageNumber):
        url = _with(url, pages.parameter, str(pages.first))
    elif isinstance(pages, Offset):
        url = _with(url, pages.parameter, "0")
    return url


def _with(url: str, name: str, value: str) -> str:
    """The address with one parameter set."""
    parts = urlsplit(url)
    others = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] != name]
    return parts._replace(query=urlencode([*others, (name, value)])).geturl()


def _listed(connection: RestApi, document: object, where: str) -> list[Record]:
    found = member_at(document, connection.records)
    place = connection.records or "the top"
    if not isinstance(found, list):
        raise BadFile(where, f"no list at {place}", "check records in the connection")
    for number, each in enumerate(found, start=1):
        if not isinstance(each, Mapping):
            problem = f"record {number} at {place} is no object"
            raise BadFile(where, problem, "check records in the connection")
    return found


def _next(connection: RestApi, answer: Answer, url: str, n_records: int) -> str | None:
    """Address of the page after this one; None if it is the last."""
    pages = connection.pages
    if isinstance(pages, NextUrl):
        named = member_at(answer.document, pages.member)
        return urljoin(url, str(named)) if named else None
    if isinstance(pages, LinkHeader):
        named = _linked(answer.link)
        return urljoin(url, named) if named else None
    if isinstance(pages, Cursor):
        named = member_at(answer.document, pages.member)
        return _with(url, pages.parameter, str(named)) if named else None
    if isinstance(pages, (PageNumber, Offset)) and n_records:
        (now,) = [v for name, v in parse_qsl(urlsplit(url).query) if name == pages.parameter]
        step = n_records if isinstance(pages, Offset) else 1
        return _with(url, pages.parameter, str(int(now) + step))
    return None


def _linked(header: str) -> str | None:
    """The target of a Link header whose relation is next (RFC 8288)."""
    for target, parameters in _LINK.findall(header):
        said = _REL.search(parameters)
        if said and "next" in (said[1] or said[2]).lower().split():
            return str(target)
    return None


def _refuse_stuck(connection: RestApi, where: str) -> None:
    """Stop if pages are counted and one came again: the count is not heard, so none is the last."""
    pages = connection.pages
    if isinstance(pages, (PageNumber, Offset)):
        raise BackendUnavailable(
            f"{where}: the same as a page before, so the parameter {pages.parameter} is not heard; "
            "check pages in the connection"
        )


def _text(name: str, value: object, where: str) -> str:
    """A value as the layout has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and name in _JOINED:
        each = [_text("", part, where) for part in value]
        if any(_SEPARATOR in part for part in each):
            fix = "take a member that holds ids without it"
            raise BadFile(where, f"{name} holds {_SEPARATOR!r}, which joins skills", fix)
        return _SEPARATOR.join(each)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
