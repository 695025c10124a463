"""The bodies of the Responses API: what a prompt is sent as, and what an answer says."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deepkt_irt.rag.prompts import Prompt
from deepkt_irt.settings import ChatSettings

_FRAME_TOKENS = 200  # roles and delimiters that the service adds


class Outcome(enum.StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    TRUNCATED = "truncated"
    INVALID = "invalid"  # what came is no response of the interface
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    OVER_BUDGET = "over_budget"  # not sent
    GIVEN_UP = "given_up"  # not sent, or sent too often


@dataclass(frozen=True)
class Usage:
    """Tokens as the service counts them; cached are part of input, reasoning of output."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


def request_body(prompt: Prompt, deployment: str, settings: ChatSettings) -> dict[str, Any]:
    """The body of a request to the Responses API, the same one by one and in a batch.

    The service is told not to store it.
    """
    body: dict[str, Any] = {
        "model": deployment,
        "instructions": prompt.instructions,
        "input": [{"role": "user", "content": prompt.data}],
        "max_output_tokens": settings.max_output_tokens,
        "store": False,
        "text": {
            "format": {
                "type": "json_schema",
                "name": prompt.schema_name,
                "schema": prompt.schema,
                "strict": True,
            }
        },
    }
    if settings.effort is not None:
        body["reasoning"] = {"effort": settings.effort}
    return body


def most_input_tokens(body: Mapping[str, Any]) -> int:
    """Tokens that a body cannot exceed: one is at least a byte of UTF-8."""
    return len(json.dumps(body, ensure_ascii=False).encode()) + _FRAME_TOKENS


@dataclass(frozen=True)
class Read:
    """A body of the Responses API as far as it is needed."""

    outcome: Outcome
    text: str | None
    usage: Usage | None
    served_model: str | None


def read_response(body: object) -> Read:
    """What a body of the Responses API says; one of another shape is invalid."""
    if not isinstance(body, dict) or not isinstance(body.get("output"), list):
        return Read(Outcome.INVALID, None, None, None)
    usage, served = _usage(body.get("usage")), body.get("model")
    texts, refused = _contents(body["output"])
    reason = (body.get("incomplete_details") or {}).get("reason")
    if reason == "content_filter":
        outcome = Outcome.CONTENT_FILTER
    elif refused:
        outcome = Outcome.REFUSED
    elif body.get("status") == "incomplete":
        outcome = Outcome.TRUNCATED
    elif body.get("status") != "completed" or not texts:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.ANSWERED
    text = "".join(texts) if outcome is Outcome.ANSWERED else None
    return Read(outcome, text, usage, served if isinstance(served, str) else None)


def _contents(output: list[Any]) -> tuple[list[str], bool]:
    parts = [
        part
        for message in output
        if isinstance(message, dict) and message.get("type") == "message"
        for part in message.get("content") or []
        if isinstance(part, dict)
    ]
    texts = [str(part["text"]) for part in parts if part.get("type") == "output_text"]
    return texts, any(part.get("type") == "refusal" for part in parts)


def _usage(found: object) -> Usage | None:
    if not isinstance(found, dict) or not {"input_tokens", "output_tokens"} <= found.keys():
        return None
    return Usage(
        input=int(found["input_tokens"]),
        output=int(found["output_tokens"]),
        cached=int((found.get("input_tokens_details") or {}).get("cached_tokens") or 0),
        reasoning=int((found.get("output_tokens_details") or {}).get("reasoning_tokens") or 0),
    )
