"""What every trained model goes through: beside the baselines, up for champion, on record."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepkt_irt.errors import DeepktError
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.task import Metrics
from deepkt_irt.knowledge_tracing.baseline_models import BASELINES
from deepkt_irt.knowledge_tracing.evaluation import Evaluation, ModelResult, evaluate
from deepkt_irt.knowledge_tracing.histories import (
    BoolArray,
    FloatArray,
    Histories,
    Model,
    Split,
)
from deepkt_irt.knowledge_tracing.promotion import Champion, Decision, decide
from deepkt_irt.knowledge_tracing.versions import Version
from deepkt_irt.tables.gold import MODEL_EVALUATIONS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PROTOCOL = "user_splits"


@dataclass(frozen=True)
class Work:
    """What a model is trained on and judged by.

    Attributes:
        model: Name of the registered model.
        histories: Of all students.
        split: Their parts.
        key: Names data, settings and code.
        seed: Of the training.
        groups: Group of each student for breakdowns, None where unknown, (students,).
    """

    model: str
    histories: Histories
    split: Split
    key: str
    seed: int
    groups: NDArray[Any]


def groups_of(users: "DataFrame", histories: Histories) -> NDArray[Any]:
    """Group of each student of histories, None where unknown, (students,).

    Args:
        users: Rows of silver.users.
        histories: Named by student_key.
    """
    known = users.select("student_key", "student_group").toPandas().set_index("student_key")
    found: NDArray[Any] = known["student_group"].reindex(histories.names).to_numpy(dtype=object)
    return found


def judged(
    ctx: JobContext, work: Work, version: Version, predicted: Callable[[Version], FloatArray]
) -> Metrics:
    """Measure a registered version beside the baselines, decide about it, and record both.

    Args:
        ctx: Of the training task.
        work: What it was trained on.
        version: The version.
        predicted: Gives a version's probabilities on the test responses.

    Returns:
        Figures of the version and AUCs of the baselines.
    """
    own = predicted(version)
    baselines = {name: _of_baseline(ctx, work, name) for name in BASELINES}
    evaluation = _evaluation(ctx, work, {work.model: own, **baselines})
    before = ctx.models.held_against(version)
    is_champion = _decided(ctx, work, version, own, baselines, predicted, evaluation)
    _write(ctx, work, version, evaluation, is_champion=is_champion, before=before)
    found = evaluation.models[work.model]
    figures = {name: figure.mean for name, figure in found.figures.items()}
    beside = {f"auc_{name}": evaluation.models[name].figures["auc"].mean for name in baselines}
    known = {name: value for name, value in {**figures, **beside}.items() if not np.isnan(value)}
    return {**known, "is_champion": float(is_champion)}


def _of_baseline(ctx: JobContext, work: Work, name: str) -> FloatArray:
    model = BASELINES[name](work.seed)
    model.fit(work.histories, work.split)
    ctx.progress(f"baseline {name} fitted")
    return model.predict(work.histories, work.split.test)


def _evaluation(ctx: JobContext, work: Work, predictions: dict[str, FloatArray]) -> Evaluation:
    return evaluate(
        work.histories,
        [work.split],
        {name: partial(_given, p) for name, p in predictions.items()},
        seed=work.seed,
        groups=work.groups,
        protocol=PROTOCOL,
        settings=ctx.settings.evaluation,
    )


@dataclass(frozen=True)
class _Given:
    """A model whose predictions on the test responses are known."""

    predicted: FloatArray

    def fit(self, histories: Histories, split: Split) -> None:
        """Nothing is left to fit."""

    def predict(self, histories: Histories, chosen: BoolArray) -> FloatArray:  # noqa: ARG002
        return self.predicted


def _given(predicted: FloatArray, seed: int) -> Model:  # noqa: ARG001 - as factories are called
    return _Given(predicted)


@dataclass(frozen=True)
class _Passed:
    """What the leakage guard says of any registered version: others are never registered."""

    passed: bool = True
    reasons: tuple[str, ...] = ()


def _decided(  # noqa: PLR0913, PLR0917 - what the decision rests on
    ctx: JobContext,
    work: Work,
    version: Version,
    own: FloatArray,
    baselines: dict[str, FloatArray],
    predicted: Callable[[Version], FloatArray],
    evaluation: Evaluation,
) -> bool:
    """Whether the version is champion from now on."""
    champion = ctx.models.champion(work.model)
    if champion is not None and champion.number == version.number:
        ctx.progress(f"version {version.number} is champion already")
        return True
    if ctx.models.was_rolled_back(version):
        ctx.progress(f"version {version.number} was rolled back, and is not promoted again")
        return False
    test = work.split.test
    decision = decide(
        work.histories.correct[test].astype(np.float64),
        work.histories.student_of_response[test],
        own,
        baselines=baselines,
        champion=None if champion is None else _champion(champion, predicted),
        guard=_Passed(),
        settings=ctx.settings.promotion,
    )
    _say(ctx, version, decision)
    figures = {f"test_{n}": f.mean for n, f in evaluation.models[work.model].figures.items()}
    ctx.models.note_decision(
        version,
        promoted=decision.promote,
        reasons=decision.reasons,
        at=ctx.as_of,
        metrics={name: value for name, value in figures.items() if not np.isnan(value)},
    )
    if decision.promote:
        ctx.models.set_champion(version, at=ctx.as_of, reason=decision.reasons[0])
    return decision.promote


def _champion(champion: Version, predicted: Callable[[Version], FloatArray]) -> Champion:
    try:
        return Champion(champion.number, predicted(champion))
    except (DeepktError, OSError, KeyError, ValueError, RuntimeError) as error:
        # files of an earlier format lack some of what is read, in one way or another
        return Champion(champion.number, None, unscored=f"{type(error).__name__}: {error}")


def _say(ctx: JobContext, version: Version, decision: Decision) -> None:
    verdict = "becomes champion" if decision.promote else "does not become champion"
    ctx.progress(f"version {version.number} {verdict}")
    for reason in decision.reasons:
        ctx.progress(reason)


def _write(
    ctx: JobContext,
    work: Work,
    version: Version,
    evaluation: Evaluation,
    *,
    is_champion: bool,
    before: str | None,
) -> None:
    evaluation_id = work.key[:16]
    test = work.split.test
    shared = {
        "evaluation_id": evaluation_id,
        "protocol": PROTOCOL,
        "split": "test",
        "data_version": work.histories.digest,
        "seed": work.seed,
        "n_students": len(np.unique(work.histories.student_of_response[test])),
        "n_responses": int(test.sum()),
        "evaluated_at": ctx.as_of,
    }
    rows = []
    for name, result in evaluation.models.items():
        is_own = name == work.model
        of_version = {
            "model_name": name,
            "model_version": version.number if is_own else None,
            "mlflow_run_id": version.run_id if is_own else None,
            "is_champion": is_champion and is_own,
            "champion_before": before if is_own else None,
        }
        rows.append({**shared, **of_version, **_figures(result)})
    frame = ctx.frame(MODEL_EVALUATIONS, pd.DataFrame(rows))
    ctx.replace(MODEL_EVALUATIONS, frame, where=f"evaluation_id = '{evaluation_id}'")


def _figures(result: ModelResult) -> dict[str, object]:
    scores = result.pooled
    intervals = {
        f"{name}_{end}": getattr(figure, end)
        for name, figure in result.figures.items()
        for end in ("low", "high")
    }
    parts = [
        {"kind": kind, **vars(row)} for kind, rows in result.breakdowns.items() for row in rows
    ]
    return {
        "auc": scores.auc,
        "accuracy": scores.accuracy,
        "log_loss": scores.log_loss,
        "ece": scores.ece,
        "calibration": [vars(each) for each in scores.bins],
        **{name: None if np.isnan(value) else value for name, value in intervals.items()},
        "parts": [{k: _known(v) for k, v in part.items()} for part in parts],
    }


def _known(value: object) -> object:
    return None if isinstance(value, float) and np.isnan(value) else value
