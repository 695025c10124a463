"""Calls of a WebActivity to the lake's own REST interface: rename, make a folder, put a blob."""

import json
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from deepkt_irt.azure.factory.world import WebCall, World
from deepkt_irt.errors import UsageError

_RESOURCES = {"https://storage.azure.com", "https://storage.azure.com/"}
_HEADERS = {
    *("x-ms-version", "x-ms-date", "x-ms-rename-source", "x-ms-blob-type"),
    *("content-type", "content-length", "if-none-match"),
}

type Answer = tuple[int, object]


def is_lake(url: str, world: World) -> bool:
    """Whether a URL is one of the lake's dfs or blob endpoint."""
    return urlsplit(url).netloc in {_host(world, "dfs"), _host(world, "blob")}


def _host(world: World, kind: str) -> str:
    return urlsplit(world.lake).netloc.replace(".dfs.", f".{kind}.")


class _Refused(Exception):
    """The lake says no; the arguments are status and code."""


def call_lake(call: WebCall, world: World) -> Answer:
    """Answer a call to the lake by status and body.

    Raises:
        UsageError: If it asks for what is not emulated.
    """
    headers = {name.lower(): str(value) for name, value in call.headers.items()}
    for name in headers:
        if name not in _HEADERS:
            raise UsageError(f"header {name} is not emulated")
    try:
        _check(call, headers)
        _answer(call, headers, world)
    except _Refused as refused:
        status, code = refused.args
        return status, {"error": {"code": code}}
    return 201, None


def _check(call: WebCall, headers: dict[str, str]) -> None:
    if urlsplit(call.url).scheme != "https":
        raise _Refused(400, "AccountRequiresHttps")
    if (call.authentication or {}).get("resource") not in _RESOURCES:
        raise _Refused(401, "NoAuthenticationInformation")
    if "x-ms-version" not in headers:  # needed by all that signs in with a token
        raise _Refused(400, "MissingRequiredHeader")
    if call.method != "PUT":
        raise UsageError(f"{call.method} to the lake is not emulated")


def _answer(call: WebCall, headers: dict[str, str], world: World) -> None:
    split = urlsplit(call.url)
    container, _, inside = unquote(split.path).strip("/").partition("/")
    target, fresh = world.path(container, inside), headers.get("if-none-match") == "*"
    if not world.path(container).is_dir():
        raise _Refused(404, "FilesystemNotFound")
    if split.netloc == _host(world, "blob"):
        _put_blob(call, headers, target, fresh=fresh)
    elif call.body not in (None, ""):
        raise _Refused(400, "InvalidInput")
    elif "x-ms-rename-source" in headers:
        source = urlsplit(headers["x-ms-rename-source"]).path
        first, _, rest = unquote(source).strip("/").partition("/")
        _rename(world.path(first, rest), target, fresh=fresh)
    elif parse_qs(split.query) != {"resource": ["directory"]}:
        raise UsageError(f"PUT {call.url} is not emulated")
    elif target.is_file() or (fresh and target.exists()):
        raise _Refused(409, "PathAlreadyExists")
    else:
        target.mkdir(parents=True, exist_ok=True)


def _put_blob(call: WebCall, headers: dict[str, str], target: Path, *, fresh: bool) -> None:
    if urlsplit(call.url).query or headers.get("x-ms-blob-type") != "BlockBlob":
        raise UsageError(f"PUT {call.url} is emulated for a BlockBlob only")
    if target.exists() and fresh:
        raise _Refused(409, "BlobAlreadyExists")
    if target.is_dir():
        raise _Refused(409, "ResourceTypeMismatch")
    body = call.body if isinstance(call.body, str) else json.dumps(call.body)
    target.parent.mkdir(parents=True, exist_ok=True)
    written = target.with_name(f"{target.name}.writing")
    written.write_text(body, encoding="utf-8")
    written.replace(target)


def _rename(source: Path, target: Path, *, fresh: bool) -> None:
    """Move a file or folder in one step, as a hierarchical namespace does."""
    if not source.exists():
        raise _Refused(404, "SourcePathNotFound")
    if not target.parent.is_dir():
        raise _Refused(404, "RenameDestinationParentPathNotFound")
    if target.exists() and (fresh or source.is_dir() != target.is_dir()):
        raise _Refused(409, "PathAlreadyExists")
    if target.is_relative_to(source):
        raise _Refused(409, "InvalidRenameSourcePath")
    if target.is_dir() and any(target.iterdir()):
        raise _Refused(409, "PathAlreadyExists")
    source.replace(target)  # takes the place of a file or an empty folder, as the lake does it
