"""silver.response_behaviour: what is seen in events, what cannot be, and what leaves estimates."""

from itertools import chain, combinations

import pytest

from conftest import rows
from deepkt_irt.settings import BehaviourSettings
from deepkt_irt.silver.behaviour import (
    PATTERNS,
    judged_otherwise,
    response_behaviour,
    usual_times,
)
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, RESPONSE_BEHAVIOUR

pytestmark = pytest.mark.spark

SETTINGS = BehaviourSettings(min_latencies=3)
USUAL_MS = 40_000  # of the item "q": 6 s are its threshold, 13.2 s are fast


def behaviour(events):
    return response_behaviour(events, usual_times(events, SETTINGS), SETTINGS)


@pytest.fixture
def events(frame):
    """Events from records of what matters; each student's in the order given."""

    def build(records):
        count: dict[str, int] = {}
        filled = []
        for number, record in enumerate(records):
            student = record.get("student_key", f"only{number}")
            count[student] = count.get(student, 0) + 1
            filled.append(
                {
                    "event_id": f"{student}-{count[student]}",
                    "source": "s",
                    "student_key": student,
                    "item_id": "q",
                    "skill_ids": [],
                    "sequence_number": count[student],
                    "event_kind": "practice",
                    "batch_id": 0,
                    **record,
                }
            )
        return frame(CANONICAL_LEARNING_EVENTS, filled)

    return build


@pytest.fixture
def judged(events):
    """The row of each case's first event, None if it has none; all cases at once.

    A case is the events of one student, among others that make 40 s the usual time of the item.
    """

    def judge(cases):
        known = [{"student_key": f"k{n}", "latency_ms": USUAL_MS} for n in range(300)]
        given = [
            {"student_key": f"case{n}"} | record
            for n, each in enumerate(cases)
            for record in (each if isinstance(each, list) else [each])
        ]
        found = behaviour(events([*known, *given]))
        by_event = {row["event_id"]: row for row in found.collect()}
        return [by_event.get(f"case{n}-1") for n in range(len(cases))]

    return judge


def test_threshold_is_a_share_of_the_items_own_usual_time(events):
    times = {
        "short": [4_000, 4_000, 5_000, 590, 610],
        "long": [120_000, 100_000, 130_000, 9_000, 11_000],
        "new": [30_000, 1_000],
    }
    given = events(
        {"item_id": item, "latency_ms": time} for item, each in times.items() for time in each
    )

    found = behaviour(given)

    assert schema_differences(RESPONSE_BEHAVIOUR, dict(found.dtypes)) == []
    times = rows(usual_times(given, SETTINGS), "item_id", "n_times", "usual_ms", "threshold_ms")
    assert times == [("long", 5, 100_000, 10_000), ("short", 5, 4_000, 600)]
    made = rows(found, "item_id", "event_id", "rapid_guess", "is_excluded")
    assert len(made) == 10  # of the new item nothing can be said
    assert [row[1:] for row in made if row[2]] == [("only8-1", True, True), ("only3-1", True, True)]


RAPID = (
    ({"latency_ms": 5_999}, True),
    ({"latency_ms": 6_000}, False),
    ({"latency_ms": 5_999, "correct": True}, True),  # a lucky one is one, too
    ({"latency_ms": 5_999, "first_action": "attempt"}, True),
    ({"latency_ms": 5_999, "first_action": "hint"}, None),  # perhaps the time to the hint
    ({"latency_ms": 299}, None),  # nobody is that fast
    ({"latency_ms": None}, None),
)


def test_rapid_guess(judged):
    found = judged([given for given, _ in RAPID])

    assert [row and row["rapid_guess"] for row in found] == [seen for _, seen in RAPID]


def test_times_that_are_none_do_not_move_the_usual_one(events):
    noise = [{"latency_ms": 1} for _ in range(20)]
    asked = [{"latency_ms": 900, "first_action": "hint"} for _ in range(20)]
    known = [{"latency_ms": 30_000} for _ in range(3)]

    times = usual_times(events([*noise, *asked, *known]), SETTINGS)

    assert rows(times, "n_times", "usual_ms") == [(3, 30_000)]


ASKED_FIRST = (
    ({"first_action": "answer", "answer_requested": True}, True),
    ({"first_action": "hint", "answer_requested": True}, True),
    ({"first_action": "hint", "answer_requested": False}, False),
    ({"first_action": "attempt", "answer_requested": True}, False),  # after an open response
    ({"first_action": "attempt", "answer_requested": False}, False),
    ({"first_action": None, "answer_requested": True}, None),
    ({"first_action": None, "answer_requested": False}, None),
    ({"first_action": "hint", "answer_requested": None}, None),
)


def test_answer_before_attempt_leaves_estimates_whether_graded_or_not(judged):
    graded = ({"correct": None}, {"correct": False, "latency_ms": USUAL_MS})
    cases = [(given | more, seen) for given, seen in ASKED_FIRST for more in graded]

    found = judged([given for given, _ in cases])

    assert [row and row["answer_before_attempt"] for row in found] == [seen for _, seen in cases]
    excluded = [bool(row and row["is_excluded"]) for row in found]
    assert excluded == [bool(seen) for _, seen in cases]


CHAINS = (
    ({"hint_count": 2}, True),
    ({"hint_count": 1}, False),
    ({"hint_count": 2, "first_action": "answer"}, False),
    ({"hint_count": 2, "answer_requested": False}, False),
    ({"hint_count": None}, None),
)


