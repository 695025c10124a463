"""Gold contract of explanations: what is said to whom, and what each sentence rests on."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table
from deepkt_irt.tables.gold import STUDENT

_PERSONAL = Privacy.PERSONAL

# reasons of explanations that no model was to word
NOT_ASKED = "no language model is set"
NOT_REACHED = "more evidence was new than a model is asked about in one run"

RAG_EXPLANATIONS = Table(
    layer=Layer.GOLD,
    name="rag_explanations",
    comment="Why a student is recommended what comes next, for a teacher and for the student.",
    columns=(
        STUDENT,
        Column("audience", "string", "whom it is for: teacher or student"),
        Column("skill_id", "string", "skill of the recommended item"),
        Column("item_id", "string", "recommended item; joins silver.items"),
        Column(
            "decision_id",
            "string",
            "decision it was worded for, the first of those that recommend the same for the same "
            "reasons; joins gold.bandit_decisions",
            nullable=True,
        ),
        Column("locale", "string", "language, an IETF tag"),
        Column(
            "summary",
            "array<struct<text:string,facts:array<string>>>",
            "sentences on the student, each with the fact it rests on",
            privacy=_PERSONAL,
        ),
        Column(
            "steps",
            "array<struct<text:string,sources:array<string>>>",
            "how to work on the skill, each with the passages it rests on; may be empty",
        ),
        Column("next_action", "string", "what to do next, in a sentence", privacy=_PERSONAL),
        Column(
            "facts",
            "array<struct<ref:string,kind:string,text:string>>",
            "all that might be said of the student",
            privacy=_PERSONAL,
        ),
        Column(
            "sources",
            "array<struct<ref:string,chunk_id:string,title:string>>",
            "passages that might be cited; chunk_id joins gold.content_library",
        ),
        Column("outcome", "string", "verified: a model worded it; offline: fixed sentences"),
        Column(
            "offline_reason", "string", "why no model worded it; null if one did", nullable=True
        ),
        Column(
            "problems",
            "string",
            "kinds of problems of a model's answer that was not published; null if none was",
            nullable=True,
        ),
        Column("reading_grade", "double", "Flesch-Kincaid grade of its own words"),
        Column("evidence_hash", "string", "of facts and sources; the same evidence is worded once"),
        Column(
            "inputs_hash",
            "string",
            "of figures and passages that the evidence is made of; with the same, a night leaves "
            "the row as it is; null in rows of an earlier version",
            nullable=True,
        ),
        Column("prompt_version", "string", "of the instructions"),
        Column(
            "model", "string", "deployment that was asked; offline if none was, or none answered"
        ),
        Column("explained_at", "timestamp", "as-of instant of the run that worded it, UTC"),
    ),
    key=("student_key", "audience"),
    checks=(
        Check("audience_known", "audience IN ('teacher', 'student')"),
        Check("outcome_known", "outcome IN ('verified', 'offline')"),
        Check("offline_says_why", "(outcome = 'offline') = (offline_reason IS NOT NULL)"),
        Check("summary_filled", "size(summary) > 0"),
    ),
)

TABLES = (RAG_EXPLANATIONS,)
