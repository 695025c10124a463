"""Gold contracts: vocabularies, sequences, model results and recommendations."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table

STUDENT = Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM)
_PERSONAL = Privacy.PERSONAL


def _vocabulary(of: str) -> Table:
    return Table(
        layer=Layer.GOLD,
        name=f"{of}_vocabulary",
        comment=f"Integer index of each {of}; only ever grows, so trained models stay valid.",
        columns=(
            Column(f"{of}_index", "int", "1, 2, 3 …; 0 is padding and unknown"),
            Column(f"{of}_id", "string", f"joins silver.{of}s"),
            Column("added_at", "timestamp", "as-of instant of the run that added it, UTC"),
        ),
        key=(f"{of}_index",),
        append_only=True,
    )


SKILL_VOCABULARY = _vocabulary("skill")
ITEM_VOCABULARY = _vocabulary("item")

SAKT_SEQUENCES = Table(
    layer=Layer.GOLD,
    name="sakt_sequences",
    comment="Windows over each student's whole graded history; each event is scored in just one.",
    columns=(
        STUDENT,
        Column("window_index", "int", "0, 1, 2 … within the student"),
        Column("context_length", "int", "leading positions that are context, scored earlier"),
        Column("split", "string", "train, validation or test"),
        Column("bucket", "int", "of silver.user_splits; an order that no pseudonym changes"),
        Column("event_ids", "array<string>", "events in order"),
        Column("sequence_numbers", "array<bigint>", "position of each event within the student"),
        Column("item_indexes", "array<int>", "of gold.item_vocabulary"),
        Column("skill_indexes", "array<array<int>>", "of gold.skill_vocabulary, per event"),
        Column("correct", "array<int>", "1 right, 0 wrong", privacy=_PERSONAL),
        Column("latency_ms", "array<bigint>", "null where unknown", unit="ms"),
        Column("hint_counts", "array<int>", "null where unknown"),
        Column("attempt_counts", "array<int>", "null where unknown", nullable=True),
        Column("first_actions", "array<string>", "null where unknown", nullable=True),
        Column("answered_at", "array<timestamp>", "UTC; null where unknown", nullable=True),
    ),
    key=("student_key", "window_index"),
    deletion_vectors=True,
)

WDIRT_FEATURES = Table(
    layer=Layer.GOLD,
    name="wdirt_features",
    comment="Unit tests after the practice they conclude; or whole histories, where none is named.",
    columns=(
        STUDENT,
        Column(
            "unit_id", "string", "assignment of the test; empty: whole history", privacy=_PERSONAL
        ),
        Column("visible", "array<int>", "leading steps an answer may rest on; -1: practice only"),
        Column("event_ids", "array<string>", "events, practice first, each part in order"),
        Column("item_indexes", "array<int>", "of gold.item_vocabulary"),
        Column("skill_indexes", "array<array<int>>", "of gold.skill_vocabulary, per event"),
        Column("correct", "array<int>", "1 right, 0 wrong", privacy=_PERSONAL),
        Column("latency_ms", "array<bigint>", "null where unknown", unit="ms"),
        Column("hint_counts", "array<int>", "null where unknown"),
        Column("attempt_counts", "array<int>", "null where unknown"),
        Column("first_actions", "array<string>", "null where unknown"),
        Column("answered_at", "array<timestamp>", "UTC; null where unknown"),
        Column("split", "string", "train, validation or test"),
        Column("bucket", "int", "of silver.user_splits; an order that no pseudonym changes"),
    ),
    key=("student_key", "unit_id"),
    deletion_vectors=True,
)

MODEL_EVALUATIONS = Table(
    layer=Layer.GOLD,
    name="model_evaluations",
    comment="How well each model predicted held-out students, under which protocol.",
    columns=(
        Column("evaluation_id", "string", "one evaluation: same data, same students, all models"),
        Column("model_name", "string", "sakt, item_mean, irt_1pl …"),
        Column("model_version", "string", "registry version; null for baselines", nullable=True),
        Column("mlflow_run_id", "string", "run that trained it; null for baselines", nullable=True),
        Column("protocol", "string", "how the figures were taken"),
        Column("split", "string", "students they were taken on"),
        Column("data_version", "string", "version of the sequences table"),
        Column("seed", "int", "seed of the training"),
        Column("n_students", "bigint", "students scored"),
        Column("n_responses", "bigint", "responses scored, each once"),
        Column("auc", "double", "area under the ROC curve; null with one class", nullable=True),
        Column("accuracy", "double", "share right at the 0.5 threshold"),
        Column("log_loss", "double", "mean negative log likelihood", unit="nat"),
        Column("ece", "double", "expected calibration error, 10 bins"),
        Column(
            "calibration",
            "array<struct<mean_predicted:double,observed:double,n:bigint>>",
            "reliability curve over 10 equal-width bins; empty bins left out",
        ),
        Column("is_champion", "boolean", "this version is champion since this evaluation"),
        Column("evaluated_at", "timestamp", "as-of instant of the run, UTC"),
        Column(
            "champion_before",
            "string",
            "registry version it was held against, the champion until then; null for the first "
            "and for baselines",
            nullable=True,
        ),
        *(
            Column(
                f"{figure}_{end}",
                "double",
                f"{place} end of the 95% interval by a bootstrap over students",
                nullable=True,
            )
            for figure in ("auc", "accuracy", "log_loss", "ece")
            for end, place in (("low", "lower"), ("high", "upper"))
        ),
        Column(
            "parts",
            "array<struct<kind:string,name:string,n:bigint,n_students:bigint,auc:double,"
            "log_loss:double,mean_predicted:double,observed:double>>",
            "by responses seen before, skill index, known item and student group; small groups "
            "are left out",
            nullable=True,
        ),
    ),
    key=("evaluation_id", "model_name", "split"),
)

SAKT_ATTENTION = Table(
    layer=Layer.GOLD,
    name="sakt_attention",
    comment="Past answers that moved the prediction of a student's next answer most, per skill.",
    columns=(
        STUDENT,
        Column("skill_id", "string", "the next answer is on this skill's reference items"),
        Column(
            "influences",
            "array<struct<event_id:string,item_id:string,correct:boolean,weight:double,"
            "signed_effect:double>>",
            "strongest first; signed_effect: by how many logits the answer raises the prediction, "
            "weight: attention it gets, which by itself explains nothing",
            privacy=_PERSONAL,
        ),
        Column("model_version", "string", "champion that predicted"),
        Column("scored_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("student_key", "skill_id"),
    deletion_vectors=True,
)

SAKT_PREDICTIONS = Table(
    layer=Layer.GOLD,
    name="sakt_predictions",
    comment="Chance of a right answer: on each answered event before it, and on candidates next.",
    columns=(
        STUDENT,
        Column("sequence_number", "bigint", "position asked about; candidates: one past the last"),
        Column("item_id", "string", "item asked"),
        Column("event_id", "string", "answered event; null for a candidate", nullable=True),
        Column("split", "string", "train, validation or test; only test figures are honest"),
        Column("p_correct", "double", "probability from history before it", privacy=_PERSONAL),
        Column("correct", "boolean", "what happened; null for a candidate", nullable=True),
        Column("item_known", "boolean", "false: unseen in training, judged by its skills"),
        Column("model_version", "string", "champion that predicted"),
        Column("scored_at", "timestamp", "as-of instant of the run, UTC"),
        Column(
            "rests_on",
            "string",
            "hash of all that the student's scores were worked out from; while it stays the same, "
            "the student is not scored again",
            nullable=True,
            privacy=_PERSONAL,
        ),
    ),
    key=("student_key", "sequence_number", "item_id"),
    deletion_vectors=True,
    checks=(Check("is_probability", "p_correct BETWEEN 0 AND 1"),),
)

STUDENT_MASTERY = Table(
    layer=Layer.GOLD,
    name="student_mastery",
    comment="What each student knows per practised skill, how much it rests on, how sure we are.",
    columns=(
        STUDENT,
        Column("skill_id", "string", "joins silver.skills"),
        Column(
            "mastery",
            "double",
            "mean chance of a right answer on the skill's reference items, now",
            privacy=_PERSONAL,
        ),
        Column("mastery_low", "double", "lower end of the 95% interval"),
        Column("mastery_high", "double", "upper end of the 95% interval"),
        Column("n_responses", "bigint", "graded responses on the skill"),
        Column("n_correct", "bigint", "right ones among them"),
        Column(
            "wrong_in_a_row",
            "bigint",
            "graded responses on the skill since the last right one",
            nullable=True,
        ),
        Column(
            "mastery_before",
            "double",
            "by the same model and items some time before (scoring.trend_days); null if the skill "
            "was not practised both before and since",
            nullable=True,
            privacy=_PERSONAL,
        ),
        Column("n_responses_before", "bigint", "graded responses it rested on", nullable=True),
        Column(
            "trend",
            "string",
            "rising or falling if mastery moved further than both figures are unsure (95%), else "
            "steady; null if mastery_before is",
            nullable=True,
            privacy=_PERSONAL,
        ),
        Column("n_reference_items", "int", "items the mean is taken over"),
        Column("last_sequence_number", "bigint", "when the skill was last practised"),
        Column("last_answered_at", "timestamp", "UTC; null if only order is known", nullable=True),
        Column("model_version", "string", "champion that predicted"),
        Column("scored_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("student_key", "skill_id"),
    deletion_vectors=True,
    checks=(
        Check("mastery_in_interval", "mastery BETWEEN mastery_low AND mastery_high"),
        Check("counts_fit", "n_correct <= n_responses"),
        Check("trend_known", "trend IS NULL OR trend IN ('rising', 'falling', 'steady')"),
    ),
)

BANDIT_RECOMMENDATIONS = Table(
    layer=Layer.GOLD,
    name="bandit_recommendations",
    comment="Items to practise next, best first, each with its reason.",
    columns=(
        STUDENT,
        Column("rank", "int", "1 is best"),
        Column("item_id", "string", "joins silver.items"),
        Column("skill_id", "string", "skill it is meant for"),
        Column("policy", "string", "what decided"),
        Column("p_correct", "double", "expected success, mean of the models that know the item"),
        Column("p_irt", "double", "by ability and difficulty; null if uncalibrated", nullable=True),
        Column(
            "p_sakt", "double", "by the knowledge-tracing champion; null if none", nullable=True
        ),
        Column(
            "information",
            "double",
            "Fisher information at the ability; null if uncalibrated",
            nullable=True,
        ),
        Column("reason", "string", "why this item, in a sentence with its numbers"),
        Column("decided_at", "timestamp", "as-of instant of the run, UTC"),
        Column("decision_id", "string", "joins gold.bandit_decisions", nullable=True),
    ),
    key=("student_key", "rank"),
    change_feed=True,  # explained anew is what was decided anew
    deletion_vectors=True,
    checks=(Check("is_probability", "p_correct BETWEEN 0 AND 1"),),
)

TABLES = (
    SKILL_VOCABULARY,
    ITEM_VOCABULARY,
    SAKT_SEQUENCES,
    WDIRT_FEATURES,
    MODEL_EVALUATIONS,
    SAKT_PREDICTIONS,
    SAKT_ATTENTION,
    STUDENT_MASTERY,
    BANDIT_RECOMMENDATIONS,
)
