"""Reads what a trace of one student shows."""

from dataclasses import replace
from typing import TYPE_CHECKING

from deepkt_irt.errors import NoData
from deepkt_irt.jobs.reading import Read, find_student
from deepkt_irt.jobs.report_students import student_pages
from deepkt_irt.reporting.student_data import Student
from deepkt_irt.reporting.student_trace import StudentTrace
from deepkt_irt.settings import BehaviourSettings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_PREDICTIONS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_EVERY_ANSWER = 1_000_000
_SHOWN_ANSWERS = 30


def read_trace(
    read: Read, *, student_id: str, topic: str | None, settings: BehaviourSettings
) -> StudentTrace:
    """What is known of one student, on one topic or on all.

    Args:
        read: Reads a table.
        student_id: As in the source's files.
        topic: Name or id of a skill, or a part of it, whatever its case; None for all.
        settings: When what was seen in how questions were answered is worth pointing out.

    Raises:
        NoData: If the student or the topic is not known, naming what is.
    """
    key, source = find_student(read, student_id)
    skills = _skills(read, key, topic) if topic else None
    (page,) = student_pages(read, [key], last_answers=_EVERY_ANSWER, settings=settings)
    if skills is not None:
        page = _on_topic(read, page, key, skills)
    return StudentTrace(
        student_id=student_id,
        source=source,
        topic=tuple(sorted(skills.values())) if skills is not None else None,
        student=replace(page, answers=tuple(reversed(page.answers[:_SHOWN_ANSWERS]))),
        model_version=_model_version(read, key),
    )


def _skills(read: Read, key: str, topic: str) -> dict[str, str]:
    """Names by id of the skills a topic means: the same name, else those that contain it."""
    names = {row["skill_id"]: row["name"] for row in read(SKILLS).collect()}
    wanted = topic.casefold()
    exact = {i: n for i, n in names.items() if wanted in {n.casefold(), i.casefold()}}
    partial = {i: n for i, n in names.items() if wanted in n.casefold() or wanted in i.casefold()}
    if not (exact or partial):
        own = sorted({names[skill] for skill in _practised(read, key) if skill in names})
        listed = ", ".join(own[:15]) or "none"
        raise NoData(f"no skill like {topic!r}; this student practised: {listed}")
    return exact or partial


def _practised(read: Read, key: str) -> list[str]:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    own = read(CANONICAL_LEARNING_EVENTS).filter(F.col("student_key") == key)
    rows = own.select(F.explode("skill_ids").alias("skill")).distinct().collect()
    return [row["skill"] for row in rows]


def _on_topic(read: Read, page: Student, key: str, skills: dict[str, str]) -> Student:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    names = set(skills.values())
    own: DataFrame = read(BANDIT_RECOMMENDATIONS).filter(F.col("student_key") == key)
    ranks = {row["rank"] for row in own.collect() if row["skill_id"] in skills}
    return replace(
        page,
        mastery=tuple(each for each in page.mastery if each.skill in names),
        answers=tuple(each for each in page.answers if names & set(each.skills)),
        next_items=tuple(each for each in page.next_items if each.rank in ranks),
        explanations=tuple(each for each in page.explanations if each.skill in names),
    )


def _model_version(read: Read, key: str) -> str | None:
    from pyspark.sql import functions as F  # noqa: PLC0415 - start without Spark

    row = read(SAKT_PREDICTIONS).filter(F.col("student_key") == key).select("model_version").first()
    return str(row[0]) if row else None
