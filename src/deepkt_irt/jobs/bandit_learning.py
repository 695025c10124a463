"""Learns from new rewards and judges policies on logged decisions; what is learnt is registered.

Each version of the model `recommender` holds everything that decides: the policy that runs, what
the bandit has learnt until when, items and skills. So a day goes on where the last one stopped.
"""

import hashlib
import tempfile
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from deepkt_irt.bandit.context import SHARED
from deepkt_irt.bandit.decision_log import DecisionLog
from deepkt_irt.bandit.fairness import GroupFigures, by_group
from deepkt_irt.bandit.gate import RUNNING, Evidence, Verdict, judge, low_at_any_time
from deepkt_irt.bandit.linear_state import LinearState
from deepkt_irt.bandit.off_policy import Comparison
from deepkt_irt.bandit.policies import LINUCB, RULE, fresh_state, rewards_of
from deepkt_irt.bandit.student_bootstrap import Bootstrap
from deepkt_irt.errors import BadFile, NoData
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.knowledge_tracing.versions import (
    Provenance,
    Training,
    Version,
    commit_of_environment,
    serving_requirements,
)
from deepkt_irt.recommending import Recommender
from deepkt_irt.settings import Settings
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS
from deepkt_irt.tables.silver import USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MODEL = "recommender"
_HASH = 32


@dataclass(frozen=True)
class Learnt:
    """What is known after the rewards that have come.

    Attributes:
        state: Of the bandit.
        until: Instant of the last run whose rewards are in it, ISO 8601; empty if none are.
        running: Name of the policy that has decided until now.
        n_new: Rewards that came in.
    """

    state: LinearState
    until: str
    running: str
    n_new: int


def learn(ctx: JobContext) -> Learnt:
    """Take in the rewards that the latest recommender has not seen; each counts once."""
    settings = ctx.settings
    before = _latest(ctx)
    state, until, running = fresh_state(np.array([], dtype=np.str_), settings.bandit), "", RULE
    if before is not None:
        running = before.policy_name
        if before.reward_kind == settings.reward.kind:
            state, until = before.state.with_settings(settings.bandit), before.learnt_until
    new = _rewards_since(ctx, until)
    if new.empty:
        return Learnt(state, until, running, 0)
    days = (ctx.as_of - datetime.fromisoformat(until)).total_seconds() / 86_400 if until else 0.0
    state = state.discounted(max(days, 0.0)).with_items(new["item_id"].to_numpy(dtype=np.str_))
    rewards = rewards_of(
        np.stack(new["features"].to_list()),
        np.stack(new["usual_features"].to_list()),
        state.positions(new["item_id"].to_numpy(dtype=np.str_)),
        new["reward"].to_numpy(dtype=np.float64),
        settings.bandit,
    )
    return Learnt(state.updated(rewards), ctx.as_of.isoformat(), running, len(new))


def judge_policies(ctx: JobContext, running: str) -> Verdict:
    """Judge LinUCB on logged decisions, write how it compares, and say which policy runs.

    With too few rewarded decisions nothing is judged, and the policy that runs goes on.
    """
    settings = ctx.settings.off_policy
    decisions = _first_choices(ctx)
    known = int(decisions["reward"].notna().sum())
    if known < settings.min_decisions:
        told = f"{known:,} first choices with a reward, judged from {settings.min_decisions:,} on"
        return Verdict(running, told, {})
    evidence = _evidence(ctx, decisions)
    try:
        verdict = judge(evidence, running, bandit=ctx.settings.bandit, settings=settings)
    except NoData as reason:  # as where all rewards are of the students of one fold
        return Verdict(running, str(reason), {})
    groups = _groups(ctx, decisions)
    rows = [
        _row(ctx, verdict, against, estimator, comparison, groups)
        for against, comparisons in verdict.comparisons.items()
        for estimator, comparison in comparisons.items()
    ]
    at = f"evaluated_at = TIMESTAMP '{ctx.as_of.isoformat()}'"
    ctx.replace(POLICY_EVALUATIONS, ctx.frame(POLICY_EVALUATIONS, pd.DataFrame(rows)), where=at)
    return verdict


