"""A small learning system on 127.0.0.1 that gives responses as JSON, and fails as it is told."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local_server import listening


@dataclass(frozen=True)
class Asked:
    """A request; names of headers are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Served:
    """What a request is answered with.

    Attributes:
        body: JSON, or bytes as they are.
        status: Of HTTP.
        headers: Beside those of every answer.
        ending: How the connection ends: `whole`, `cut` in the middle of the body, or `reset`.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ending: str = "whole"


Answer = Callable[[Asked, int], Served]
"""From a request and its number, from 0, to what it is answered with."""


@dataclass(frozen=True)
class Service:
    """A service that runs."""

    url: str
    asked: list[Asked]


@contextmanager
def serving(answer: Answer) -> Iterator[Service]:
    """The service, until the end of the block."""
    asked: list[Asked] = []

    class Handler(_Handler):
        pass

    Handler.answer, Handler.asked = staticmethod(answer), asked
    with listening(Handler) as url:
        yield Service(url, asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Answer
    asked: list[Asked]

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        number = len(self.asked)
        asked = Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.asked.append(asked)
        served = type(self).answer(asked, number)
        if served.ending == "reset":
            linger = struct.pack("ii", 1, 0)  # closed with a reset instead of an end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        is_raw = isinstance(served.body, bytes)
        raw = served.body if is_raw else json.dumps(served.body).encode()
        self.send_response(served.status)
        for name, value in served.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if served.ending == "cut":
            raw, self.close_connection = raw[: len(raw) // 2], True
        try:
            self.wfile.write(raw)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked did not wait
