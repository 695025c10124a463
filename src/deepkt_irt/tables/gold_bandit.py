"""Gold contracts of policies that learn: what they decided, what came of it, how they compare."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table
from deepkt_irt.tables.gold import STUDENT

_PERSONAL = Privacy.PERSONAL

BANDIT_DECISIONS = Table(
    layer=Layer.GOLD,
    name="bandit_decisions",
    comment="Every decision as it was made, with its chance, so that other policies can be judged.",
    columns=(
        Column("decision_id", "string", "hash of student, instant and rank"),
        STUDENT,
        Column("decided_at", "timestamp", "as-of instant of the run, UTC"),
        Column("rank", "int", "1 is best; 0: nothing was eligible, and the reason says why"),
        Column("policy", "string", "what decided"),
        Column("policy_version", "string", "version of the registered model recommender"),
        Column("last_sequence_number", "bigint", "the student's last event then; 0 if none"),
        Column("item_id", "string", "recommended; null if nothing", nullable=True),
        Column("skill_id", "string", "skill it was meant for; null if nothing", nullable=True),
        Column(
            "propensity",
            "double",
            "chance with which it was chosen, given the ranks before; null if nothing",
            nullable=True,
        ),
        Column("n_eligible", "int", "items it was chosen from"),
        Column("eligible_hash", "string", "of the student's eligible items", nullable=True),
        Column("score", "double", "what the policy expected of it", nullable=True),
        Column("score_width", "double", "posterior SD of that; 0 for a rule", nullable=True),
        Column("features", "array<double>", "in the order of feature_names", nullable=True),
        Column(
            "usual_features",
            "array<double>",
            "their mean over what might have been chosen for the skill",
            nullable=True,
        ),
        Column("feature_names", "array<string>", "of the context"),
        Column("p_correct", "double", "expected success then", nullable=True, privacy=_PERSONAL),
        Column("p_irt", "double", "by ability and difficulty", nullable=True, privacy=_PERSONAL),
        Column("p_sakt", "double", "by the student's history", nullable=True, privacy=_PERSONAL),
        Column("information", "double", "Fisher information at the ability", nullable=True),
        Column(
            "mastery",
            "double",
            "of the skill then; of a new one the mean chance on the items on offer",
            nullable=True,
            privacy=_PERSONAL,
        ),
        Column("ability", "double", "then; null if not estimated", nullable=True, unit="logit"),
        Column("reason", "string", "why this item, or why none, in a sentence"),
        Column(
            "exclusions",
            "array<struct<reason:string,n:int>>",
            "items kept out by each rule, of ranks 0 and 1 only",
        ),
        Column(
            "eligible_items",
            "array<string>",
            "of rank 1 of the students who are logged in full",
            nullable=True,
        ),
        Column(
            "eligible_skills", "array<string>", "that each of them would practise", nullable=True
        ),
        Column(
            "eligible_features", "array<float>", "of each of them, one after another", nullable=True
        ),
    ),
    key=("decision_id",),
    checks=(
        Check("is_chance", "propensity > 0 AND propensity <= 1"),
        Check("one_or_nothing", "(rank = 0) = (item_id IS NULL)"),
    ),
    cluster_by=("decided_at",),
)

BANDIT_REWARDS = Table(
    layer=Layer.GOLD,
    name="bandit_rewards",
    comment="What a recommendation turned out to be worth; pending ones have no row.",
    columns=(
        Column("decision_id", "string", "joins gold.bandit_decisions; rewarded once"),
        STUDENT,
        Column("decided_at", "timestamp", "of the decision, UTC"),
        Column("kind", "string", "how worth is measured: setting reward.kind"),
        Column("reward", "double", "0 to 1", privacy=_PERSONAL),
        Column("event_id", "string", "the answer to the recommended item"),
        Column("n_probes", "bigint", "later answers on the skill it rests on"),
        Column("is_gamed", "boolean", "the answer is one that is left out of calibration"),
        Column("rewarded_at", "timestamp", "as-of instant of the run that saw it, UTC"),
    ),
    key=("decision_id",),
    checks=(Check("is_share", "reward BETWEEN 0 AND 1"),),
)

_INTERVAL = "end of its interval by a bootstrap over students; null with too few"

POLICY_EVALUATIONS = Table(
    layer=Layer.GOLD,
    name="policy_evaluations",
    comment="How good a policy would have been on logged decisions, and whether it goes live.",
    columns=(
        Column("evaluated_at", "timestamp", "as-of instant of the run, UTC"),
        Column("policy", "string", "judged"),
        Column("against", "string", "running: those that made the log; or a policy"),
        Column("estimator", "string", "replay, ips, snips, dm, dr or sndr"),
        Column(
            "value",
            "double",
            "mean reward a decision, less what is usual for the skill",
            nullable=True,
        ),
        Column("value_low", "double", f"lower {_INTERVAL}", nullable=True),
        Column("value_high", "double", f"upper {_INTERVAL}", nullable=True),
        Column("other_value", "double", "of the policy it is held against", nullable=True),
        Column("difference", "double", "value less other_value", nullable=True),
        Column("difference_low", "double", f"lower {_INTERVAL}", nullable=True),
        Column("difference_high", "double", f"upper {_INTERVAL}", nullable=True),
        Column(
            "low_at_any_time",
            "double",
            "lower end of the difference that holds however often it is asked; the gate wants "
            "it above 0",
            nullable=True,
        ),
        Column("n_decisions", "bigint", "it rests on"),
        Column("n_students", "bigint", "of these"),
        Column("n_pending", "bigint", "left out, since their reward has not come yet"),
        Column("effective_sample_size", "double", "of the weights; null for dm", nullable=True),
        Column("max_weight", "double", "before clipping; null for dm", nullable=True),
        Column("clipped_share", "double", "of the weights; null for dm", nullable=True),
        Column("warnings", "array<string>", "why it may mislead"),
        Column("decides", "boolean", "this row is one that the gate rests on"),
        Column("decision", "string", "what the gate decided, in a sentence"),
        Column(
            "groups",
            "array<struct<student_group:string,n_students:bigint,n_decisions:bigint,"
            "n_items:bigint,predicted:double,predicted_low:double,predicted_high:double,"
            "reward:double,reward_low:double,reward_high:double>>",
            "what the log gave each group of students; small groups are left out",
        ),
    ),
    key=("evaluated_at", "policy", "against", "estimator"),
)

TABLES = (BANDIT_DECISIONS, BANDIT_REWARDS, POLICY_EVALUATIONS)