def keep(ctx: JobContext, recommender: Recommender, verdict: Verdict, n_rewards: int) -> Version:
    """Register a recommender, unless one just like it is, and make it the one that decides."""
    with tempfile.TemporaryDirectory() as scratch:
        recommender.save(Path(scratch))
        files = sorted(path for path in Path(scratch).rglob("*") if path.is_file())
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:_HASH]
    version = ctx.models.version_of_training(MODEL, digest)
    if version is None:
        from deepkt_irt.tracking import signature_of  # noqa: PLC0415 - imports MLflow, slow

        example = recommender.example()
        version = ctx.models.register(
            MODEL,
            Training(
                key=digest,
                params=_params(ctx.settings),
                metrics={"new_rewards": float(n_rewards)},
                history=(),
                requirements=serving_requirements(),
                provenance=Provenance(
                    protocol="off_policy",
                    data_version=recommender.learnt_until,
                    cohort="",
                    tables=[ctx.table_read(each) for each in (BANDIT_REWARDS, BANDIT_DECISIONS)],
                    commit=commit_of_environment(),
                ),
            ),
            save=recommender.save,
            service=_service(),
            signature=signature_of(example, recommender.answered(example)),
            input_example=example,
        )
    ctx.models.set_champion(version, at=ctx.as_of, reason=verdict.reason)
    return version


def _latest(ctx: JobContext) -> Recommender | None:
    """The recommender that decided last; None if there is none, or none of these features."""
    if ctx.models.champion(MODEL) is None:
        return None
    with tempfile.TemporaryDirectory() as scratch:
        _, files = ctx.models.champion_files(MODEL, Path(scratch))
        try:
            return Recommender.load(files)
        except BadFile as error:
            ctx.progress(f"what was learnt is left behind, since features have changed: {error}")
            return None


