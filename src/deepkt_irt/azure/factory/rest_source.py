"""Reads pages of a REST service over HTTP, as the Copy activity's RestSource does."""

import json
import re
from collections.abc import Iterator
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit
from urllib.request import ProxyHandler, Request, build_opener

from deepkt_irt.azure.factory.documents import Dataset, Document
from deepkt_irt.azure.factory.expression_times import parse_span
from deepkt_irt.azure.factory.expressions import Json
from deepkt_irt.azure.factory.world import ActivityFailed, World, only
from deepkt_irt.errors import UsageError

_SOURCE = {
    *("type", "httpRequestTimeout", "requestInterval", "requestMethod", "additionalHeaders"),
    "paginationRules",
}
_DATASET = {"relativeUrl", "requestMethod", "additionalHeaders", "paginationRules"}
_STEP = re.compile(r"\.(\w+)|\['([^']+)'\]|\[(\d+)\]")
_NEXT = re.compile(r'<([^>]+)>\s*;[^,]*rel="?next"?')
_QUERY = "QueryParameters."


def pick(path: str, root: Json, element: Json = None) -> Json:
    """What a JSON path leads to; null if nothing is there.

    Args:
        path: `$.a['b'][0]` from the root, or the same without `$` from the element.
        root: The whole body.
        element: The element of the collection at hand.

    Raises:
        UsageError: If the path has more than names and indices.
    """
    rest, value = (path[1:], root) if path.startswith("$") else (path, element)
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    if _STEP.sub("", rest):
        raise UsageError(f"JSON path {path!r} is not emulated")
    for dotted, quoted, index in _STEP.findall(rest):
        name = dotted or quoted
        if name:
            value = value.get(name) if isinstance(value, dict) else None
        else:
            fits = isinstance(value, list) and int(index) < len(value)
            value = value[int(index)] if fits else None
    return value


def pages(source: Document, dataset: Dataset, world: World) -> Iterator[Json]:
    """Bodies of the pages, one after the other.

    Raises:
        UsageError: If the source asks for what is not emulated.
        ActivityFailed: If the service refuses, answers no JSON, or leads in a circle.
    """
    only(source, _SOURCE, "RestSource")
    only(dataset.properties, _DATASET, f"dataset {dataset.name}")
    if dataset.type != "RestResource" or dataset.service.type != "RestService":
        raise UsageError(f"dataset {dataset.name} is no resource of a REST service")
    for each in (source, dataset.properties):
        if each.get("requestMethod", "GET") != "GET":
            raise UsageError(f"dataset {dataset.name}: only GET is emulated")
    base = world.address(dataset.service)
    relative = (dataset.properties.get("relativeUrl") or "").lstrip("/")
    rules = source.get("paginationRules") or dataset.properties.get("paginationRules") or {}
    url: str | None = f"{base}/{relative}" if relative else base
    seen = set[str]()
    while url:
        if url in seen:
            raise ActivityFailed("UserErrorPagination", f"{url} comes again")
        seen.add(url)
        if urlsplit(url)[:2] != urlsplit(base)[:2]:
            raise UsageError(f"the next page {url} is at another host than {base}")
        body, link = _get(url, _headers(source, dataset), source)
        yield body
        url = _next(url, body, link, rules)


def _headers(source: Document, dataset: Dataset) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    service = dataset.service.properties
    if service.get("authenticationType", "Anonymous") not in {"Anonymous", "Basic"}:
        audience = service.get("aadResourceId") or service.get("scope")
        headers["Authorization"] = f"Bearer <token for {audience}>"
    for each in (service.get("authHeaders"), dataset.properties.get("additionalHeaders")):
        headers |= each or {}
    given = source.get("additionalHeaders") or {}
    if not isinstance(given, dict):
        raise UsageError("additionalHeaders are emulated as an object only")
    return headers | given


def _get(url: str, headers: dict[str, str], source: Document) -> tuple[Json, str]:
    """Body and Link header of a page."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise UsageError(f"{url} is no address of a REST service")
    limit = parse_span(source.get("httpRequestTimeout", "00:01:40")).total_seconds()
    request = Request(url, headers=headers)  # noqa: S310 - the scheme is looked at above
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=limit) as answer:
            return json.load(answer), answer.headers.get("Link") or ""
    except HTTPError as error:
        with error:
            raise ActivityFailed("RestCallFailed", f"{url}: {error.code} {error.reason}") from error
    except (URLError, TimeoutError, ConnectionError) as error:
        raise ActivityFailed("RestCallFailed", f"{url}: {error}") from error
    except ValueError as error:
        raise ActivityFailed("UserErrorInvalidJson", f"{url} answers no JSON: {error}") from error


def _next(url: str, body: Json, link: str, rules: Document) -> str | None:
    query: dict[str, str] = {}
    for rule, path in rules.items():
        if rule == "supportRFC5988":
            continue
        if not (rule == "AbsoluteUrl" or rule.startswith(_QUERY)) or not path.startswith("$"):
            raise UsageError(f"pagination rule {rule}: {path} is not emulated")
        value = pick(path, body)
        if value is None or value == "":  # 0 is a page
            return None
        if rule == "AbsoluteUrl":
            return urljoin(url, str(value))
        query[rule.removeprefix(_QUERY)] = str(value)
    if query:
        parts = urlsplit(url)
        merged = urlencode({**dict(parse_qsl(parts.query)), **query})
        return urlunsplit(parts._replace(query=merged))
    follows = str(rules.get("supportRFC5988", "true")).lower() == "true"
    found = _NEXT.search(link) if follows else None
    return urljoin(url, found.group(1)) if found else None
