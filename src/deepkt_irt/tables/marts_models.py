"""What shows whether predictions, recommendations and explanations are still good."""

from deepkt_irt.tables.contract import Column, Layer, View
from deepkt_irt.tables.gold import MODEL_EVALUATIONS, STUDENT_MASTERY
from deepkt_irt.tables.gold_bandit import BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS
from deepkt_irt.tables.gold_explanations import NOT_ASKED, NOT_REACHED, RAG_EXPLANATIONS

MODEL_QUALITY = View(
    layer=Layer.GOLD,
    name="model_quality",
    comment="Every evaluation of every model, beside the champion that stood before it.",
    columns=(
        Column("evaluation_id", "string", "same data, same students, all models"),
        Column("evaluated_at", "timestamp", "as-of instant of the run, UTC"),
        Column("model_name", "string", "sakt, item_mean, irt_1pl …"),
        Column("model_version", "string", "registry version; null for baselines", nullable=True),
        Column("is_baseline", "boolean", "it is in no registry"),
        Column("protocol", "string", "how the figures were taken"),
        Column("split", "string", "students they were taken on"),
        Column("n_students", "bigint", "students scored"),
        Column("n_responses", "bigint", "responses scored, each once"),
        Column("auc", "double", "area under the ROC curve; null with one class", nullable=True),
        Column("auc_low", "double", "lower end of its 95% interval", nullable=True),
        Column("auc_high", "double", "upper end of its 95% interval", nullable=True),
        Column("accuracy", "double", "share right at the 0.5 threshold"),
        Column("log_loss", "double", "mean negative log likelihood", unit="nat"),
        Column("ece", "double", "expected calibration error, 10 bins"),
        Column("is_champion", "boolean", "sakt: this version scores students now; other models, "
               "and before anybody is scored: it is champion since this evaluation"),
        Column("is_latest", "boolean", "no later evaluation of the model under the protocol"),
        Column("auc_before", "double", "of the champion that it was held against, when that was "
               "evaluated last by then; null for the first", nullable=True),
        Column("ece_before", "double", "of the same", nullable=True),
    ),
    key=("evaluation_id", "model_name", "split"),
    reads=(MODEL_EVALUATIONS, STUDENT_MASTERY),
    query="""
WITH scoring AS (SELECT max_by(model_version, scored_at) AS version FROM {student_mastery}),
before AS (
  SELECT e.evaluation_id, e.model_name, e.split, max_by(b.auc, b.evaluated_at) AS auc_before,
         max_by(b.ece, b.evaluated_at) AS ece_before
  FROM {model_evaluations} e
       JOIN {model_evaluations} b
         ON b.model_name = e.model_name AND b.protocol = e.protocol AND b.split = e.split
            AND b.model_version = e.champion_before AND b.evaluated_at <= e.evaluated_at
  GROUP BY e.evaluation_id, e.model_name, e.split
)
SELECT evaluation_id, evaluated_at, model_name, model_version, model_version IS NULL AS is_baseline,
       protocol, split, n_students, n_responses, auc, auc_low, auc_high, accuracy, log_loss, ece,
       CASE WHEN model_name = 'sakt' AND scoring.version IS NOT NULL
            THEN model_version <=> scoring.version ELSE is_champion END AS is_champion,
       row_number() OVER (PARTITION BY model_name, protocol, split
                          ORDER BY evaluated_at DESC, evaluation_id DESC) = 1 AS is_latest,
       auc_before, ece_before
FROM {model_evaluations} LEFT JOIN before USING (evaluation_id, model_name, split)
     CROSS JOIN scoring
""",
)  # fmt: skip

