"""Asking a language model: one protocol, and Azure OpenAI by the openai package.

Every request is accounted for, also one that failed. What the service withholds, by a refusal or
a content filter, is an outcome and no error; a wrong address, key or deployment ends the run.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.rag.azure_openai import KEY_VARIABLE
from deepkt_irt.rag.limits import Budget, Pace
from deepkt_irt.rag.prompts import Prompt
from deepkt_irt.rag.responses_api import (
    Outcome,
    Read,
    Usage,
    most_input_tokens,
    read_response,
    request_body,
)
from deepkt_irt.settings import ChatSettings
from deepkt_irt.settings.language_models import Price

if TYPE_CHECKING:
    from openai import APIError, APIStatusError, OpenAI

_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 8.0
_BYTES_PER_TOKEN = 3  # fewer than English has, so that the pace is kept
_STATUS_TIMEOUT, _STATUS_CONFLICT, _STATUS_LIMITED, _STATUS_SERVER = 408, 409, 429, 500


_TRANSIENT = frozenset(
    {
        Outcome.INVALID,
        Outcome.RATE_LIMITED,
        Outcome.SERVER_ERROR,
        Outcome.TIMEOUT,
        Outcome.UNREACHABLE,
    }
)

_MAYBE_CHARGED = frozenset({Outcome.INVALID, Outcome.TIMEOUT, Outcome.UNREACHABLE})
"""Without figures of usage it is not known what these did cost: what was set aside stays so."""


@dataclass(frozen=True)
class Call:
    """One request that was sent; nothing in it says about whom.

    Attributes:
        call_id: Random.
        prompt_version: Of the prompt.
        model: Deployment that was asked.
        served_model: Model that answered, as the service names it; None if it did not say.
        outcome: What became of it.
        attempt: 1 for the first time that a prompt was sent.
        in_batch: Whether it was part of a batch.
        usage: Tokens; None if the service did not say, and then a cost of 0 is not certain.
        cost_usd: Of it.
        latency_ms: Until the answer or the failure; None in a batch.
        requested_at: Wall clock, UTC.
    """

    call_id: str
    prompt_version: str
    model: str
    served_model: str | None
    outcome: Outcome
    attempt: int
    in_batch: bool
    usage: Usage | None
    cost_usd: float
    latency_ms: int | None
    requested_at: datetime


@dataclass(frozen=True)
class Reply:
    """What came of a prompt in the end.

    Attributes:
        outcome: Of its last request.
        text: The answer, which should be JSON of the prompt's schema; None without one.
        calls: Every request that was sent for it.
    """

    outcome: Outcome
    text: str | None = None
    calls: tuple[Call, ...] = ()


class Chat(Protocol):
    """Answers prompts."""

    @property
    def model(self) -> str:
        """What answers, for the record."""
        ...

    def ask_many(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply for each prompt, in their order.

        Raises:
            UsageError: If the service does not know the deployment or the way it is asked.
            BackendUnavailable: If the service does not let us in.
        """
        ...


def price_of(settings: ChatSettings) -> Price:
    """What tokens of the model cost.

    Raises:
        UsageError: If nobody said, as a budget could then not be kept.
    """
    if settings.price is None:
        raise UsageError(
            f"chat.model={settings.model}: no price is known; "
            "give chat.input_price and chat.output_price"
        )
    return settings.price


