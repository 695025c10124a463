"""Asking a language model for a whole night's prompts at once: the Batch API, at half the price.

A batch that is cut off is cancelled, and its files are deleted in any case.
"""

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.rag.chat import Call, Reply, price_of
from deepkt_irt.rag.limits import Budget
from deepkt_irt.rag.prompts import Prompt
from deepkt_irt.rag.responses_api import (
    Outcome,
    Read,
    most_input_tokens,
    read_response,
    request_body,
)
from deepkt_irt.settings import ChatSettings

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Batch

_OVER = frozenset({"completed", "failed", "expired", "cancelled"})
_NOTHING = Read(Outcome.GIVEN_UP, None, None, None)


@dataclass(frozen=True)
class _Line:
    prompt: Prompt
    custom_id: str
    body: dict[str, Any]
    most: float  # US dollars it may cost


class BatchChat:
    """Azure OpenAI, asked in batches.

    Args:
        client: Of the openai package, on the resource's v1 address.
        settings: Deployment, waiting and prices.
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

    @property
    def model(self) -> str:
        """The deployment."""
        return self._settings.batch_deployment

    def ask_many(self, prompts: Sequence[Prompt]) -> list[Reply]:
        """One reply for each prompt, in their order; those beyond the budget are not sent."""
        from openai import OpenAIError  # noqa: PLC0415 - an extra

        lines = [self._line(prompt) for prompt in prompts]
        sent = [line for line in lines if self._budget.reserve(line.most)]
        found: dict[str, Read] = {}
        requested_at, limit = datetime.now(UTC), self._settings.max_batch_requests
        try:
            for start in range(0, len(sent), limit):
                found |= self._batch(sent[start : start + limit])
        except OpenAIError as error:
            raise BackendUnavailable(
                f"deployment {self.model}: the batch came to nothing "
                f"({(str(error).splitlines() or [''])[0][:300]})"
            ) from error
        calls = {line.custom_id: self._settled(line, found, requested_at) for line in sent}
        return [self._reply(line, calls, found) for line in lines]

    def _line(self, prompt: Prompt) -> _Line:
        body = request_body(prompt, self.model, self._settings)
        most = self._price.cost(
            most_input_tokens(body), self._settings.max_output_tokens, in_batch=True
        )
        return _Line(prompt, uuid.uuid4().hex, body, most)

    def _settled(self, line: _Line, found: Mapping[str, Read], at: datetime) -> Call:
        """The record of one request, and its cost taken from the budget."""
        read = found.get(line.custom_id, _NOTHING)
        cost = (
            self._price.cost(read.usage.input, read.usage.output, in_batch=True)
            if read.usage
            else 0.0
        )
        if read.usage or read.outcome is not Outcome.GIVEN_UP:
            self._budget.settle(line.most, cost)
        return Call(
            call_id=uuid.uuid4().hex,
            prompt_version=line.prompt.version,
            model=self.model,
            served_model=read.served_model,
            outcome=read.outcome,
            attempt=1,
            in_batch=True,
            usage=read.usage,
            cost_usd=cost,
            latency_ms=None,
            requested_at=at,
        )

    def _reply(self, line: _Line, calls: Mapping[str, Call], found: Mapping[str, Read]) -> Reply:
        if line.custom_id not in calls:
            return Reply(Outcome.OVER_BUDGET)
        read = found.get(line.custom_id, _NOTHING)
        outcome = Outcome.GIVEN_UP if read.outcome is Outcome.SERVER_ERROR else read.outcome
        return Reply(outcome, read.text, (calls[line.custom_id],))

    def _batch(self, lines: Sequence[_Line]) -> dict[str, Read]:
        """What came of the lines of one batch, by their ids."""
        text = "\n".join(
            json.dumps(
                {
                    "custom_id": line.custom_id,
                    "method": "POST",
                    "url": "/v1/responses",
                    "body": line.body,
                }
            )
            for line in lines
        )
        file = self._client.files.create(file=("prompts.jsonl", text.encode()), purpose="batch")
        batch: Batch | None = None
        try:
            batch = self._client.batches.create(
                input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
            )
            batch = self._waited(batch)
            return self._results(batch)
        finally:
            self._tidied(file.id, batch)

    def _waited(self, batch: "Batch") -> "Batch":
        deadline = self._clock() + self._settings.batch_wait_hours * 3600
        try:
            while batch.status not in _OVER and self._clock() < deadline:
                self._sleep(self._settings.batch_poll_seconds)
                batch = self._client.batches.retrieve(batch.id)
        finally:
            if batch.status not in _OVER:  # too late, or interrupted: pay for no more of it
                batch = self._client.batches.cancel(batch.id)
        return batch

    def _results(self, batch: "Batch") -> dict[str, Read]:
        found = {}
        for name in filter(None, (batch.output_file_id, batch.error_file_id)):
            for line in self._client.files.content(name).text.splitlines():
                entry = json.loads(line)
                found[str(entry.get("custom_id"))] = _read_line(entry)
        return found

    def _tidied(self, prompts: str, batch: "Batch | None") -> None:
        """Delete what the service kept: prompts and answers lie nowhere but with us."""
        kept = [prompts, *((batch.output_file_id, batch.error_file_id) if batch else ())]
        for name in filter(None, kept):
            self._client.files.delete(name)


def _read_line(entry: Mapping[str, Any]) -> Read:
    response = entry.get("response") or {}
    body = response.get("body")
    if response.get("status_code") == 200:
        return read_response(body)
    error = (body or {}).get("error") if isinstance(body, dict) else None
    if isinstance(error, dict) and error.get("code") == "content_filter":
        return Read(Outcome.CONTENT_FILTER, None, None, None)
    return Read(Outcome.SERVER_ERROR, None, None, None)
