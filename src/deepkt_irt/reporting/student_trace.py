"""One student as text: the evidence, what it says, and what to practise next."""

from dataclasses import asdict, dataclass
from typing import Any

from deepkt_irt.reporting.explanation import Explained, lines
from deepkt_irt.reporting.student_data import Answer, Next, SkillMastery, Student


@dataclass(frozen=True)
class StudentTrace:
    """What a trace shows.

    Attributes:
        student_id: As in the source's files, as it was asked for.
        source: Source system.
        topic: Names of the skills asked for; None for all.
        student: The student's page; answers oldest first.
        model_version: Champion that predicted; None if nothing was predicted.
    """

    student_id: str
    source: str
    topic: tuple[str, ...] | None
    student: Student
    model_version: str | None


def as_json(trace: StudentTrace) -> dict[str, Any]:
    """The trace for machines."""
    return asdict(trace)


def render_text(trace: StudentTrace) -> str:
    """The trace as lines of text for a terminal."""
    student = trace.student
    topic = ", ".join(trace.topic) if trace.topic else "all skills"
    about = (
        f"  {student.label.lower()}, {student.class_label}, {student.n_events} answers in all, "
        f"split {student.split}"
    )
    told = [
        f"Student {trace.student_id} ({trace.source}), {topic}",
        about,
        f"  ability: {_ability(student)}",
        "",
        "Evidence, oldest first",
        *([_answer_line(each) for each in student.answers] or ["  no answers on this topic"]),
        "",
        "Mastery (chance of a right answer on the skill's reference items, 95% interval)",
        *([_mastery_line(each) for each in student.mastery] or ["  never practised: not known"]),
        "",
        "Practise next",
        *([_next_line(each) for each in student.next_items] or ["  nothing on this topic"]),
        *([f"  {student.decided}"] if student.decided else []),
        "",
        *_explanation_lines(student.explanations),
        *_behaviour_lines(student),
        f"Predictions by sakt version {trace.model_version}."
        if trace.model_version
        else "No model has predicted anything for this student.",
    ]
    return "\n".join(told)


def _ability(student: Student) -> str:
    if student.ability is None:
        return "not estimated"
    value, sd = student.ability
    return f"{value:+.2f} logits (95%: {value - 1.96 * sd:+.2f} to {value + 1.96 * sd:+.2f})"


def _answer_line(answer: Answer) -> str:
    result = "ungraded" if answer.correct is None else "right" if answer.correct else "wrong"
    details = [
        f"{answer.hints} hints" if answer.hints else "",
        f"{answer.seconds:.0f} s" if answer.seconds is not None else "",
        f"predicted {answer.predicted:.0%}" if answer.predicted is not None else "",
    ]
    known = ", ".join(part for part in details if part)
    return f"  {answer.when}  {answer.item:<14.40} {answer.skill:<28.28} {result:<9}{known}"


def _mastery_line(each: SkillMastery) -> str:
    return (
        f"  {each.skill:<32.32} {each.value:.0%} ({each.low:.0%} to {each.high:.0%}), "
        f"{each.n} answers{_trend(each)}"
    )


def _trend(each: SkillMastery) -> str:
    """Which way it moved; nothing where it is not known."""
    return f", {each.trend} (was {each.before:.0%})" if each.before is not None else ""


def _behaviour_lines(student: Student) -> list[str]:
    if student.behaviour is None:
        return []
    return [
        "How questions were answered (an observation, not a reason; deepkt gaming shows which)",
        f"  {student.behaviour}",
        "",
    ]


def _explanation_lines(explanations: tuple[Explained, ...]) -> list[str]:
    if not explanations:
        return []
    told = [f"  {line}" for each in explanations for line in (*lines(each), "")]
    return ["Why, in words", *told[:-1], ""]


def _next_line(each: Next) -> str:
    return f"  {each.rank}. {each.item}: {each.reason}"
