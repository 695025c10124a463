"""A small Azure OpenAI on 127.0.0.1: the Responses and Batch APIs as far as they are used.

It keeps its own books: what it answered, what that cost in tokens, how many were served together.
What it answers is a function of the request, so that a test decides how it fails.
"""

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from local_server import listening

Body = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """What a request is answered with.

    Attributes:
        body: JSON, or bytes as they are.
        status: Of HTTP.
        headers: Beside those of every response.
        seconds: To wait before.
        is_cut: Whether the connection ends in the middle of the body.
    """

    body: Body | bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    is_cut: bool = False


Answer = Callable[[Body, int], Served]
"""From a request's body and its number, from 0, to what it is answered with."""


@dataclass
class Books:
    """What the service saw and charged.

    Attributes:
        requests: Bodies that were sent, one by one and in batches, in order.
        raw: Everything that was sent, as bytes.
        headers: Of the requests.
        started_at: When each came, in seconds of a clock.
        input_tokens: Charged; of responses that came to their end.
        output_tokens: Charged.
        batch_tokens: In and out of them, those that are charged half.
        peak: Most requests served together.
        batches: By id.
        files: Contents by id.
    """

    requests: list[Body] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    started_at: list[float] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    batch_tokens: list[tuple[int, int]] = field(default_factory=list)
    peak: int = 0
    under_way: int = 0
    batches: dict[str, Body] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Service:
    """A service that runs."""

    base_url: str
    books: Books


def response(text: str, *, status: str = "completed", reason: str | None = None) -> Body:
    """A body of the Responses API with a text, before it is known what it costs."""
    return {
        "id": f"resp_{uuid.uuid4().hex}",
        "object": "response",
        "created_at": 1_790_000_000,
        "model": "gpt-5.4-mini-2026-03-18",
        "status": status,
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": status,
                "content": [{"type": "output_text", "text": text, "annotations": []}],
            },
        ],
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
    }


def refusal() -> Body:
    """A body with which the model refuses."""
    body = response("")
    body["output"][1]["content"] = [{"type": "refusal", "refusal": "I cannot help with that."}]
    return body


