"""What MLflow keeps of explanations: the wording of the prompt, and traces of what was asked."""

import logging
from collections.abc import Iterable

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.rag.explainer import Account
from deepkt_irt.rag.prompts import VERSION, wording

PROMPT = "explanation"

log = logging.getLogger(__name__)


def register_wording(ctx: JobContext) -> bool:
    """Have the wording in the registry; without one that answers, a run goes on with a warning.

    Returns:
        Whether it is there.

    Raises:
        UsageError: If the version stands for other words there.
    """
    try:
        ctx.prompts.register(PROMPT, VERSION, wording())
    except BackendUnavailable as error:
        log.warning("prompt %s is not registered, and nothing is traced: %s", VERSION, error)
        return False
    return True


class Tracing:
    """Leaves traces of a run's explanations; given up at the first store that does not answer.

    Args:
        ctx: Of the run.
        n_asked: Explanations that a model is asked for in it.
        is_registered: Whether the prompt is in the registry; else MLflow was waited for enough.
    """

    def __init__(self, ctx: JobContext, n_asked: int, *, is_registered: bool) -> None:
        self._ctx, settings = ctx, ctx.settings.explanation
        self._with_texts = settings.trace == "texts"
        share = min(settings.trace_share, settings.max_traces / max(1, n_asked))
        self._share = share if is_registered and settings.trace != "off" else 0.0
        self._n_sent = self._n_kept = 0

    def keep(self, accounts: Iterable[Account], *, student_keys: Iterable[str]) -> None:
        """Keep traces of a share of the accounts, in which no key of a student stands."""
        if not self._share:
            return
        from deepkt_irt.explanation_traces import is_sampled, span_of  # noqa: PLC0415 - see traces

        secrets = sorted(set(student_keys))
        found = [
            span_of(each, with_texts=self._with_texts, secrets=secrets)
            for each in accounts
            if is_sampled(each.explanation.evidence.hash, self._share)
        ]
        spans = [each for each in found if each is not None]
        if not spans:
            return
        ctx, self._n_sent = self._ctx, self._n_sent + len(spans)
        try:
            self._n_kept = ctx.traces.keep(spans, run_id=ctx.run_id, prompt_version=VERSION)
        except BackendUnavailable as error:
            self._share = 0.0
            log.warning("no more traces are kept in this run: %s", error)
            return
        if self._n_kept < self._n_sent:
            self._share = 0.0
            log.warning(
                "MLflow kept %d of %d traces; no more are kept in this run",
                self._n_kept,
                self._n_sent,
            )
