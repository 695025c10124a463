"""Reads what a student and teachers are told about what is recommended, and what that rests on."""

from typing import Any

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.reading import Read, find_student, in_utc, item_label
from deepkt_irt.reporting.explanation import Explained, Ground, StudentExplanations, Told
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.silver import ITEMS, SKILLS


def read_explanations(read: Read, student_id: str, *, audience: str | None) -> StudentExplanations:
    """The explanations of one student as they stand.

    Args:
        read: Reads a table.
        student_id: As in the source's files.
        audience: teacher or student; None for both.

    Raises:
        NoData: If the student is not known, or there is no explanation.
    """
    key, source = find_student(read, student_id)
    found = explanations_of(read, [key]).get(key, ())
    if not found:
        raise NoData(
            f"nothing is recommended to {student_id}, or explain_students did not run since; "
            "deepkt compare-recs says what is kept from the student"
        )
    chosen = tuple(each for each in found if audience in (None, each.audience))
    if not chosen:
        raise NoData(
            f"no explanation of {student_id} is for a {audience}; see explanation.audiences"
        )
    return StudentExplanations(student_id, source, chosen)


def explanations_of(read: Read, keys: list[str]) -> dict[str, tuple[Explained, ...]]:
    """What a few students and their teachers are told, by student key.

    Args:
        read: Reads a table.
        keys: Student keys; few, since their rows are brought to the driver.
    """
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    skills = read(SKILLS).select("skill_id", F.col("name").alias("skill"))
    rows = (
        read(RAG_EXPLANATIONS)
        .filter(F.col("student_key").isin(keys))
        .join(read(ITEMS).select("item_id", item_label("item")), "item_id", "left")
        .join(skills, "skill_id", "left")
        .orderBy("student_key", F.desc("audience"))
    )
    found: dict[str, tuple[Explained, ...]] = {}
    for row in rows.collect():
        key = row["student_key"]
        found[key] = (*found.get(key, ()), _explained(row))
    return found


def _explained(row: Any) -> Explained:  # noqa: ANN401 - a Spark row
    return Explained(
        audience=row["audience"],
        skill=row["skill"] or row["skill_id"],
        item=row["item"] or row["item_id"],
        summary=tuple(Told(each["text"], tuple(each["facts"])) for each in row["summary"]),
        steps=tuple(Told(each["text"], tuple(each["sources"])) for each in row["steps"]),
        next_action=row["next_action"],
        grounds=(
            *(Ground(each["ref"], each["text"], None) for each in row["facts"]),
            *(Ground(each["ref"], each["title"], each["chunk_id"]) for each in row["sources"]),
        ),
        outcome=row["outcome"],
        offline_reason=row["offline_reason"],
        problems=row["problems"],
        model=row["model"],
        reading_grade=row["reading_grade"],
        explained_at=in_utc(row["explained_at"]).isoformat(),
    )
