"""Traces of what a language model was asked, in MLflow: figures, and redacted texts if wanted.

A trace is of evidence, not of a student: it holds no key, id, random token or secret. It is
written after the answers came, so that no request waits for it, and a store that does not answer
costs a warning at most.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepkt_irt.governance.redaction import MASK, redacted
from deepkt_irt.mlflow_errors import quietly
from deepkt_irt.rag.chat import Call
from deepkt_irt.rag.explainer import Account, Round
from deepkt_irt.rag.grounding import KEY_LIKE
from deepkt_irt.rag.responses_api import Outcome
from deepkt_irt.rag.screening import cleaned

if TYPE_CHECKING:
    from mlflow.entities import LiveSpan
    from mlflow.tracking import MlflowClient

__all__ = ["Span", "TraceStore", "is_sampled", "span_of"]

EXPERIMENT = "/Shared/deepkt-irt/explanations"
_TRACES_AT_ONCE = 100  # in MLflow's queue, which drops what is too much for it
_MAX_CHARACTERS = 8000
_USAGE, _COST = "mlflow.chat.tokenUsage", "mlflow.llm.cost"  # what MLflow adds up by trace


@dataclass(frozen=True)
class Span:
    """One step of a trace, with the steps in it.

    Attributes:
        name: What was done.
        kind: As MLflow calls it, such as CHAIN.
        start_ns: Wall clock, nanoseconds since 1970.
        end_ns: Of its end.
        is_ok: Whether it came to what it was for.
        attributes: Figures and names.
        inputs: Redacted texts that went in; None: none are kept.
        outputs: Redacted texts that came out.
        children: Steps in it, in their order.
    """

    name: str
    kind: str
    start_ns: int
    end_ns: int
    is_ok: bool
    attributes: Mapping[str, Any]
    inputs: Mapping[str, str] | None = None
    outputs: Mapping[str, str] | None = None
    children: tuple["Span", ...] = field(default=())


def is_sampled(evidence_hash: str, share: float) -> bool:
    """Whether evidence is among a share of all, always the same for the same evidence."""
    return int(evidence_hash[:8], 16) < share * 16**8


def span_of(account: Account, *, with_texts: bool, secrets: Sequence[str] = ()) -> Span | None:
    """How an explanation came to be, as spans; None if nothing was sent for it.

    Args:
        account: What a model was asked, and what came.
        with_texts: Whether prompts and answers are kept, redacted.
        secrets: What no text may hold, such as keys of students.
    """
    texts = _Texts(secrets) if with_texts else None
    steps = tuple(
        step
        for number, one in enumerate(account.rounds)
        if one.reply.calls
        for step in _steps(one, account, is_repair=number > 0, texts=texts)
    )
    if not steps:
        return None
    return Span(
        name="explanation",
        kind="CHAIN",
        start_ns=steps[0].start_ns,
        end_ns=max(each.end_ns for each in steps),
        is_ok=account.explanation.outcome == "verified",
        attributes=_of_explanation(account),
        children=steps,
    )


@dataclass(frozen=True)
class _Texts:
    """Texts that are fit to be kept."""

    secrets: Sequence[str]

    def asked(self, one: Round, account: Account) -> dict[str, str]:
        """What went to the model; the evidence without the marks around it."""
        evidence = account.explanation.evidence
        found = {
            "instructions": one.prompt.instructions,
            "facts": "\n".join(each.text for each in evidence.facts),
            "sources": "\n".join(each.text for each in evidence.sources),
        }
        return {name: self._fit(text, one) for name, text in found.items()}

    def answered(self, one: Round) -> dict[str, str]:
        """What came, however wrong it is."""
        return {"answer": self._fit(one.reply.text or "", one)}

    def _fit(self, text: str, one: Round) -> str:
        """Without token, secrets, what looks like a key, addresses and markup."""
        masked = redacted(text.replace(one.prompt.token, MASK), self.secrets)
        return cleaned(KEY_LIKE.sub(MASK, masked), max_characters=_MAX_CHARACTERS)


def _of_explanation(account: Account) -> dict[str, Any]:
    found, calls = account.explanation, [c for one in account.rounds for c in one.reply.calls]
    return {
        "outcome": found.outcome,
        "offline_reason": found.reason,
        "problems": found.problems or None,
        "audience": found.evidence.audience,
        "locale": found.evidence.locale,
        "evidence_hash": found.evidence.hash,
        "n_facts": len(found.evidence.facts),
        "chunk_ids": [each.chunk_id for each in found.evidence.sources],
        "prompt_version": found.prompt_version,
        "model": found.model,
        "reading_grade": round(found.grade, 2),
        "n_requests": len(calls),
        "cost_usd": sum(call.cost_usd for call in calls),
    }


def _steps(
    one: Round, account: Account, *, is_repair: bool, texts: _Texts | None
) -> Iterator[Span]:
    """Asking, and checking what came."""
    requests = tuple(_request(call, one) for call in one.reply.calls)
    yield Span(
        name="repair" if is_repair else "ask",
        kind="CHAIN",
        start_ns=requests[0].start_ns,
        end_ns=max(each.end_ns for each in requests),
        is_ok=one.reply.outcome is Outcome.ANSWERED,
        attributes={"outcome": one.reply.outcome.value, "n_requests": len(requests)},
        inputs=texts.asked(one, account) if texts else None,
        outputs=texts.answered(one) if texts else None,
        children=requests,
    )
    if one.checked is not None:
        started, ended = one.checked_ns
        yield Span(
            name="check",
            kind="EVALUATOR",
            start_ns=started,
            end_ns=ended,
            is_ok=one.is_verified,
            attributes={
                "is_verified": one.is_verified,
                "n_problems": len(one.checked.problems),
                "problems": sorted({each.code for each in one.checked.problems}),
            },
        )


def _request(call: Call, one: Round) -> Span:
    """One request; in a batch nobody knows when it was answered, only that it was before now."""
    start = _ns(call.requested_at)
    end = one.checked_ns[0] if call.latency_ms is None else start + call.latency_ms * 1_000_000
    figures: dict[str, Any] = {
        "call_id": call.call_id,  # random, of ops.llm_calls
        "outcome": call.outcome.value,
        "attempt": call.attempt,
        "in_batch": call.in_batch,
        "model": call.model,
        "served_model": call.served_model,
        "latency_ms": call.latency_ms,
        _COST: {"input_cost": 0.0, "output_cost": 0.0, "total_cost": call.cost_usd},
    }
    if call.usage is not None:
        figures[_USAGE] = {
            "input_tokens": call.usage.input,
            "output_tokens": call.usage.output,
            "total_tokens": call.usage.input + call.usage.output,
        }
    is_ok = call.outcome is Outcome.ANSWERED
    return Span("request", "CHAT_MODEL", start, max(start, end), is_ok, figures)


def _ns(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000) * 1000


class TraceStore:
    """Traces of one lake or workspace.

    Args:
        tracking_uri: Where they are kept, such as sqlite:///lake/mlflow.db.
        artifact_root: Where files are kept; None lets the server decide.
        experiment_name: Experiment they are in; None: explanations, in the project's shared folder.
    """

    def __init__(
        self, tracking_uri: str, artifact_root: str | None, *, experiment_name: str | None = None
    ) -> None:
        self._tracking_uri, self._artifacts = tracking_uri, artifact_root
        self._experiment_name = experiment_name or EXPERIMENT

    @cached_property
    def _client(self) -> "MlflowClient":
        import mlflow  # noqa: PLC0415 - slow to import, and absent where only lake tasks run

        return mlflow.MlflowClient(self._tracking_uri)

    @cached_property
    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment_name)
        if found is not None:
            return str(found.experiment_id)
        return self._client.create_experiment(
            self._experiment_name, artifact_location=self._artifacts
        )

    def keep(self, spans: Sequence[Span], *, run_id: str, prompt_version: str) -> int:
        """Keep traces, and wait until they are written.

        Args:
            spans: Each of one explanation.
            run_id: Of the pipeline's run; every trace is tagged with it.
            prompt_version: Of what was asked; a tag, too.

        Returns:
            How many the store says it has of this run.

        Raises:
            BackendUnavailable: If the store does not answer.
        """
        with quietly("keep traces of explanations"):
            import mlflow  # noqa: PLC0415 - slow to import

            experiment = self._experiment_id  # here a store that is away says so
            mlflow.set_tracking_uri(self._tracking_uri)  # one per process, as for models
            tags = {"pipeline_run": run_id, "prompt_version": prompt_version}
            for start in range(0, len(spans), _TRACES_AT_ONCE):
                for span in spans[start : start + _TRACES_AT_ONCE]:
                    _write(span, experiment_id=experiment, tags=tags)
                mlflow.flush_trace_async_logging()
            return self._count(run_id)

    def _count(self, run_id: str) -> int:
        n, page = 0, None
        while True:
            found = self._client.search_traces(
                locations=[self._experiment_id],
                filter_string=f"tags.pipeline_run = '{run_id}'",
                max_results=500,
                page_token=page,
                include_spans=False,
            )
            n, page = n + len(found), found.token
            if not page:
                return n


def _write(
    span: Span,
    *,
    parent: "LiveSpan | None" = None,
    experiment_id: str | None = None,
    tags: dict[str, str] | None = None,
) -> None:
    """Hand a span to MLflow with all in it; experiment and tags are of the trace."""
    import mlflow  # noqa: PLC0415 - slow to import

    live = mlflow.start_span_no_context(
        span.name,
        span_type=span.kind,
        parent_span=parent,
        inputs=span.inputs,
        attributes={key: value for key, value in span.attributes.items() if value is not None},
        tags=tags,
        experiment_id=experiment_id,
        start_time_ns=span.start_ns,
    )
    for child in span.children:
        _write(child, parent=live)
    live.end(outputs=span.outputs, status="OK" if span.is_ok else "ERROR", end_time_ns=span.end_ns)