def _rewards_since(ctx: JobContext, until: str) -> pd.DataFrame:
    """Rewards that came after an instant, with the features of their decisions, in one order."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    rewards = ctx.read(BANDIT_REWARDS).filter(F.col("kind") == ctx.settings.reward.kind)
    if until:
        rewards = rewards.filter(F.col("rewarded_at") > F.lit(datetime.fromisoformat(until)))
    return _with_features(ctx, rewards)


def _with_features(ctx: JobContext, rewards: "DataFrame") -> pd.DataFrame:
    decided = ctx.read(BANDIT_DECISIONS).select(
        "decision_id", "item_id", "features", "usual_features"
    )
    joined = rewards.select("decision_id", "student_key", "reward").join(decided, "decision_id")
    frame: pd.DataFrame = joined.toArrow().to_pandas()
    return frame.sort_values("decision_id", ignore_index=True)


def _first_choices(ctx: JobContext) -> pd.DataFrame:
    """Lately made first choices that were logged in full, with their reward where there is one."""
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    settings = ctx.settings
    since = ctx.as_of - timedelta(days=settings.off_policy.window_days)
    rewards = ctx.read(BANDIT_REWARDS).filter(F.col("kind") == settings.reward.kind)
    decisions = (
        ctx.read(BANDIT_DECISIONS)
        .filter((F.col("decided_at") >= F.lit(since)) & (F.col("decided_at") < F.lit(ctx.as_of)))
        .filter("rank = 1 AND eligible_items IS NOT NULL AND eligible_skills IS NOT NULL")
        .join(rewards.select("decision_id", "reward"), "decision_id", "left")
        .select(
            "decision_id", "student_key", "item_id", "propensity", "reward", "p_correct",
            "eligible_items", "eligible_skills", "eligible_features", "usual_features",
        )
        # ids are hashes, so that the first of them are drawn by chance
        .orderBy("decision_id")
        .limit(settings.off_policy.max_decisions)
    )  # fmt: skip
    frame: pd.DataFrame = decisions.toArrow().to_pandas()
    return frame


def _evidence(ctx: JobContext, decisions: pd.DataFrame) -> Evidence:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    since = ctx.as_of - timedelta(days=ctx.settings.off_policy.window_days)
    rewards = ctx.read(BANDIT_REWARDS).filter(
        (F.col("kind") == ctx.settings.reward.kind) & (F.col("decided_at") >= F.lit(since))
    )
    learnt = _with_features(ctx, rewards)
    eligible = np.concatenate(decisions["eligible_items"].to_list())
    item_ids = np.unique(np.concatenate([eligible, learnt["item_id"]]).astype(np.str_))
    students = pd.Index(pd.concat([decisions["student_key"], learnt["student_key"]]).unique())
    item = np.searchsorted(item_ids, eligible.astype(np.str_))
    sizes = decisions["eligible_items"].map(len).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    chosen = np.searchsorted(item_ids, decisions["item_id"].to_numpy(dtype=np.str_))
    is_chosen = item == np.repeat(chosen, sizes)
    log = DecisionLog(
        student=students.get_indexer(pd.Index(decisions["student_key"])),
        offsets=offsets,
        item=item,
        chosen=np.flatnonzero(is_chosen),
        propensity=decisions["propensity"].to_numpy(dtype=np.float64),
        reward=decisions["reward"].to_numpy(dtype=np.float64, na_value=np.nan),
    )
    skills = np.concatenate(decisions["eligible_skills"].to_list()).astype(np.str_)
    flat = np.concatenate(decisions["eligible_features"].to_list()).astype(np.float64)
    return Evidence(
        log=log,
        shared=flat.reshape(-1, len(SHARED)),
        skill=np.unique(skills, return_inverse=True)[1],
        usual=np.stack(decisions["usual_features"].to_list()),
        item_ids=item_ids,
        learnt=rewards_of(
            np.stack(learnt["features"].to_list()),
            np.stack(learnt["usual_features"].to_list()),
            np.searchsorted(item_ids, learnt["item_id"].to_numpy(dtype=np.str_)),
            learnt["reward"].to_numpy(dtype=np.float64),
            ctx.settings.bandit,
        ),
        learnt_student=students.get_indexer(pd.Index(learnt["student_key"])),
    )


def _groups(ctx: JobContext, decisions: pd.DataFrame) -> list[GroupFigures]:
    users = ctx.read(USERS).select("student_key", "student_group").toPandas()
    group = decisions["student_key"].map(users.set_index("student_key")["student_group"])
    settings = ctx.settings.off_policy
    return by_group(
        pd.factorize(decisions["student_key"])[0],
        group.to_numpy(dtype=object),
        pd.factorize(decisions["item_id"])[0],
        decisions["p_correct"].to_numpy(dtype=np.float64, na_value=np.nan),
        decisions["reward"].to_numpy(dtype=np.float64, na_value=np.nan),
        min_students=settings.min_group,
        bootstrap=Bootstrap(settings.n_resamples, settings.confidence, settings.seed),
    )


def _row(
    ctx: JobContext,
    verdict: Verdict,
    against: str,
    estimator: str,
    comparison: Comparison,
    groups: list[GroupFigures],
) -> dict[str, Any]:
    decides = estimator == ctx.settings.off_policy.estimator
    candidate, gap = comparison.candidate, comparison.difference
    figures = {
        "value": candidate.value,
        "value_low": candidate.low,
        "value_high": candidate.high,
        "other_value": comparison.other.value,
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "low_at_any_time": low_at_any_time(gap, ctx.settings.off_policy),
        "effective_sample_size": gap.effective_sample_size,
        "max_weight": gap.max_weight,
        "clipped_share": gap.clipped_share,
    }
    return {
        "evaluated_at": ctx.as_of,
        "policy": LINUCB,
        "against": against,
        "estimator": estimator,
        **{name: _finite(value) for name, value in figures.items()},
        "n_decisions": gap.n_decisions,
        "n_students": gap.n_students,
        "n_pending": gap.n_pending,
        "warnings": list(gap.warnings),
        "decides": decides,
        "decision": verdict.reason,
        "groups": [_of_group(each) for each in groups] if decides and against == RUNNING else [],
    }


def _of_group(figures: GroupFigures) -> dict[str, Any]:
    parts = {"predicted": figures.predicted, "reward": figures.reward}
    ends = {
        name + end: _finite(value)
        for name, values in parts.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }
    counts = {"n_students": figures.n_students, "n_decisions": figures.n_decisions}
    return {"student_group": figures.group, **counts, "n_items": figures.n_items, **ends}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _params(settings: Settings) -> dict[str, object]:
    parts = (settings.recommendation, settings.bandit, settings.reward)
    return {name: value for part in parts for name, value in part.model_dump().items()}


def _service() -> Any:  # noqa: ANN401 - MLflow's class
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints on import
        from deepkt_irt.serving import RecommenderService  # noqa: PLC0415 - imports MLflow
    return RecommenderService()