def filtered() -> Served:
    """What a prompt is answered with that the content filter stops."""
    error = {
        "code": "content_filter",
        "message": "The prompt triggered the content management policy.",
        "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
    return Served({"error": error}, status=400)


def failed(status: int, code: str, **headers: str) -> Served:
    """An error of the service."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Served({"error": {"code": code, "message": f"{code} happened"}}, status, named)


def data_of(body: Body) -> Body:
    """What a prompt holds between its marks."""
    return json.loads(marks(body)[1])


def token_of(body: Body) -> str:
    """The random part of a prompt's marks."""
    return marks(body)[0]


def marks(body: Body) -> tuple[str, str]:
    """Token and data of a prompt."""
    content = body["input"][0]["content"]
    found = re.fullmatch(r"<data (\w+)>\n(.*)\n</data \1>", content, re.DOTALL)
    assert found, content
    return found[1], found[2]


def good_answer(body: Body) -> Body:
    """What a model writes that does as it is told: other words, the same facts."""
    data = data_of(body)
    is_student = "to a student" in body["instructions"]
    facts = [each for each in data["facts"] if "practise next" not in each["text"]][:3]
    (last,) = (each for each in data["facts"] if each["text"].startswith("To practise next"))
    return {
        "summary": [
            {"text": _reworded(each["text"], is_student), "facts": [each["ref"]], "sources": []}
            for each in facts
            if not each["text"].startswith("Practise ")
        ],
        "steps": [
            {
                "text": re.split(r"(?<=[.!?]) ", each["text"])[0],
                "facts": [],
                "sources": [each["ref"]],
            }
            for each in data["sources"][:2]
            if len(re.split(r"(?<=[.!?]) ", each["text"])[0]) < 280
        ],
        "next_action": {
            "text": f"Practise {data['item']} next.",
            "facts": [last["ref"]],
            "sources": [],
        },
    }


def _reworded(text: str, is_student: bool) -> str:
    who = "your" if is_student else "the student's"
    text = re.sub(r"^(\d+) of the last (\d+) answers", rf"\1 of {who} last \2 answers", text)
    return text.replace("The chance", "Right now the chance")


def obedient(body: Body, _: int) -> Served:
    """A model that does as it is told."""
    return Served(response(json.dumps(good_answer(body))))


@contextmanager
def serving(answer: Answer = obedient) -> Iterator[Service]:
    """The service, until the end of the block."""
    books = Books()

    class Handler(_Handler):
        pass

    Handler.answer, Handler.books = staticmethod(answer), books
    with listening(Handler) as url:
        yield Service(f"{url}/openai/v1/", books)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: Answer
    books: Books

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.books.lock:
            self.books.raw.append(raw)
            self.books.headers.append({k.lower(): v for k, v in self.headers.items()})
        path = self.path.removeprefix("/openai/v1")
        if path == "/responses":
            self._respond(json.loads(raw))
        elif path == "/files":
            self._json(_kept_file(self.books, _uploaded(raw, self.headers["Content-Type"])))
        elif path == "/batches":
            self._json(self._batch(json.loads(raw)))
        elif path.endswith("/cancel"):
            batch = self.books.batches[path.split("/")[2]]
            batch["status"] = "cancelled"
            self._json(batch)
        else:
            self._json({"error": {"code": "not_found", "message": path}}, 404)

    def do_GET(self) -> None:
        parts = self.path.removeprefix("/openai/v1/").split("/")
        if parts[0] == "batches":
            self._json(_polled(self.books.batches[parts[1]]))
        else:
            self._send(self.books.files[parts[1]], 200, {})

    def do_DELETE(self) -> None:
        name = self.path.rsplit("/", 1)[1]
        self.books.files.pop(name)
        self._json({"id": name, "object": "file", "deleted": True})

    def _respond(self, body: Body) -> None:
        with self.books.lock:
            number = len(self.books.requests)
            self.books.requests.append(body)
            self.books.started_at.append(time.monotonic())
            self.books.under_way += 1
            self.books.peak = max(self.books.peak, self.books.under_way)
        try:
            served = type(self).answer(body, number)
            if served.seconds:
                time.sleep(served.seconds)
            charged = _charged(served, body)
        finally:
            with self.books.lock:  # before the answer goes out, or the next request overlaps
                self.books.under_way -= 1
        if charged and not served.is_cut and not served.seconds:
            with self.books.lock:
                self.books.input_tokens += charged[0]
                self.books.output_tokens += charged[1]
        raw = served.body if isinstance(served.body, bytes) else json.dumps(served.body).encode()
        self._send(raw, served.status, served.headers, is_cut=served.is_cut)

    def _batch(self, body: Body) -> Body:
        lines = [json.loads(x) for x in self.books.files[body["input_file_id"]].splitlines()]
        good, bad = [], []
        for line in lines:
            self.books.requests.append(line["body"])
            served = type(self).answer(line["body"], len(self.books.requests) - 1)
            charged = _charged(served, line["body"])
            if charged:
                self.books.batch_tokens.append(charged)
            whole = {"status_code": served.status, "request_id": "r", "body": served.body}
            entry = {"id": "b", "custom_id": line["custom_id"], "response": whole, "error": None}
            (good if served.status == 200 else bad).append(entry)
        batch = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "completion_window": body["completion_window"],
            "input_file_id": body["input_file_id"],
            "created_at": 1_790_000_000,
            "status": "validating",
        }
        for name, entries in (("output_file_id", good), ("error_file_id", bad)):
            if entries:
                text = "\n".join(map(json.dumps, reversed(entries)))  # in no order of ours
                batch[name] = _kept_file(self.books, text.encode())["id"]
        self.books.batches[batch["id"]] = batch
        return batch

    def _json(self, body: Body, status: int = 200) -> None:
        self._send(json.dumps(body).encode(), status, {})

    def _send(
        self, raw: bytes, status: int, headers: dict[str, str], *, is_cut: bool = False
    ) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2] if is_cut else raw)
        except (BrokenPipeError, ConnectionResetError):
            return  # who asked did not wait
        if is_cut:
            self.close_connection = True


def _charged(served: Served, body: Body) -> tuple[int, int] | None:
    """Tokens of a response that came to its end, and puts them into it."""
    if served.status != 200 or isinstance(served.body, bytes) or "output" not in served.body:
        return None
    written = json.dumps(served.body["output"])
    tokens = (len(json.dumps(body)) // 4, 40 + len(written) // 4)
    served.body["usage"] = {
        "input_tokens": tokens[0],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": tokens[1],
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": sum(tokens),
    }
    return tokens


def _polled(batch: Body) -> Body:
    """A batch goes on a step each time somebody looks."""
    steps = ["validating", "in_progress", "completed"]
    if batch["status"] in steps[:-1]:
        batch["status"] = steps[steps.index(batch["status"]) + 1]
    return batch


def _uploaded(raw: bytes, content_type: str) -> bytes:
    boundary = content_type.split("boundary=")[1].strip('"').encode()
    for part in raw.split(b"--" + boundary):
        if b'name="file"' in part:
            return part.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n", 1)[0]
    raise AssertionError("no file in the upload")


def _kept_file(books: Books, content: bytes) -> Body:
    name = f"file-{uuid.uuid4().hex}"
    books.files[name] = content
    return {
        "id": name,
        "object": "file",
        "bytes": len(content),
        "created_at": 1_790_000_000,
        "filename": "prompts.jsonl",
        "purpose": "batch",
        "status": "processed",
    }
