"""A language model on a service that fails in every way the explainer is to withstand.

Each fault is drawn by a seed; what a faulty answer says is kept, so that a test can look for it.
"""

import json
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fake_azure_openai import (
    Body,
    Served,
    failed,
    filtered,
    good_answer,
    refusal,
    response,
    token_of,
)

Change = Callable[[Body, Body], None]


def _first(whole: Body) -> Body:
    return whole["summary"][0]


def _wrong_number(whole: Body, _: Body) -> None:
    for each in whole["summary"]:
        each["text"] = re.sub(r"\d+", lambda found: str(int(found[0]) + 7), each["text"])
    _first(whole)["text"] += " That is 93 %."


def _wrong_fact(whole: Body, _: Body) -> None:
    _first(whole)["facts"] = ["F77"]
    _first(whole)["text"] += " Next."


def _wrong_source(whole: Body, _: Body) -> None:
    text = "Next, look at the example again."
    whole["steps"] = [{"text": text, "facts": [], "sources": ["S77"]}]


def _invented_step(whole: Body, _: Body) -> None:
    text = "Memorise the zebra table before breakfast."
    whole["steps"] = [{"text": text, "facts": [], "sources": ["S1"]}]


def _praise(whole: Body, _: Body) -> None:
    _first(whole)["text"] = "The student has mastered everything brilliantly."


def _leaked_token(whole: Body, body: Body) -> None:
    _first(whole)["text"] += f" ({token_of(body)})"


def _identifier(whole: Body, _: Body) -> None:
    _first(whole)["text"] += " Key 9f8e7d6c5b4a."


def _link(whole: Body, _: Body) -> None:
    whole["next_action"]["text"] += " See https://example.org/help."


def _personal(whole: Body, _: Body) -> None:
    whole["next_action"]["text"] = "Send your home address to us."


CHANGES: dict[str, Change] = {
    "wrong number": _wrong_number,
    "fact that is not there": _wrong_fact,
    "source that is not there": _wrong_source,
    "step from nowhere": _invented_step,
    "judgement": _praise,
    "leaked token": _leaked_token,
    "identifier": _identifier,
    "link": _link,
    "asks for personal data": _personal,
}
SERVED: dict[str, Callable[[], Served]] = {
    "429, Retry-After in ms": lambda: failed(429, "rate_limit_exceeded", retry_after_ms="40"),
    "429, Retry-After in s": lambda: failed(429, "rate_limit_exceeded", retry_after="1"),
    "500": lambda: failed(500, "internal_error"),
    "503 without a body": lambda: Served(b"", status=503),
    "timeout": lambda: Served(response("{}"), seconds=1.0),
    "connection cut": lambda: Served(response("{}" * 400), is_cut=True),
    "body that is no JSON": lambda: Served(b"<html>Bad gateway</html>"),
    "answer cut off": lambda: Served(
        response('{"summary": [{"text": "The st', status="incomplete", reason="max_output_tokens")
    ),
    "answer that is no JSON": lambda: Served(response("Sure! Here is what I think.")),
    "answer of another shape": lambda: Served(response(json.dumps({"text": "All is well."}))),
    "refusal": lambda: Served(refusal()),
    "prompt filtered": filtered,
    "answer filtered": lambda: Served(
        response("The stu", status="incomplete", reason="content_filter")
    ),
}


@dataclass
class FaultyModel:
    """Answers requests, some of them wrongly.

    Attributes:
        share: Of requests that meet a fault.
        seed: Draws them.
        met: How often each fault was met.
        wrong: Sentences of answers that must not be published.
    """

    share: float
    seed: int
    met: Counter[str] = field(default_factory=Counter)
    wrong: set[str] = field(default_factory=set)
    _lock: Any = field(default_factory=threading.Lock)

    def __call__(self, body: Body, number: int) -> Served:
        rng = np.random.default_rng((self.seed, number))
        if rng.random() >= self.share:
            return Served(response(json.dumps(good_answer(body))))
        names = [*CHANGES, *SERVED]
        name = names[rng.integers(len(names))]
        with self._lock:
            self.met[name] += 1
        if name in SERVED:
            return SERVED[name]()
        whole = good_answer(body)
        before = _sentences(whole)
        CHANGES[name](whole, body)
        with self._lock:
            self.wrong |= _sentences(whole) - before
        return Served(response(json.dumps(whole)))


def _sentences(whole: Body) -> set[str]:
    found = [*whole["summary"], *whole["steps"], whole["next_action"]]
    return {each["text"] for each in found}
