"""What rosters say: classes, who is in them, who teaches them, and which students are known."""

from deepkt_irt.tables.contract import Check, Column, Layer, Privacy, Table


def within_today(first: str, end: str) -> str:
    """SQL: today lies in a period, from its first day to before its end; either may be unknown."""
    return f"coalesce({first} <= current_date(), true) AND coalesce({end} > current_date(), true)"


_MEMBERSHIP = Column("membership_id", "string", "pseudonym of the enrolment")
_CLASS = Column("class_key", "string", "pseudonym of the class; joins silver.classes")

CLASSES = Table(
    layer=Layer.SILVER,
    name="classes",
    comment="One class of a roster, without its title, which often names the teacher.",
    columns=(
        Column("class_key", "string", "pseudonym of the class"),
        Column("source", "string", "source system of the roster"),
        Column("school_key", "string", "pseudonym of its school; null if unknown", nullable=True),
        Column("class_type", "string", "homeroom or scheduled; null if unknown", nullable=True),
        Column("grades", "array<string>", "its own, else its course's; may be empty"),
        Column("subjects", "array<string>", "its own, else its course's; may be empty"),
        Column("begins_on", "date", "first day of its terms; null if unknown", nullable=True),
        Column("ends_on", "date", "day after the last; null if unknown", nullable=True),
        Column("n_students", "bigint", "students the roster has in it now"),
        Column("n_known", "bigint", "of them, those whose answers are known"),
    ),
    key=("class_key",),
    checks=(Check("known_are_students", "n_known <= n_students"),),
)

CLASS_MEMBERSHIPS = Table(
    layer=Layer.SILVER,
    name="class_memberships",
    comment="Which student is in which class from when until when, as a roster says.",
    columns=(
        _MEMBERSHIP,
        Column("source", "string", "source system of the roster"),
        Column("student_key", "string", "pseudonym of the student", privacy=Privacy.PSEUDONYM),
        _CLASS,
        Column("member_from", "date", "first day; null: as long as is known", nullable=True),
        Column("member_until", "date", "day after the last; null: no end is known", nullable=True),
    ),
    key=("membership_id", "student_key"),
    checks=(Check("ends_after_start", "member_from < member_until"),),
)

ROSTER_TEACHERS = Table(
    layer=Layer.RESTRICTED,
    name="roster_teachers",
    comment="Who teaches which class, as a roster says; beside restricted.class_teachers.",
    columns=(
        _MEMBERSHIP,
        Column("source", "string", "source system of the roster"),
        _CLASS,
        Column(
            "teacher",
            "string",
            "account user name by the setting roster.teacher, in small letters",
            privacy=Privacy.IDENTIFIER,
        ),
        Column("teaches_from", "date", "first day; null: as long as is known", nullable=True),
        Column("teaches_until", "date", "day after the last; null: no end is known", nullable=True),
    ),
    key=("membership_id",),
)

ROSTER_STUDENTS = Table(
    layer=Layer.RESTRICTED,
    name="roster_students",
    comment="Which student of a roster is which of a learning system, by the setting "
    "roster.student; one row for each system with students.",
    columns=(
        Column("source", "string", "source system of the roster"),
        Column("user_id", "string", "id in the roster", privacy=Privacy.IDENTIFIER),
        Column("known_source", "string", "source system with students"),
        Column(
            "student_key",
            "string",
            "pseudonym of the student there; null unless matched",
            nullable=True,
            privacy=Privacy.PSEUDONYM,
        ),
        Column(
            "outcome",
            "string",
            "matched; unmatched: nobody there has the id; ambiguous: several have it",
        ),
    ),
    key=("source", "user_id", "known_source"),
    checks=(
        Check("outcome_known", "outcome IN ('matched', 'unmatched', 'ambiguous')"),
        Check("key_if_matched", "(outcome = 'matched') = (student_key IS NOT NULL)"),
    ),
)

TABLES = (CLASSES, CLASS_MEMBERSHIPS, ROSTER_TEACHERS, ROSTER_STUDENTS)
