"""Users, items and skills: what the catalogue says, what the events show, and no cycles."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from conftest import rows
from deepkt_irt.silver.dimensions import (
    acyclic,
    items,
    skills,
    student_groups,
    users,
    with_usable_prerequisites,
)
from deepkt_irt.silver.rosters import with_people
from deepkt_irt.sources.canonical import ITEMS as CATALOGUE_ITEMS
from deepkt_irt.sources.canonical import SKILLS as CATALOGUE_SKILLS
from deepkt_irt.tables.ddl import schema_of
from deepkt_irt.tables.quality import schema_differences
from deepkt_irt.tables.silver import (
    CANONICAL_LEARNING_EVENTS,
    CANONICAL_RESPONSES,
    ITEMS,
    SKILLS,
    STUDENT_KEYS,
    USERS,
)

pytestmark = pytest.mark.spark


@pytest.fixture
def events(frame):
    """Builds events from the values that matter."""

    def build(*given):
        base = {
            "source": "s",
            "student_key": "k",
            "item_id": "s:i1",
            "skill_ids": [],
            "sequence_number": 1,
            "event_kind": "practice",
            "batch_id": 0,
        }
        filled = [{"event_id": str(n)} | base | values for n, values in enumerate(given)]
        return frame(CANONICAL_LEARNING_EVENTS, filled)

    return build


@pytest.fixture
def grouped(spark, frame):
    """Groups of the students of some canonical responses; rows are numbered from 1."""
    names = CANONICAL_RESPONSES.column_names
    keys = [
        {"source": source, "student_id": student, "student_key": key, "created_at": at(1)}
        for source, student, key in (("s", "ann", "k"), ("s", "bob", "k-bob"), ("t", "ann", "k-t"))
    ]

    def build(*given):
        base = {"source": "s", "student_id": "ann", "file": "b.csv", "batch_id": 1}
        base |= {"is_refused": False, "owner": "ann"}
        filled = [base | {"row": number} | values for number, values in enumerate(given, 1)]
        responses = spark.createDataFrame(
            [tuple(map(v.get, names)) for v in filled], schema_of(CANONICAL_RESPONSES)
        )
        return student_groups(responses, frame(STUDENT_KEYS, keys))

    return build


@pytest.fixture
def catalogue(spark):
    """Canonical items: item id, type, guessable, skills, title."""

    def build(*given):
        return spark.createDataFrame([("s", *values) for values in given], CATALOGUE_ITEMS)

    return build


@pytest.fixture
def listed(spark):
    """Canonical skills: skill id, name, prerequisites."""

    def build(*given):
        return spark.createDataFrame(
            [("s", skill, name, None, before) for skill, name, before in given], CATALOGUE_SKILLS
        )

    return build


def at(day):
    return datetime(2026, 1, day, tzinfo=UTC)


def test_users_sum_up_their_events(events, grouped):
    made = users(
        events(
            {"class_key": "class-b", "answered_at": at(3)},
            {"class_key": "class-a", "answered_at": at(1)},
            {"class_key": "class-b"},
            {"student_key": "no time, class or group"},
        ),
        grouped({"student_group": "x"}, {"student_id": "bob", "student_group": "without event"}),
    )

    assert schema_differences(USERS, dict(with_people(made, None).dtypes)) == []
    first, second = made.orderBy("student_key").collect()
    assert (first.class_keys, first.n_events) == (["class-a", "class-b"], 3)
    assert (first.first_answered_at.day, first.last_answered_at.day) == (1, 3)
    assert second.class_keys == []
    assert (second.first_answered_at, second.last_answered_at) == (None, None)
    assert (first.student_group, second.student_group) == ("x", None)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"answered_at": at(1)}, {"answered_at": at(3)}),
        ({"answered_at": at(1), "response_order": 9.0}, {"answered_at": at(3)}),
        ({"response_order": 9.0}, {"response_order": 10.0}),
        ({"answered_at": at(1), "response_order": 1.0}, {"answered_at": at(1)}),
        ({"answered_at": at(3)}, {"response_order": 1.0}),
        ({"answered_at": at(1), "batch_id": 0}, {"answered_at": at(1), "file": "a.csv"}),
        ({"answered_at": at(1), "file": "a.csv"}, {"answered_at": at(1)}),
        ({"answered_at": at(1), "row": 9}, {"answered_at": at(1), "row": 10}),
    ],
    ids=[
        *("time", "time before order", "order", "no order is last"),
        *("no time is last", "delivery", "file", "row"),
    ],
)
def test_student_groups_of_several_the_last_in_the_order_of_events_counts(grouped, earlier, later):
    # the rows stand the other way round, unless they decide
    old = {"row": 2, "student_group": "old"} | earlier
    new = {"row": 1, "student_group": "new"} | later

    for given in ((old, new), (new, old)):
        assert rows(grouped(*given), "student_key", "student_group") == [("k", "new")]


def test_student_groups_a_later_response_without_a_group_changes_nothing(grouped):
    made = grouped({"answered_at": at(1), "student_group": "x"}, {"answered_at": at(2)})

    assert rows(made, "student_key", "student_group") == [("k", "x")]


def test_student_groups_students_of_two_sources_are_apart_and_unnamed_ones_have_none(grouped):
    made = grouped(
        {"student_group": "x"},
        {"source": "t", "student_group": "y"},
        {"student_id": "bob"},
        {"student_id": None, "student_group": "z"},
    )

    assert rows(made, "student_key", "student_group") == [("k", "x"), ("k-t", "y")]


def test_items_of_catalogue_and_events_are_united_and_counted(events, catalogue):
    made = items(
        catalogue(
            ("i1", "choose", True, ["k2", "k1"], "One and one"), ("i2", None, None, [], None)
        ),
        events({}, {}, {"item_id": "s:i:3", "skill_ids": ["s:k1"]}),
    )

    assert schema_differences(ITEMS, dict(made.dtypes)) == []
    columns = ("item_id", "source_item_id", "in_catalogue", "n_events", "skill_ids", "title")
    assert [tuple(row) for row in made.orderBy("item_id").select(*columns).collect()] == [
        ("s:i1", "i1", True, 2, ["s:k1", "s:k2"], "One and one"),
        ("s:i2", "i2", True, 0, [], None),
        ("s:i:3", "i:3", False, 1, ["s:k1"], None),
    ]
    assert rows(made.filter("source IS NULL OR source <> 's'"), "item_id") == []


def test_items_skills_are_the_catalogues_else_all_the_events_give(events, catalogue):
    made = items(
        catalogue(("tagged", None, None, ["k1"], None), ("bare", None, None, [], None)),
        events(
            {"item_id": "s:tagged", "skill_ids": ["s:k9"]},
            {"item_id": "s:bare", "skill_ids": ["s:k3"]},
            {"item_id": "s:bare", "skill_ids": ["s:k2", "s:k3"]},
        ),
    )

    assert rows(made, "item_id", "skill_ids") == [
        ("s:bare", ["s:k2", "s:k3"]),
        ("s:tagged", ["s:k1"]),
    ]


def test_items_described_twice_become_one_row(events, catalogue):
    made = items(
        catalogue(("i1", None, None, ["k2"], None), ("i1", "choose", True, ["k1"], "One")),
        events({}),
    )

    assert rows(made, "item_id", "item_type", "is_guessable", "skill_ids", "n_events") == [
        ("s:i1", "choose", True, ["s:k1", "s:k2"], 1)
    ]


def test_skills_of_catalogue_and_events_are_united_named_and_counted(events, listed):
    made = skills(
        listed(("k1", "Counting", ["k2"]), ("k2", " ", [])),
        events({"skill_ids": ["s:k1", "s:k3"]}, {"skill_ids": ["s:k1"]}),
    )

    assert schema_differences(SKILLS, dict(made.dtypes)) == []
    assert rows(made, "skill_id", "source", "name", "prerequisite_ids", "n_events") == [
        ("s:k1", "s", "Counting", ["s:k2"], 2),
        ("s:k2", "s", "k2", [], 0),
        ("s:k3", "s", "k3", [], 1),
    ]


def found(**prerequisites):
    """Rows of silver.skills as they come back from Spark: lists as arrays."""
    return pd.DataFrame(
        {
            "skill_id": list(prerequisites),
            "prerequisite_ids": [np.array(each, dtype=object) for each in prerequisites.values()],
        }
    )


def prerequisites(frame):
    return dict(zip(frame["skill_id"], frame["prerequisite_ids"], strict=True))


def test_with_usable_prerequisites_keeps_a_graph_without_cycles():
    usable, dropped = with_usable_prerequisites(found(a=[], b=["a"], c=["b", "a"]))

    assert prerequisites(usable) == {"a": [], "b": ["a"], "c": ["a", "b"]}
    assert dropped == 0


def test_with_usable_prerequisites_drops_and_counts_cycles_loops_and_unknown_skills():
    usable, dropped = with_usable_prerequisites(
        found(a=["c", "start"], b=["a"], c=["b"], start=[], loop=["loop"], end=["c", "nowhere"])
    )

    assert prerequisites(usable) == {
        "a": ["start"],
        "b": [],
        "c": [],
        "start": [],
        "loop": [],
        "end": ["c"],
    }
    assert dropped == 5


def test_with_usable_prerequisites_no_skill_at_all_is_no_error():
    usable, dropped = with_usable_prerequisites(found())

    assert len(usable) == 0
    assert dropped == 0


def test_acyclic_edges_within_a_cycle_go_and_those_between_cycles_stay():
    one, other = [("a", "b"), ("b", "a")], [("c", "d"), ("d", "c")]

    assert acyclic([*one, ("a", "c"), *other, ("d", "e")]) == [("a", "c"), ("d", "e")]


def test_acyclic_random_graphs_leave_an_order_to_learn_in():
    random = np.random.default_rng(7)
    for _ in range(20):
        edges = [(str(a), str(b)) for a, b in random.integers(0, 12, size=(25, 2))]
        kept = acyclic(list(dict.fromkeys(edges)))

        after = pd.DataFrame(kept, columns=["before", "skill"])
        open_skills = set(after["before"]) | set(after["skill"])
        while open_skills:  # take away what nothing open stands before
            waiting = set(after[after["before"].isin(open_skills)]["skill"])
            ready = open_skills - waiting
            assert ready, "a cycle is left"
            open_skills -= ready