def test_hint_chain_goes_down_to_the_answer_before_any_attempt(judged):
    down = {"first_action": "hint", "answer_requested": True}

    found = judged([down | given for given, _ in CHAINS])

    assert [row["hint_chain"] for row in found] == [seen for _, seen in CHAINS]


QUICK_WRONG = {"correct": False, "latency_ms": 13_000, "first_action": "attempt"}
THEN_ANSWER = (
    ({"answer_requested_later": True}, True),
    ({"answer_requested_later": True, "correct": True}, False),
    ({"answer_requested_later": True, "latency_ms": 13_300}, False),
    ({"answer_requested_later": False}, False),
    ({"answer_requested_later": None}, None),
    ({"answer_requested_later": True, "correct": None}, None),
    ({"answer_requested_later": True, "latency_ms": None}, None),
    ({"answer_requested_later": True, "correct": True, "latency_ms": None}, None),
)
FOLLOWING = (  # where each attempt is an event of its own
    ({"answer_requested": True}, True),
    ({"answer_requested": False}, None),
    ({"answer_requested": True, "item_id": "other"}, None),
    ({"answer_requested": True, "student_key": "somebody else"}, None),
)


def test_wrong_then_answer_stays_in_estimates(judged):
    """Who tried is judged by what came of it: leaving out wrong ones would make items easier."""
    one = [QUICK_WRONG | {"answer_requested": False} | given for given, _ in THEN_ANSWER]
    two = [[QUICK_WRONG, {"first_action": "answer"} | given] for given, _ in FOLLOWING]

    found = judged([*one, *two])

    seen = [row and row["wrong_then_answer"] for row in found]
    assert seen == [expected for _, expected in (*THEN_ANSWER, *FOLLOWING)]
    assert not any(row and row["is_excluded"] for row in found)


def test_nothing_is_seen_in_what_is_not_known(judged):
    """Of an event with all patterns, each combination of values is taken away."""
    everything = {
        "first_action": "hint",
        "answer_requested": True,
        "answer_requested_later": True,
        "hint_count": 4,
        "correct": False,
        "latency_ms": 900,
    }
    absent = list(chain.from_iterable(combinations(everything, n) for n in range(7)))
    basis = {
        "rapid_guess": {"latency_ms"},
        "answer_before_attempt": {"first_action", "answer_requested"},
        "hint_chain": {"first_action", "answer_requested", "hint_count"},
        "wrong_then_answer": {"correct", "latency_ms", "answer_requested_later"},
    }

    found = judged([everything | dict.fromkeys(names) for names in absent])

    for names, row in zip(absent, found, strict=True):
        known = {name for name in PATTERNS if row is not None and row[name] is not None}
        assert known <= {name for name in PATTERNS if not basis[name] & set(names)}, names
        assert row is None or known, names
        assert (
            not (row and row["is_excluded"]) or row["rapid_guess"] or row["answer_before_attempt"]
        )
    assert found[-1] is None  # an event of which nothing is known has no row
    assert {name for name in PATTERNS if any(row and row[name] for row in found)} == set(PATTERNS)


def test_the_same_events_give_the_same_rows_whatever_their_order(events):
    given = events(
        {"student_key": f"s{n % 7}", "item_id": f"q{n % 2}", "latency_ms": 700 + 931 * n}
        for n in range(60)
    )
    columns = RESPONSE_BEHAVIOUR.column_names

    first = rows(behaviour(given), *columns)

    assert len(first) == 60
    assert rows(behaviour(given.repartition(5, "latency_ms")), *columns) == first


def test_thresholds_rest_on_all_times_of_the_item_and_on_nothing_else(events):
    """Later answers to the item may change what is seen in earlier ones; others do not."""
    known = [{"student_key": "a", "latency_ms": time} for time in (10_000, 10_000, 1_600)]
    elsewhere = [{"student_key": "a", "item_id": "other", "latency_ms": 90_000} for _ in range(9)]
    untimed = [{"student_key": "b", "correct": False} for _ in range(9)]
    later = [{"student_key": "b", "latency_ms": 11_000} for _ in range(9)]

    def third(*given):
        found = behaviour(events([*known, *chain(*given)]))
        return rows(found.filter("event_id = 'a-3'"), "rapid_guess")

    assert third(elsewhere, untimed) == [(False,)]  # a threshold of 1,500 ms
    assert third(later) == [(True,)]  # of 1,650 ms


def test_who_is_judged_otherwise_is_told_by_what_their_times_are_called(events, spark):
    """Times of 40 s make 6 s a guess's and 13.2 s fast; times of 50 s make it 7.5 s and 16.5 s."""
    times = {"guess then and now": 2_000, "a guess now": 7_000, "fast now": 15_000}
    times |= {"slow then and now": 17_000, "unknown": None}
    given = [{"student_key": name, "latency_ms": time} for name, time in times.items()]
    elsewhere = [{"student_key": "elsewhere", "item_id": "other", "latency_ms": 7_000}]
    columns = "item_id string, usual_ms double, judged_ms double"

    def otherwise(usual, judged):
        known = [("q", usual, judged), ("other", 40_000.0, 40_000.0)]
        moved = spark.createDataFrame(known, columns)
        found = judged_otherwise(events([*given, *elsewhere]), moved, SETTINGS)
        return {row["student_key"] for row in found.collect()}

    assert otherwise(50_000.0, 40_000.0) == {"a guess now", "fast now"}
    assert otherwise(40_000.0, 50_000.0) == {"a guess now", "fast now"}
    assert otherwise(40_000.0, 40_000.0) == set()
    assert otherwise(40_000.0, None) == times.keys() - {"unknown"}
    assert otherwise(None, 40_000.0) == times.keys() - {"unknown"}