class AzureChat:
    """Azure OpenAI, asked prompt by prompt, several together.

    Args:
        client: Of the openai package, on the resource's v1 address, without retries of its own.
        settings: Deployment, limits and prices.
        budget: That all who ask in a run share.
        clock: Seconds that never run backwards.
        sleep: Waits some seconds.

    Raises:
        UsageError: If no price of the model is known.
    """

    def __init__(
        self,
        client: "OpenAI",
        settings: ChatSettings,
        *,
        budget: Budget,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._settings, self._budget = client, settings, budget
        self._clock, self._sleep, self._price = clock, sleep, price_of(settings)
        self._pace = Pace(
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            clock=clock,
            sleep=sleep,
        )
        self._failures, self._lock = 0, threading.Lock()

    @property
    def model(self) -> str:
        """The deployment."""
        return self._settings.deployment

    def ask_many(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply for each prompt, in their order."""
        pool = ThreadPoolExecutor(self._settings.concurrency)
        try:
            return list(pool.map(self.ask, prompts))
        finally:
            pool.shutdown(cancel_futures=True)

    def ask(self, prompt: Prompt) -> Reply:
        """The reply to one prompt, after as many requests as it takes."""
        body = request_body(prompt, self._settings.deployment, self._settings)
        calls: list[Call] = []
        for attempt in range(1, self._settings.max_retries + 2):
            if self._failures >= self._settings.max_failures:
                return Reply(Outcome.GIVEN_UP, calls=tuple(calls))
            most = self._price.cost(most_input_tokens(body), self._settings.max_output_tokens)
            if not self._budget.reserve(most):
                return Reply(Outcome.OVER_BUDGET, calls=tuple(calls))
            call, text, wait = self._send(prompt, body, attempt, most)
            calls.append(call)
            if call.outcome not in _TRANSIENT:
                self._note(failed=False)
                return Reply(call.outcome, text, tuple(calls))
            if wait > self._settings.max_wait_seconds:
                break
            self._wait(call.outcome, wait)
        self._note(failed=True)
        return Reply(Outcome.GIVEN_UP, calls=tuple(calls))

    def _wait(self, outcome: Outcome, seconds: float) -> None:
        if outcome is Outcome.RATE_LIMITED:
            self._pace.hold(seconds)
        else:
            self._sleep(seconds)

    def _note(self, *, failed: bool) -> None:
        """Count failures in a row: a service that is down is not to be waited for all night."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0

    def _send(
        self, prompt: Prompt, body: dict[str, Any], attempt: int, most: float
    ) -> tuple[Call, str | None, float]:
        """One request: what is on record, the text that came, and seconds to wait after it."""
        expected = most_input_tokens(body) // _BYTES_PER_TOKEN + self._settings.max_output_tokens
        ticket = self._pace.admit(expected)
        requested_at, started, cost = datetime.now(UTC), self._clock(), 0.0
        read, wait = self._answer(body, attempt)
        usage = read.usage
        if usage is not None:
            cost = self._price.cost(usage.input, usage.output)
            self._pace.settle(ticket, usage.input + usage.output)
        if usage is not None or read.outcome not in _MAYBE_CHARGED:
            self._budget.settle(most, cost)
        call = Call(
            call_id=uuid.uuid4().hex,
            prompt_version=prompt.version,
            model=self._settings.deployment,
            served_model=read.served_model,
            outcome=read.outcome,
            attempt=attempt,
            in_batch=False,
            usage=usage,
            cost_usd=cost,
            latency_ms=round((self._clock() - started) * 1000),
            requested_at=requested_at,
        )
        return call, read.text, wait

    def _answer(self, body: dict[str, Any], attempt: int) -> tuple[Read, float]:
        from openai import (  # noqa: PLC0415 - an extra
            APIConnectionError,
            APIError,
            APIStatusError,
            APITimeoutError,
        )

        backoff = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
        try:
            raw = self._client.responses.with_raw_response.create(**body)
            return read_response(json.loads(raw.http_response.content)), backoff
        except APIStatusError as error:
            return _read_status(error, self._settings), _asked_to_wait(error) or backoff
        except APITimeoutError:
            return Read(Outcome.TIMEOUT, None, None, None), backoff
        except APIConnectionError:
            return Read(Outcome.UNREACHABLE, None, None, None), backoff
        except (APIError, ValueError):  # no JSON, or JSON of another shape
            return Read(Outcome.INVALID, None, None, None), backoff


def _read_status(error: "APIStatusError", settings: ChatSettings) -> Read:
    """What an error of the service means.

    Raises:
        UsageError: If the request itself is wrong, so that every other one would be, too.
        BackendUnavailable: If the service does not let us in.
    """
    status = error.status_code
    if is_filtered(error):
        return Read(Outcome.CONTENT_FILTER, None, None, None)
    if status == _STATUS_LIMITED:
        return Read(Outcome.RATE_LIMITED, None, None, None)
    if status in (_STATUS_TIMEOUT, _STATUS_CONFLICT) or status >= _STATUS_SERVER:
        return Read(Outcome.SERVER_ERROR, None, None, None)
    first = (error.message.splitlines() or [""])[0][:300]
    if status in (401, 403):
        raise BackendUnavailable(
            f"Azure OpenAI does not let us in ({status}): {first}; whoever signs in needs the "
            f"role Cognitive Services OpenAI User, or a key in {KEY_VARIABLE}"
        ) from error
    raise UsageError(
        f"Azure OpenAI at {settings.base_url}, deployment {settings.deployment}: "
        f"status {status}, {first}; see the settings of chat"
    ) from error


def is_filtered(error: "APIError") -> bool:
    """Whether a content filter stopped the prompt, which the service reports as a bad request."""
    return error.code == "content_filter"


def _asked_to_wait(error: "APIStatusError") -> float | None:
    """Seconds that the service asks to wait; None if it does not say."""
    for header, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(error.response.headers[header]) / unit)
        except (KeyError, ValueError):
            continue
    return None
