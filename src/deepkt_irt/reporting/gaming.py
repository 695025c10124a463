"""How students answered, as text or JSON: what was seen, how often, and how sure that is.

Sentences observe; none says why a student did something, or what kind of student that is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deepkt_irt.irt.fit import wilson
from deepkt_irt.settings import BehaviourSettings

_TOO_FEW, _CLEAR, _LIKELY, _OPEN, _SELDOM = "too few questions", "clear", "likely", "open", "seldom"
_MEANS = {
    _CLEAR: "the whole interval lies above {cut}",
    _LIKELY: "above {cut}, but the interval reaches below",
    _OPEN: "below {cut}, but the interval reaches above",
    _SELDOM: "the whole interval lies below {cut}",
}
_STATEMENTS = {
    "rapid_guess": "answers came far faster than the question usually takes",
    "answer_before_attempt": "answers were asked for before a first attempt",
    "hint_chain": "hints were opened down to the answer before a first attempt",
    "wrong_then_answer": "a quick wrong answer was followed by asking for the answer",
}
_NOTE = (
    "These are observations, not reasons: a quick answer may have been known, and asking early may",
    "have been the right thing to do. Look at the questions with the student before you conclude.",
)
_LABEL = 40  # characters


@dataclass(frozen=True)
class Count:
    """How often one pattern was seen.

    Attributes:
        pattern: Column of silver.response_behaviour.
        n_seen: Questions in which it was seen.
        n_judged: Questions in which it could be judged.
    """

    pattern: str
    n_seen: int
    n_judged: int


@dataclass(frozen=True)
class Evidence:
    """One question in which something was seen.

    Attributes:
        event_id: Of silver.canonical_learning_events.
        sequence_number: Place among the student's events.
        item_id: Question, qualified by source.
        item: Its label for people.
        answered_at: UTC; None if only the order is known.
        patterns: Columns of silver.response_behaviour, those seen.
        latency_ms: Time to the first graded response; None if unknown.
        usual_ms: Median time of the item; None if unknown.
        hint_count: Hints used; None if unknown.
    """

    event_id: str
    sequence_number: int
    item_id: str
    item: str
    answered_at: datetime | None
    patterns: tuple[str, ...]
    latency_ms: int | None
    usual_ms: float | None
    hint_count: int | None


@dataclass(frozen=True)
class StudentBehaviour:
    """What was seen of one student.

    Attributes:
        student_id: As in the source's files.
        source: Source system.
        n_judged: Questions of which at least one pattern could be judged.
        n_seen: Of them, those with a pattern.
        counts: By pattern.
        evidence: The latest questions with a pattern, latest first.
    """

    student_id: str
    source: str
    n_judged: int
    n_seen: int
    counts: tuple[Count, ...]
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True)
class Gaming:
    """What the view shows.

    Attributes:
        about: Whom it is about, in words.
        students: Those shown, highest rate first; of a single student also one without a verdict.
        n_students: Students with enough questions for a verdict.
        n_too_few: Students with fewer.
        n_with_patterns: Of the former, those with a pattern.
        n_judged: Questions of all these students that could be judged.
        n_seen: Of them, those with a pattern.
        settings: Thresholds, and what a verdict needs.
    """

    about: str
    students: tuple[StudentBehaviour, ...]
    n_students: int
    n_too_few: int
    n_with_patterns: int
    n_judged: int
    n_seen: int
    settings: BehaviourSettings


def confidence(n_seen: int, n_judged: int, settings: BehaviourSettings) -> str:
    """How sure it is that patterns are more frequent than is worth pointing out, in a word or two.

    Judged by the 95% interval of the rate (Wilson, 1927) and the notable rate: `clear`, `likely`,
    `open` and `seldom`, or `too few questions`, which is no verdict.
    """
    if n_judged < settings.min_responses:
        return _TOO_FEW
    low, high = _interval(n_seen, n_judged)
    if low > settings.notable_rate:
        return _CLEAR
    if high < settings.notable_rate:
        return _SELDOM
    return _LIKELY if n_seen > settings.notable_rate * n_judged else _OPEN


def _interval(n_seen: int, n_judged: int) -> tuple[float, float]:
    low, high = wilson(n_seen / n_judged, n_judged)
    return float(low), float(high)


def render_text(view: Gaming) -> str:
    """The view as lines of text for a terminal."""
    share = f"{view.n_seen / view.n_judged:.1%}" if view.n_judged else "none"
    lines = [
        f"How questions were answered: {view.about}",
        f"  patterns were seen in {share} of {view.n_judged:,} questions that could be judged",
        *(f"  {line}" for line in _NOTE),
    ]
    for student in view.students:
        lines += ["", *_student(student, view.settings)]
    return "\n".join([*lines, *_rest(view)])


def _rest(view: Gaming) -> list[str]:
    """Who is not shown, and why."""
    if view.n_students + view.n_too_few == len(view.students):
        return []
    n_more = view.n_with_patterns - len(view.students)
    least = view.settings.min_responses
    said = [
        f"No pattern was seen of {_n(view.n_students - view.n_with_patterns, 'student')} "
        f"with {least} questions or more."
        if view.n_students > view.n_with_patterns
        else "",
        f"{_n(n_more, 'more student')} with patterns, at lower rates." if n_more > 0 else "",
        f"{_n(view.n_too_few, 'student')} with fewer than {least} questions that could be judged: "
        "no verdict."
        if view.n_too_few
        else "",
    ]
    shown = [line for line in said if line]
    return ["", *shown] if shown else []


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _student(student: StudentBehaviour, settings: BehaviourSettings) -> list[str]:
    lines = [
        f"Student {student.student_id} ({student.source})",
        f"  {_verdict(student, settings)}",
        *(f"  - {line}" for line in statements(student.counts)),
    ]
    if student.evidence:
        lines += ["  latest:", *(f"    {_evidence(each)}" for each in student.evidence)]
    return lines


def _verdict(student: StudentBehaviour, settings: BehaviourSettings) -> str:
    n_seen, n = student.n_seen, student.n_judged
    seen = f"patterns in {n_seen} of {_n(n, 'question')}"
    sure = confidence(n_seen, n, settings)
    if sure == _TOO_FEW:
        return f"{seen}: no verdict on fewer than {settings.min_responses}"
    low, high = _interval(n_seen, n)
    means = _MEANS[sure].format(cut=f"{settings.notable_rate:.0%}")
    return f"{seen}: {n_seen / n:.0%} (95%: {low:.0%} to {high:.0%}), {sure}: {means}"


def notable(
    n_seen: int, n_judged: int, counts: Iterable[Count], settings: BehaviourSettings
) -> str | None:
    """What was seen, in a sentence, if it is probably more frequent than the notable rate."""
    if confidence(n_seen, n_judged, settings) not in (_CLEAR, _LIKELY):
        return None
    seen = (each for each in counts if each.n_seen)
    return "; ".join(statements(sorted(seen, key=lambda each: -each.n_seen)))


def statements(counts: Iterable[Count]) -> list[str]:
    """What was seen and what could not be judged, a sentence for each pattern."""
    return [
        f"{_STATEMENTS[each.pattern]} in {each.n_seen} of {_n(each.n_judged, 'question')}"
        if each.n_judged
        else f"whether {_STATEMENTS[each.pattern]} is not known: the source does not tell"
        for each in counts
    ]


def _evidence(each: Evidence) -> str:
    when = (
        f"{each.answered_at:%Y-%m-%d %H:%M}" if each.answered_at else f"no. {each.sequence_number}"
    )
    return f"{when:<16}  {each.item:<{_LABEL}.{_LABEL}}  {what_was_seen(each)}"


def what_was_seen(each: Evidence) -> str:
    """What was seen in one question, in words."""
    seen, time = set(each.patterns), _time(each)
    words = {
        "rapid_guess": f"answered after {time}",
        "answer_before_attempt": "the answer before an attempt",
        "hint_chain": f"{each.hint_count} hints down to the answer before an attempt",
        "wrong_then_answer": f"wrong after {time}, then the answer",
    }
    if "hint_chain" in seen:  # says more than that the answer came before an attempt
        seen.discard("answer_before_attempt")
    if "wrong_then_answer" in seen:
        seen.discard("rapid_guess")
    return "; ".join(text for name, text in words.items() if name in seen)


def _time(each: Evidence) -> str:
    """The time an answer took beside the usual one, as far as they are known."""
    if each.latency_ms is None:
        return "an unknown time"
    usual = "" if each.usual_ms is None else f" (usual: {each.usual_ms / 1000:.1f} s)"
    return f"{each.latency_ms / 1000:.1f} s{usual}"


def as_json(view: Gaming) -> dict[str, Any]:
    """The view for machines: times in ISO 8601, null where not known or without a verdict."""
    return {
        "about": view.about,
        "note": " ".join(_NOTE),
        "min_responses": view.settings.min_responses,
        "notable_rate": view.settings.notable_rate,
        "n_students": view.n_students,
        "n_students_with_patterns": view.n_with_patterns,
        "n_students_too_few": view.n_too_few,
        "n_judged": view.n_judged,
        "n_seen": view.n_seen,
        "students": [_student_facts(student, view.settings) for student in view.students],
    }


def _student_facts(student: StudentBehaviour, settings: BehaviourSettings) -> dict[str, Any]:
    n, n_seen = student.n_judged, student.n_seen
    sure = confidence(n_seen, n, settings)
    enough = sure != _TOO_FEW
    low, high = _interval(n_seen, n) if enough else (None, None)
    return {
        "student_id": student.student_id,
        "source": student.source,
        "n_judged": n,
        "n_seen": n_seen,
        "rate": n_seen / n if enough else None,
        "rate_low": low,
        "rate_high": high,
        "confidence": sure,
        "patterns": {
            each.pattern: {
                "n_seen": each.n_seen if each.n_judged else None,
                "n_judged": each.n_judged,
            }
            for each in student.counts
        },
        "statements": statements(student.counts),
        "evidence": [_evidence_facts(each) for each in student.evidence],
    }


def _evidence_facts(each: Evidence) -> dict[str, Any]:
    facts = vars(each) | {"patterns": list(each.patterns), "what": what_was_seen(each)}
    facts["answered_at"] = each.answered_at.isoformat() if each.answered_at else None
    return facts
