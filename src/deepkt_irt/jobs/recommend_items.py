"""Task recommend_items: what each student should practise next, and what came of the last ones."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from deepkt_irt.bandit.context import SHARED
from deepkt_irt.bandit.policies import LINUCB
from deepkt_irt.jobs.bandit_learning import MODEL, judge_policies, keep, learn
from deepkt_irt.jobs.bandit_rewards import note_rewards, pending
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.reading import held_if_few
from deepkt_irt.jobs.recommendation_input import READS, Of, catalogue_of, students_of
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.jobs.to_decide import to_decide
from deepkt_irt.knowledge_tracing.versions import Version
from deepkt_irt.recommending import DECIDED, Recommender
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, USERS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_SHARES = 100  # of the students that are decided on together
_ID_DIGITS = 32
_ROWS = (
    "student_key string, rank int, item_id string, skill_id string, p_correct double, "
    "p_irt double, p_sakt double, information double, mastery double, ability double, "
    "score double, score_width double, propensity double, n_eligible int, reason string, "
    "features array<double>, usual_features array<double>, eligible_hash string, "
    "eligible_items array<string>, eligible_skills array<string>, "
    "eligible_features array<float>, exclusions array<struct<reason:string,n:int>>, "
    "last_sequence_number bigint"
)
_WRITES = (BANDIT_RECOMMENDATIONS, BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS)


@task(
    reads=(*READS, USERS, *_WRITES),
    writes=_WRITES,
    uses_models=(MODEL,),
    trains=(MODEL,),
)
def recommend_items(ctx: JobContext) -> Metrics:
    """Reward earlier recommendations, learn from them, and recommend items to students.

    Decided about are students who were scored since, and those whose recommendations no longer
    stand; everybody is at the first run, after other settings, another version of the package or
    an erasure.

    Eligible are items whose prerequisites are met, not seen lately, on skills not mastered or due
    for review, neither too hard nor too easy, healthy and not blocked. A rule decides, until LinUCB
    is better beyond chance on logged decisions; each decision is logged with its chance. Safe to
    run again: a reward is written once, and the same instant gives the same decisions.
    """
    catalogue, curves = catalogue_of(ctx)
    note_rewards(ctx, catalogue, curves)
    learnt = learn(ctx)
    verdict = judge_policies(ctx, learnt.running)
    ctx.progress(verdict.reason)
    recommender = Recommender(
        catalogue=catalogue,
        curves=curves,
        recommendation=ctx.settings.recommendation,
        policy_name=verdict.policy,
        state=learnt.state,
        learnt_until=learnt.until,
        reward_kind=ctx.settings.reward.kind,
    )
    version = keep(ctx, recommender, verdict, learnt.n_new)
    # a table of which changes are known, if they are: else everybody is decided about
    is_known = ctx.changes(CANONICAL_LEARNING_EVENTS) is not None
    students = to_decide(ctx, catalogue, verdict.policy) if is_known else None
    if students is None:
        decide(ctx, recommender, version)
    elif not (few := held_if_few(students)).isEmpty():
        decide(ctx, recommender, version, among=Of(ctx, few))
    return _metrics(ctx, learnt.n_new, verdict.policy)


def decide(
    ctx: JobContext, recommender: Recommender, version: Version, *, among: Of | None = None
) -> None:
    """Write the decisions of this instant, and what they recommend.

    Args:
        ctx: Of the task.
        recommender: What decides.
        version: Of the recommender, as it is registered.
        among: Students to decide about; None: all of them.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    logged = F.col("bucket") < ctx.settings.off_policy.logged_permille
    students = students_of(among or ctx).withColumns(
        {"is_logged": logged, "asked_at": F.lit(ctx.as_of.isoformat())}
    )
    share = F.pmod("bucket", F.lit(_SHARES)).alias("share")
    identity = F.concat_ws("|", "student_key", F.lit(ctx.as_of.isoformat()), "rank")
    decisions = (
        students.groupBy(share)
        .applyInPandas(_deciding(recommender), _ROWS)
        .withColumns(
            {
                "decision_id": F.substring(F.sha2(identity, 256), 1, _ID_DIGITS),
                "decided_at": F.lit(ctx.as_of),
                "policy": F.lit(recommender.policy_name),
                "policy_version": F.lit(version.number),
                "feature_names": F.array(*map(F.lit, SHARED)),
            }
        )
    )
    at = f"decided_at = TIMESTAMP '{ctx.as_of.isoformat()}'"
    ctx.replace(BANDIT_DECISIONS, decisions, where=at)
    # read back: to decide twice would take twice as long
    chosen = _of_now(ctx).filter("rank > 0")
    recommended = chosen.select(*BANDIT_RECOMMENDATIONS.column_names)
    within = None if among is None else [among.students]
    ctx.refresh(BANDIT_RECOMMENDATIONS, recommended, within=within)


def _of_now(ctx: JobContext) -> "DataFrame":
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    return ctx.read(BANDIT_DECISIONS).filter(F.col("decided_at") == F.lit(ctx.as_of))


def _deciding(recommender: Recommender) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Decide for a share of the students in a Spark worker, in an order that never changes."""

    def run(frame: pd.DataFrame) -> pd.DataFrame:
        students = frame.sort_values("student_key", ignore_index=True)
        decided = recommender.decided(students)
        last = students[["student_key", "last_sequence_number"]]
        return decided.merge(last, on="student_key")[[*DECIDED, "last_sequence_number"]]

    return run


def _metrics(ctx: JobContext, n_rewards: int, policy: str) -> Metrics:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    now = _of_now(ctx)
    counts = now.agg(
        F.count_if(F.expr("rank = 1")).alias("students"),
        F.count_if(F.expr("rank = 0")).alias("students_without"),
        F.count_if(F.expr("rank > 0")).alias("recommendations"),
    ).collect()[0]
    excluded = now.select(F.explode("exclusions").alias("e")).groupBy("e.reason").agg(F.sum("e.n"))
    return {
        **{name: float(n) for name, n in counts.asDict().items()},
        **{f"excluded_{reason}": float(n) for reason, n in excluded.collect()},
        "new_rewards": float(n_rewards),
        "pending": float(pending(ctx).count()),
        "linucb_runs": float(policy == LINUCB),
    }
