"""Silver contracts: canonical events, and who and what they are about, under pseudonyms."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table


def _told(
    name: str, kind: str, comment: str, *, unit: str = "", privacy: Privacy = Privacy.NONE
) -> Column:
    """A column that is null where a source does not tell."""
    return Column(name, kind, comment, nullable=True, unit=unit, privacy=privacy)


STUDENT_KEYS = Table(
    layer=Layer.RESTRICTED,
    name="student_keys",
    comment="Random key of each student; the only place where source ids and keys meet.",
    columns=(
        Column("source", "string", "source system"),
        Column("student_id", "string", "student id in that system", privacy=Privacy.IDENTIFIER),
        Column("student_key", "string", "random pseudonym", privacy=Privacy.PSEUDONYM),
        Column("created_at", "timestamp", "as-of instant of the run that made the key, UTC"),
    ),
    key=("source", "student_id"),
    append_only=True,
)

CANONICAL_RESPONSES = Table(
    layer=Layer.RESTRICTED,
    name="canonical_responses",
    comment="What sources tell of the students worked out last, under the sources' ids: responses, "
    "and with a reason what was refused. Made anew by each run, and emptied by an erasure.",
    columns=(
        Column("source", "string", "source system"),
        _told("student_id", "string", "student", privacy=Privacy.IDENTIFIER),
        _told("student_group", "string", "group for fairness checks", privacy=Privacy.IDENTIFIER),
        _told("class_id", "string", "class", privacy=Privacy.IDENTIFIER),
        _told("assignment_id", "string", "assignment", privacy=Privacy.PERSONAL),
        _told("item_id", "string", "question"),
        _told("skill_ids", "array<string>", "skills, unqualified"),
        _told("answered_at", "timestamp", "first graded response (else first action), UTC"),
        _told("response_order", "double", "orders a student's responses; no time"),
        _told("correct", "boolean", "first graded response was right", privacy=Privacy.PERSONAL),
        _told("score", "double", "share of credit, 0 to 1", privacy=Privacy.PERSONAL),
        _told("answer", "string", "answer given or option chosen", privacy=Privacy.PERSONAL),
        _told("attempt_count", "int", "graded responses made"),
        _told("first_action", "string", "attempt, hint, answer, explanation or scaffold"),
        _told("latency_ms", "bigint", "start to first graded response", unit="ms"),
        _told("hint_count", "int", "hints used"),
        _told("answer_requested", "boolean", "the answer was shown before the response"),
        _told("answer_requested_later", "boolean", "the answer was shown after the response"),
        _told("explanation_requested", "boolean", "an explanation was shown before the response"),
        _told("event_kind", "string", "practice or assessment"),
        _told(
            "practice_assignment_ids",
            "array<string>",
            "assessment only: the in-unit practice it concludes",
            privacy=Privacy.PERSONAL,
        ),
        Column("file", "string", "landing file"),
        Column("row", "bigint", "record number in that file"),
        Column("batch_id", "bigint", "ingest batch the row came with"),
        Column("is_refused", "boolean", "a row that was refused, not a response"),
        _told("table_name", "string", "bronze table a refused row stands in"),
        _told("column", "string", "column at fault"),
        _told("reason", "string", "why it was refused; null: it was not", privacy=Privacy.PERSONAL),
        _told("received", "string", "a refused row as received", privacy=Privacy.IDENTIFIER),
        Column("owner", "string", "as in ops.quarantine", privacy=Privacy.IDENTIFIER),
    ),
    key=("source", "file", "row", "is_refused"),  # of a response only the latency may be refused
)

ERASURE_REQUESTS = Table(
    layer=Layer.RESTRICTED,
    name="erasure_requests",
    comment="Students to be forgotten; a row goes when the erasure is concluded.",
    columns=(
        Column("erasure_id", "string", "random token that the proof goes by"),
        Column("source", "string", "source system"),
        Column("student_id", "string", "student id in that system", privacy=Privacy.IDENTIFIER),
        Column("requested_at", "timestamp", "UTC"),
        Column("officer", "string", "who signs the erasure off; null: nobody", nullable=True),
    ),
    key=("erasure_id",),
)

CLASS_TEACHERS = Table(
    layer=Layer.RESTRICTED,
    name="class_teachers",
    comment="Who teaches which class, as the district says; teachers see these students' rows.",
    columns=(
        Column("class_key", "string", "pseudonym of the class; joins silver.users.class_keys"),
        Column(
            "teacher",
            "string",
            "account user name, spelt as current_user() gives it",
            privacy=Privacy.IDENTIFIER,
        ),
    ),
    key=("class_key", "teacher"),
)

CANONICAL_LEARNING_EVENTS = Table(
    layer=Layer.SILVER,
    name="canonical_learning_events",
    comment="One row per question answered, whatever the number of its skills.",
    columns=(
        Column("event_id", "string", "hash of the student key and the response's identity"),
        Column("source", "string", "source system"),
        Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM),
        Column("class_key", "string", "pseudonym of the class; null if unknown", nullable=True),
        Column(
            "assignment_id",
            "string",
            "assignment, qualified by source; null if none",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column("item_id", "string", "question, qualified by source; joins silver.items"),
        Column("skill_ids", "array<string>", "skills, qualified by source, sorted; may be empty"),
        Column(
            "answered_at",
            "timestamp",
            "first graded response (else first action), UTC; null if only order is known",
            nullable=True,
        ),
        Column("sequence_number", "bigint", "1, 2, 3 … total order within the student"),
        Column(
            "correct",
            "boolean",
            "first graded response was right; null if ungraded",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "score",
            "double",
            "share of credit, 0 to 1; null if ungraded",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "answer",
            "string",
            "answer given or option chosen, trimmed; null if unknown",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column("attempt_count", "int", "graded responses made; null if unknown", nullable=True),
        Column(
            "first_action",
            "string",
            "attempt, hint, answer, explanation or scaffold; null if unknown",
            nullable=True,
        ),
        Column(
            "latency_ms",
            "bigint",
            "start to first graded response; null if unknown",
            nullable=True,
            unit="ms",
        ),
        Column(
            "hint_count",
            "int",
            "hints used: before the first graded response if the source tells; null if unknown",
            nullable=True,
        ),
        Column(
            "answer_requested",
            "boolean",
            "the answer was shown before the first graded response; null if unknown",
            nullable=True,
        ),
        Column(
            "answer_requested_later",
            "boolean",
            "the answer was shown after the first graded response; null if unknown",
            nullable=True,
        ),
        Column(
            "explanation_requested",
            "boolean",
            "an explanation was shown before the first graded response; null if unknown",
            nullable=True,
        ),
        Column("event_kind", "string", "practice or assessment"),
        Column(
            "practice_assignment_ids",
            "array<string>",
            "assessment only: the in-unit practice it concludes; null for practice",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column("batch_id", "bigint", "ingest batch the response came with"),
    ),
    key=("event_id",),
    checks=(
        Check("kind_known", "event_kind IN ('practice', 'assessment')"),
        Check("score_is_share", "score BETWEEN 0 AND 1"),
        Check("latency_positive", "latency_ms > 0"),
    ),
    change_feed=True,  # sequences are made anew of students whose events changed
    deletion_vectors=True,
)

USERS = Table(
    layer=Layer.SILVER,
    name="users",
    comment="One student under a pseudonym.",
    columns=(
        Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM),
        Column("source", "string", "source system"),
        Column("class_keys", "array<string>", "classes seen, sorted; may be empty"),
        Column(
            "student_group",
            "string",
            "group for fairness checks: of several the last named, in the order of events; "
            "null if unknown",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "grades",
            "array<string>",
            "school grades, as the roster writes them; null if unknown",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "school_keys",
            "array<string>",
            "pseudonyms of the schools the roster names, sorted; null if unknown",
            nullable=True,
        ),
        Column("n_events", "bigint", "questions answered", privacy=Privacy.PERSONAL),
        Column("first_answered_at", "timestamp", "UTC; null if only order is known", nullable=True),
        Column("last_answered_at", "timestamp", "UTC; null if only order is known", nullable=True),
    ),
    key=("student_key",),
    deletion_vectors=True,
)

ITEMS = Table(
    layer=Layer.SILVER,
    name="items",
    comment="One question; also those met in logs that no catalogue describes.",
    columns=(
        Column("item_id", "string", "question, qualified by source"),
        Column("source", "string", "source system"),
        Column("source_item_id", "string", "question id in the source system"),
        Column("item_type", "string", "answer type; null if unknown", nullable=True),
        Column("is_guessable", "boolean", "options are offered; null if unknown", nullable=True),
        Column("skill_ids", "array<string>", "skills, qualified by source, sorted; may be empty"),
        Column("title", "string", "short text for people; null if unknown", nullable=True),
        Column("in_catalogue", "boolean", "false: met in logs only"),
        Column("n_events", "bigint", "times answered"),
    ),
    key=("item_id",),
)

SKILLS = Table(
    layer=Layer.SILVER,
    name="skills",
    comment="One skill (knowledge component), with its prerequisites.",
    columns=(
        Column("skill_id", "string", "skill, qualified by source"),
        Column("source", "string", "source system"),
        Column("name", "string", "name for people; the source's id where it gives none"),
        Column("description", "string", "what the skill is; null if unknown", nullable=True),
        Column(
            "prerequisite_ids",
            "array<string>",
            "skills to master first, sorted, without cycles; may be empty",
        ),
        Column("n_events", "bigint", "questions answered on it"),
    ),
    key=("skill_id",),
)

USER_SPLITS = Table(
    layer=Layer.SILVER,
    name="user_splits",
    comment="Which students train, validate and test every model: by hash of the student.",
    columns=(
        Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM),
        Column("split", "string", "train, validation or test"),
        Column("fold", "int", "cross-validation fold, 0 to 4"),
        Column("bucket", "int", "hash of the source's student id, 0 to 999"),
    ),
    key=("student_key",),
    checks=(Check("split_known", "split IN ('train', 'validation', 'test')"),),
    deletion_vectors=True,
)

_SEEN = "null: cannot be judged"

ITEM_TIMES = Table(
    layer=Layer.SILVER,
    name="item_times",
    comment="How long an item usually takes, over all events so far; one row per item with enough "
    "times to say so.",
    columns=(
        Column("item_id", "string", "question, qualified by source; joins silver.items"),
        Column("n_times", "bigint", "times to a first attempt that are known"),
        Column(
            "usual_ms",
            "double",
            "median of these times; null within a run only, of an item that no longer has enough",
            nullable=True,
            unit="ms",
        ),
        Column(
            "threshold_ms",
            "double",
            "a faster answer is a rapid guess; null where usual_ms is",
            nullable=True,
            unit="ms",
        ),
        Column(
            "judged_ms",
            "double",
            "usual time by which silver.response_behaviour judged; another than usual_ms within a "
            "run only, or after one that was cut off",
            nullable=True,
            unit="ms",
        ),
    ),
    key=("item_id",),
    checks=(Check("threshold_positive", "threshold_ms > 0"),),
)

RESPONSE_BEHAVIOUR = Table(
    layer=Layer.SILVER,
    name="response_behaviour",
    comment="How an event was answered; one row per event of which at least one pattern can be "
    "judged. What is seen is seen beside all events so far, later ones too.",
    columns=(
        Column("event_id", "string", "joins silver.canonical_learning_events"),
        Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM),
        Column("item_id", "string", "question, qualified by source; joins silver.items"),
        Column("sequence_number", "bigint", "1, 2, 3 … total order within the student"),
        Column(
            "rapid_guess",
            "boolean",
            f"answered faster than the threshold in silver.item_times; {_SEEN}",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "answer_before_attempt",
            "boolean",
            f"the answer was shown before any attempt; {_SEEN}",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "hint_chain",
            "boolean",
            f"several hints, down to the answer, before any attempt; {_SEEN}",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "wrong_then_answer",
            "boolean",
            f"a fast wrong answer, then the answer was asked for; {_SEEN}",
            nullable=True,
            privacy=Privacy.PERSONAL,
        ),
        Column(
            "is_excluded",
            "boolean",
            "no evidence of ability: a rapid guess, or the answer was shown before any attempt; "
            "leaves calibration, drift and reward",
            privacy=Privacy.PERSONAL,
        ),
    ),
    key=("event_id",),
    checks=(
        Check(
            "excluded_for_what_was_seen",
            "NOT is_excluded OR coalesce(rapid_guess, false) "
            "OR coalesce(answer_before_attempt, false)",
        ),
    ),
    deletion_vectors=True,
)

TABLES = (
    CANONICAL_RESPONSES,
    STUDENT_KEYS,
    ERASURE_REQUESTS,
    CLASS_TEACHERS,
    CANONICAL_LEARNING_EVENTS,
    USERS,
    ITEMS,
    SKILLS,
    USER_SPLITS,
    ITEM_TIMES,
    RESPONSE_BEHAVIOUR,
)
