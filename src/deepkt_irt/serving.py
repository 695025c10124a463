"""Models as MLflow's pyfunc sees them, for serving outside the pipeline."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from deepkt_irt.errors import BackendUnavailable, UsageError, to_install
from deepkt_irt.knowledge_tracing.histories import Model
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer, with_candidates
from deepkt_irt.knowledge_tracing.sequences import STEPS, histories_in_order
from deepkt_irt.knowledge_tracing.wide_deep_irt import WideDeepIrt
from deepkt_irt.mlflow_errors import quietly
from deepkt_irt.recommending import Recommender

_NEEDED = ("item_indexes", "skill_indexes", "correct", "asked_item", "asked_skills")


# the second history says nothing of behaviour, so that those columns are known to be optional
EXAMPLE = pd.DataFrame(
    {
        "item_indexes": [[1, 2, 1], [2]],
        "skill_indexes": [[[1], [1, 2], [1]], [[1]]],
        "correct": [[1, 0, 1], [0]],
        "latency_ms": [[9000.0, 21000.0, 4000.0], None],
        "hint_counts": [[0.0, 1.0, 0.0], None],
        "attempt_counts": [[1.0, 2.0, 1.0], None],
        "first_actions": [["attempt", "hint", "attempt"], None],
        "asked_item": [2, 1],
        "asked_skills": [[1, 2], [1]],
    }
)


class _NextAnswer(PythonModel):
    """Chance of a right answer on one next item, for a history that training never saw.

    Input columns, one row per question: `item_indexes`, `correct` (arrays over the history,
    oldest first), `skill_indexes` (array of arrays), `asked_item` (index), `asked_skills` (array);
    and, where known, `latency_ms`, `hint_counts`, `attempt_counts`, `first_actions` as in
    gold.sakt_sequences. An item or a skill that training did not meet is judged by the rest.
    """

    _load: Callable[[Path], Model]

    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights."""
        self._model = self._load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002 - MLflow's signature
    ) -> list[float]:
        """Probabilities, one per row."""
        histories, _ = histories_in_order(_as_windows(model_input))
        asked = model_input["asked_item"].to_numpy(dtype=np.int64)
        # the table of skills is by place in the request: items may be asked with their own skills
        skills = [np.asarray(each, dtype=np.int64) for each in model_input["asked_skills"]]
        table = np.zeros((len(asked), max([1, *map(len, skills)])), dtype=np.int64)
        for row, each in enumerate(skills):
            table[row, : len(each)] = each
        extended, chosen = with_candidates(
            histories, [np.array([item]) for item in asked], table, by_place=True
        )
        return [float(p) for p in self._model.predict(extended, chosen)]


class SaktService(_NextAnswer):
    """The knowledge-tracing model; input as `_NextAnswer` says."""

    _load = KnowledgeTracer.load


class WideDeepService(_NextAnswer):
    """Wide & Deep IRT; input as `_NextAnswer` says."""

    _load = WideDeepIrt.load


class RecommenderService(PythonModel):
    """What students should practise next, as the daily job decides it.

    Input columns, one row a student: those of `recommending.CANDIDATES`, `SKILLS` and `STUDENT`;
    and, where it matters, `asked_at`, a text that chance depends on: the same gives the same.
    """

    def load_context(self, context: PythonModelContext) -> None:
        """Load what decides."""
        self._recommender = Recommender.load(Path(context.artifacts["model"]))

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, object] | None = None,  # noqa: ARG002 - MLflow's signature
    ) -> pd.DataFrame:
        """One row an item, best first; of rank 0 with the reason where nothing is eligible."""
        return self._recommender.answered(model_input)


def _as_windows(requests: pd.DataFrame) -> pd.DataFrame:
    """Requests as windows of gold.sakt_sequences, each of a student of its own.

    Raises:
        ValueError: If a column is missing.
    """
    absent = [name for name in _NEEDED if name not in requests]
    if absent:
        raise ValueError(f"the request lacks {', '.join(absent)}; each row needs {_NEEDED}")
    lengths = requests["item_indexes"].map(len).tolist()
    columns = {
        name: _filled(requests[name] if name in requests else [None] * len(requests), lengths)
        for name in STEPS
    }
    names = [str(row) for row in range(len(requests))]
    return pd.DataFrame(columns).assign(
        student_key=names, window_index=0, context_length=0, split="test"
    )


def _filled(values: Iterable[Any], lengths: list[int]) -> list[Any]:
    """A list per row; of unknown steps where the row says nothing (None, or NaN from pandas)."""
    return [
        [None] * n if each is None or isinstance(each, float) else each
        for each, n in zip(values, lengths, strict=True)
    ]


def answer_requests(
    service: Path, *, host: str, port: int, on_ready: Callable[[str], None]
) -> None:
    """Answer requests with a kept model until the process is interrupted.

    This is MLflow's own scoring server, as it runs behind an endpoint of a workspace: POST to
    /invocations, GET /ping.

    Args:
        service: What `ModelStore.service_files` copied.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        on_ready: Told the server's address once it listens.

    Raises:
        BackendUnavailable: If the packages are not installed or the model cannot be loaded.
        UsageError: If the address or port cannot be had.
    """
    try:
        import uvicorn  # noqa: PLC0415 - comes with the whole MLflow only
        from mlflow.pyfunc import load_model, scoring_server  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        need = f"{error.name} is not installed: {to_install('train')}"
        raise BackendUnavailable(need) from error
    with _listening(host, port) as listener:
        with quietly("load the model"):
            app = scoring_server.init(load_model(str(service)))
        on_ready(f"http://{host}:{listener.getsockname()[1]}")
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    with listener:
        yield listener
