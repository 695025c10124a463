"""What `deepkt gaming` reads: whose questions show a pattern, in which order, and which ones."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from conftest import AS_OF
from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs.gaming import find_class, read_gaming
from deepkt_irt.reporting.gaming import Count, render_text
from deepkt_irt.settings import BehaviourSettings
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    ITEM_TIMES,
    ITEMS,
    RESPONSE_BEHAVIOUR,
    STUDENT_KEYS,
    USERS,
)
from looking import InMemory

pytestmark = pytest.mark.spark

SETTINGS = BehaviourSettings(min_responses=4)
START = datetime(2026, 2, 1, 10, 0, tzinfo=UTC)
SEVEN_B = "class-" + hashlib.sha256(b"s:7b").hexdigest()[:16]
RAPID = {"rapid_guess": True, "is_excluded": True}
EARNEST = {"rapid_guess": False}
ASKED = {"answer_before_attempt": True, "is_excluded": True}
UNKNOWN = {"hint_chain": False}


@pytest.fixture
def store(frame):
    """These tests only read."""
    return InMemory(frame)


@pytest.fixture
def school(store, frame):
    """Writes students with what was seen in each of their questions, one a minute."""

    def build(students, classes=None):
        events, behaviour, keys, users = [], [], [], []
        for name, seen in students.items():
            of = {"student_key": f"key-{name}"}
            member = [SEVEN_B] if name in (classes or ()) else ["class-0000", "class-0001"]
            keys.append(of | {"source": "s", "student_id": name, "created_at": AS_OF})
            users.append(of | {"source": "s", "class_keys": member, "n_events": len(seen)})
            for number, flags in enumerate(seen, start=1):
                event = of | {
                    "event_id": f"{name}{number}",
                    "item_id": "s:q1",
                    "sequence_number": number,
                }
                at = START + timedelta(minutes=number)
                more = {"source": "s", "skill_ids": [], "event_kind": "practice", "batch_id": 0}
                events.append(event | more | {"answered_at": at, "latency_ms": 900 + number})
                behaviour.append(event | {"is_excluded": False} | flags)
        item = {"item_id": "s:q1", "source": "s", "source_item_id": "q1", "title": "Halves"}
        item |= {"skill_ids": [], "in_catalogue": True, "n_events": 1}
        for table, made in (
            (CANONICAL_LEARNING_EVENTS, events),
            (RESPONSE_BEHAVIOUR, behaviour),
            (STUDENT_KEYS, keys),
            (USERS, users),
            (ITEMS, [item]),
            (ITEM_TIMES, [{"item_id": "s:q1", "n_times": 9, "usual_ms": 40_000.0}]),
        ):
            store.overwrite(table, frame(table, made))

    return build


def test_students_come_by_rate_with_counts_and_their_latest_evidence(store, school):
    school(
        {
            "ann": [RAPID, EARNEST, RAPID, EARNEST, RAPID, RAPID],
            "bob": [RAPID, EARNEST, EARNEST, ASKED | {"rapid_guess": None}],
            "cid": [EARNEST, EARNEST, EARNEST, UNKNOWN],
            "dan": [RAPID, RAPID],  # too few
            "eve": [RAPID, ASKED, RAPID, RAPID],
        }
    )

    view = read_gaming(store.read, settings=SETTINGS)

    assert [each.student_id for each in view.students] == ["eve", "ann", "bob"]
    assert (view.n_students, view.n_too_few, view.n_with_patterns) == (4, 1, 3)
    assert (view.n_judged, view.n_seen) == (20, 12)
    _, ann, bob = view.students
    assert (bob.n_judged, bob.n_seen) == (4, 2)
    assert bob.counts == (
        Count("rapid_guess", 1, 3),
        Count("answer_before_attempt", 1, 1),
        Count("hint_chain", 0, 0),
        Count("wrong_then_answer", 0, 0),
    )
    assert [each.event_id for each in ann.evidence] == ["ann6", "ann5", "ann3"]
    last = ann.evidence[0]
    assert (last.item, last.latency_ms, last.usual_ms) == ("Halves", 906, 40_000.0)
    assert last.answered_at == START + timedelta(minutes=6)
    assert last.patterns == ("rapid_guess",)


def test_one_student_is_shown_whatever_was_seen(store, school):
    school({"ann": [EARNEST] * 5, "bob": [RAPID, EARNEST]})

    few = read_gaming(store.read, settings=SETTINGS, student_id="bob")
    none = read_gaming(store.read, settings=SETTINGS, student_id="ann")

    assert (few.students[0].n_seen, few.n_too_few) == (1, 1)
    assert "no verdict on fewer than 4" in render_text(few)
    assert (none.students[0].n_seen, none.students[0].evidence) == (0, ())
    assert "patterns in 0 of 5 questions" in render_text(none)


@pytest.mark.parametrize(
    "given",
    ["7b", *(pytest.param(key, marks=pytest.mark.nightly) for key in (SEVEN_B, SEVEN_B[:12]))],
)
def test_one_class_by_its_key_or_the_id_of_the_source(store, school, given):
    many = {name: [RAPID] * 5 for name in ("ann", "bob", "cid")}
    school(many, classes=["ann", "bob"])

    view = read_gaming(store.read, settings=SETTINGS, class_=given)

    assert {each.student_id for each in view.students} == {"ann", "bob"}
    assert view.about == f"class {SEVEN_B}"


def test_who_is_not_there_is_said(store, school):
    with pytest.raises(NoData, match="no question in this lake could be judged"):
        read_gaming(store.read, settings=SETTINGS)

    school({"ann": [RAPID] * 5, "bob": []})

    with pytest.raises(NoData, match="no student 'zoe'"):
        read_gaming(store.read, settings=SETTINGS, student_id="zoe")
    with pytest.raises(NoData, match=r"student bob .* no question could be judged"):
        read_gaming(store.read, settings=SETTINGS, student_id="bob")
    with pytest.raises(NoData, match="no class '9z' among the 2 of this lake"):
        find_class(store.read, "9z")
    with pytest.raises(NoData, match="no class 'class-'"):
        find_class(store.read, "class-")
    with pytest.raises(UsageError, match="several classes: class-0000, class-0001"):
        find_class(store.read, "class-0")
