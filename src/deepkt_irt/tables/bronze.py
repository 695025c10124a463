"""Bronze contracts: rows as received, as text, with where each came from."""

from deepkt_irt.tables.contract import Column, Layer, Privacy, Table

PROVENANCE = (
    Column("_source", "string", "name of the source system, as given to --source"),
    Column("_file", "string", "landing file, as below its source's folder"),
    Column("_row", "bigint", "record number in that file, the first one after the header is 1"),
    Column("_batch_id", "bigint", "ingest batch that read the file"),
    Column("_ingested_at", "timestamp", "as-of instant of the run that read it, UTC"),
)


def _text(name: str, comment: str, privacy: Privacy = Privacy.NONE) -> Column:
    return Column(name, "string", comment, nullable=True, privacy=privacy)


def _raw(name: str, comment: str, *columns: Column) -> Table:
    return Table(
        layer=Layer.BRONZE,
        name=name,
        comment=comment,
        columns=(*columns, *PROVENANCE),
        key=("_source", "_file", "_row"),
        append_only=True,
        change_feed=True,  # silver works out again whom new rows are of
    )


_ID = Privacy.IDENTIFIER

EXTRAS = "extras"
# what a source adds is known to nobody yet, so it is kept from all who may see no identifier
_EXTRAS = _text(EXTRAS, "every other column as a JSON object, as received", _ID)

RAW_ACTION_LOGS = _raw(
    "raw_action_logs",
    "One action of a student inside an assignment (EDM Cup 2023 action_logs).",
    _text("assignment_log_id", "one student's work on one assignment", _ID),
    _text("timestamp", "epoch seconds with a fraction for milliseconds"),
    _text("problem_id", "problem acted on; empty for actions on the assignment"),
    _text("max_attempts", "attempts allowed"),
    _text("available_core_tutoring", "kind of help on offer"),
    _text("score_viewable", "whether the student saw the score"),
    _text("continuous_score_viewable", "whether the student saw partial credit"),
    _text("action", "what was done, such as wrong_response"),
    _text("hint_id", "hint shown"),
    _text("explanation_id", "explanation shown"),
    _EXTRAS,
)

RAW_ASSIGNMENT_DETAILS = _raw(
    "raw_assignment_details",
    "One student's assignment: who, which sequence, which class (EDM Cup 2023).",
    _text("assignment_log_id", "one student's work on one assignment", _ID),
    _text("student_id", "student id in the source system", _ID),
    _text("sequence_id", "problem sequence assigned"),
    _text("teacher_id", "teacher id in the source system", _ID),
    _text("class_id", "class id in the source system", _ID),
    _text("assignment_release_date", "epoch seconds"),
    _text("assignment_due_date", "epoch seconds"),
    _text("assignment_start_time", "epoch seconds"),
    _text("assignment_end_time", "epoch seconds; empty if never finished"),
    _EXTRAS,
)

RAW_PROBLEM_DETAILS = _raw(
    "raw_problem_details",
    "One problem: type, skill and text features (EDM Cup 2023).",
    _text("problem_id", "problem id in the source system"),
    _text("problem_multipart_id", "multi-part problem it belongs to"),
    _text("problem_multipart_position", "position inside the multi-part problem"),
    _text("problem_type", "answer type, such as Multiple Choice"),
    _text("problem_skill_code", "skill code"),
    _text("problem_skill_description", "skill in words"),
    _text("problem_contains_image", "1 if the text has an image"),
    _text("problem_contains_equation", "1 if the text has an equation"),
    _text("problem_contains_video", "1 if the text has a video"),
    _text("problem_text_bert_pca", "32 text features in brackets"),
    _EXTRAS,
)

RAW_UNIT_TEST_SCORES = _raw(
    "raw_unit_test_scores",
    "One score on one unit-test problem (EDM Cup 2023, training and evaluation files).",
    _text("id", "row id of the evaluation file; empty in the training file"),
    _text("assignment_log_id", "the unit test's assignment log", _ID),
    _text("problem_id", "problem scored"),
    _text("score", "0 to 1; empty where it was withheld"),
    _EXTRAS,
)

RAW_ASSIGNMENT_RELATIONSHIPS = _raw(
    "raw_assignment_relationships",
    "Which in-unit practice belongs to which unit test of a student (EDM Cup 2023).",
    _text("unit_test_assignment_log_id", "the unit test's assignment log", _ID),
    _text("in_unit_assignment_log_id", "a practice assignment log of the same unit", _ID),
    _EXTRAS,
)

RAW_SEQUENCE_DETAILS = _raw(
    "raw_sequence_details",
    "One problem sequence: its place in the curriculum and its problems (EDM Cup 2023).",
    _text("sequence_id", "sequence id in the source system"),
    _text("sequence_folder_path_level_1", "curriculum folder, outermost"),
    _text("sequence_folder_path_level_2", "curriculum folder, second level"),
    _text("sequence_folder_path_level_3", "curriculum folder, third level"),
    _text("sequence_folder_path_level_4", "curriculum folder, fourth level"),
    _text("sequence_folder_path_level_5", "curriculum folder, innermost"),
    _text("sequence_name", "name a teacher sees"),
    _text("sequence_problem_ids", "problem ids in brackets, in order"),
    _EXTRAS,
)