POLICY_QUALITY = View(
    layer=Layer.GOLD,
    name="policy_quality",
    comment="What each policy decided on each occasion, what that was worth, how it was judged.",
    columns=(
        Column("decided_at", "timestamp", "as-of instant of the decisions, UTC"),
        Column("policy", "string", "what decided"),
        Column("policy_version", "string", "version of the registered model recommender"),
        Column("n_students", "bigint", "students with a recommendation"),
        Column("n_without", "bigint", "students for whom nothing was eligible"),
        Column("n_recommendations", "bigint", "items recommended, over all ranks"),
        Column("n_items", "bigint", "different items among the first choices"),
        Column("mean_p_correct", "double", "expected success of first choices", nullable=True),
        Column("mean_propensity", "double", "chance of first choices; 1: nothing is explored",
               nullable=True),
        Column("n_rewarded", "bigint", "recommendations whose worth is known, by the kind of "
               "reward that came last"),
        Column("mean_reward", "double", "of these, 0 to 1; null without any", nullable=True),
        Column("judged_at", "timestamp", "last judgement by then, UTC; null if none",
               nullable=True),
        Column("difference", "double", "mean reward of the candidate less that of what ran, by it",
               nullable=True),
        Column("low_at_any_time", "double", "lower end of the difference", nullable=True),
        Column("decision", "string", "what the gate decided, in a sentence", nullable=True),
    ),
    key=("decided_at", "policy", "policy_version"),
    reads=(BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS),
    query="""
WITH made AS (
  SELECT d.decided_at, d.policy, d.policy_version,
         count_if(d.rank = 1) AS n_students, count_if(d.rank = 0) AS n_without,
         count_if(d.rank > 0) AS n_recommendations,
         count(DISTINCT CASE WHEN d.rank = 1 THEN d.item_id END) AS n_items,
         avg(CASE WHEN d.rank = 1 THEN d.p_correct END) AS mean_p_correct,
         avg(CASE WHEN d.rank = 1 THEN d.propensity END) AS mean_propensity,
         count(r.reward) AS n_rewarded, avg(r.reward) AS mean_reward
  FROM {bandit_decisions} d
       LEFT JOIN (
         SELECT decision_id, reward FROM {bandit_rewards}
         WHERE kind <=> (SELECT max_by(kind, rewarded_at) FROM {bandit_rewards})
       ) r USING (decision_id)
  GROUP BY d.decided_at, d.policy, d.policy_version
),
judged AS (
  SELECT m.*, e.evaluated_at AS judged_at, e.difference, e.low_at_any_time, e.decision,
         row_number() OVER (PARTITION BY m.decided_at, m.policy, m.policy_version
                            ORDER BY e.evaluated_at DESC, e.against, e.estimator) AS place
  FROM made m
       LEFT JOIN (SELECT * FROM {policy_evaluations} WHERE decides) e
              ON e.evaluated_at <= m.decided_at
)
SELECT decided_at, policy, policy_version, n_students, n_without, n_recommendations, n_items,
       mean_p_correct, mean_propensity, n_rewarded, mean_reward,
       judged_at, difference, low_at_any_time, decision
FROM judged WHERE place = 1
""",
)  # fmt: skip

EXPLANATION_QUALITY = View(
    layer=Layer.GOLD,
    name="explanation_quality",
    comment="How explanations that stand now came out, by the day they were worded.",
    columns=(
        Column("day", "date", "worded on, UTC"),
        Column("audience", "string", "for whom"),
        Column(
            "model", "string", "deployment that was asked; offline if none was, or none answered"
        ),
        Column("prompt_version", "string", "of the instructions"),
        Column("n_explanations", "bigint", "explanations"),
        Column("n_verified", "bigint", "worded by a model, every sentence with its evidence"),
        Column(
            "n_abstained",
            "bigint",
            "a model was to word it, and fixed sentences were published, "
            "as none answered or no answer was verified",
        ),
        Column("n_without_sources", "bigint", "no passage could be cited"),
        Column("mean_reading_grade", "double", "Flesch-Kincaid grade"),
    ),
    key=("day", "audience", "model", "prompt_version"),
    reads=(RAG_EXPLANATIONS,),
    query=f"""
SELECT to_date(explained_at) AS day, audience, model, prompt_version,
       count(*) AS n_explanations, count_if(outcome = 'verified') AS n_verified,
       count_if(outcome = 'offline' AND size(sources) > 0
                AND offline_reason NOT IN ('{NOT_ASKED}', '{NOT_REACHED}')) AS n_abstained,
       count_if(size(sources) = 0) AS n_without_sources,
       avg(reading_grade) AS mean_reading_grade
FROM {{rag_explanations}}
GROUP BY to_date(explained_at), audience, model, prompt_version
""",  # noqa: S608 - with constants of this package
)