RAW_RESPONSES = _raw(
    "raw_responses",
    "One graded response a row; a response may stand once per skill (ASSISTments, mapped CSV).",
    _text("student_id", "student id in the source system", _ID),
    _text("item_id", "question id in the source system"),
    _text("skill_ids", "skill ids, joined by the separator of the mapping"),
    _text("skill_names", "skill names in the same order"),
    _text("correct", "1 or 0"),
    _text("score", "0 to 1 where the source grades with partial credit"),
    _text("answer", "answer given or option chosen, as received", _ID),
    _text("answered_at", "time of the response as received; empty where unknown"),
    _text("response_order", "number that orders a student's responses; no time"),
    _text("latency_ms", "milliseconds to the first response, as received"),
    _text("attempt_count", "responses made on the question"),
    _text("hint_count", "hints used"),
    _text("first_action", "attempt, hint or scaffold, as coded by the source"),
    _text("bottom_hint", "1 if the last hint, which tells the answer, was reached"),
    _text("item_type", "answer type of the question"),
    _text("assignment_id", "assignment in the source system"),
    _text("class_id", "class in the source system", _ID),
    _text(
        "student_group", "group of the student for fairness checks, as the district names it", _ID
    ),
    _text("skill_separator", "what joins skill_ids and skill_names; empty: one skill"),
    _EXTRAS,
)

RAW_STATEMENTS = _raw(
    "raw_statements",
    "One statement of a learning system, with what is used of it beside it (xAPI, Caliper).",
    _text("statement_id", "id of the statement; delivered twice, it is one"),
    _text(
        "student_id",
        "who answered: an id, or home page and name of an account with a bar between",
        _ID,
    ),
    _text("verb", "verb of an xAPI statement, or type and action of a Caliper event"),
    _text(
        "role", "response, grade, hint, answer (shown), progress, void; empty: counts in nothing"
    ),
    _text("object_id", "item acted on, or the statement that is voided"),
    _text("item_type", "interaction type of the item"),
    _text("title", "name of the item, on one line"),
    _text("skill_ids", "skill ids, one a line"),
    _text("skill_names", "skill names in the same order"),
    _text("answered_at", "time of the statement as received"),
    _text("success", "true or false; empty where the statement does not grade"),
    _text("score", "0 to 1, where the statement scores"),
    _text("answer", "answer given, as received", _ID),
    _text("duration", "time taken as ISO 8601, as received"),
    _text("attempt_id", "attempt that a response and its grade are of", _ID),
    _text("attempt_count", "number of the attempt, as received"),
    _text("registration", "one student's going through a whole, such as a test", _ID),
    _text("class_id", "class, team or course in the source system", _ID),
    _text("statement", "the whole statement as JSON on one line", _ID),
)

RAW_CONTENT = _raw(
    "raw_content",
    "One record about content: a question, choice, hint, skill or relation, as JSON.",
    _text("kind", "question, choice, skill, skill_relation, question_skill, hint, explanation …"),
    _text("content_id", "id of the record in the source system"),
    _text("body", "the record's columns as a JSON object, as received"),
)

RAW_ROSTERS = _raw(
    "raw_rosters",
    "One record of a roster file, such as a user, enrolment or class (OneRoster); nobody's name.",
    _text("kind", "file of the specification it stood in, such as enrollments"),
    _text("sourced_id", "id of the record; of a record about one user, see user_id", _ID),
    _text("status", "active or tobedeleted in changes; empty in a whole roster"),
    _text("date_last_modified", "when the record was changed, ISO 8601"),
    _text("user_id", "user that the record is about, by the roster's id", _ID),
    _text("agent_ids", "other users this one speaks for, or who speak for it, with commas", _ID),
    _text("class_id", "class of an enrolment", _ID),
    _text("org_ids", "schools and the like that the record belongs to, with commas"),
    _text("course_id", "course of a class"),
    _text("term_ids", "academic sessions of a class, with commas"),
    _text("role", "student, teacher … of a user, or in a class"),
    _text("type", "type of an org, academic session or class"),
    _text("enabled", "false: the user has no access any more"),
    _text("begin_date", "first day, ISO 8601"),
    _text("end_date", "day after the last, ISO 8601"),
    _text("grades", "school grades of a user, class or course, with commas"),
    _text("subjects", "subjects of a class or course, with commas"),
    _text("username", "name the user signs in with", _ID),
    _text("email", "mail address of the user", _ID),
    _text("identifier", "another id of the user, such as a student number", _ID),
    _text("user_ids", "ids of the user elsewhere, {type:id} with commas", _ID),
    _text("property", "manifest only: what is said, such as file.users"),
    _text("value", "manifest only: such as bulk, delta or absent"),
)

TABLES = (
    RAW_ACTION_LOGS,
    RAW_ASSIGNMENT_DETAILS,
    RAW_PROBLEM_DETAILS,
    RAW_UNIT_TEST_SCORES,
    RAW_ASSIGNMENT_RELATIONSHIPS,
    RAW_SEQUENCE_DETAILS,
    RAW_RESPONSES,
    RAW_STATEMENTS,
    RAW_CONTENT,
    RAW_ROSTERS,
)
