"""Rosters: what the last word on a record is, who is known, and who is in which class when."""

from datetime import UTC, date, datetime, timedelta

import pytest

from conftest import rows
from deepkt_irt.silver import rosters
from deepkt_irt.silver.events import class_key
from deepkt_irt.silver.roster_records import account, records, students
from deepkt_irt.sources.one_roster import canonical
from deepkt_irt.tables.bronze import RAW_ROSTERS
from deepkt_irt.tables.silver import STUDENT_KEYS

pytestmark = pytest.mark.spark

FIRST = datetime(2026, 2, 1, 2, tzinfo=UTC)


@pytest.fixture
def delivered(frame):
    """Rows of bronze: `delivered([(kind, {values}), …], [(kind, …), …])`, one list a day."""

    def build(*deliveries):
        made = []
        for day, told in enumerate(deliveries):
            counts = {}
            for kind, values in told:
                counts[kind] = counts.get(kind, 0) + 1
                place = {"_file": f"2026-02-0{day + 1}/{kind}.csv", "_row": counts[kind]}
                found = {"_batch_id": day, "_ingested_at": FIRST + timedelta(days=day)}
                made.append(values | place | found | {"kind": kind, "_source": "one_roster"})
        return frame(RAW_ROSTERS, made)

    return build


def user(name, **values):
    return "users", {"user_id": name, "role": "student"} | values


def enrolment(name, user_id, class_id="c", **values):
    about = {"sourced_id": name, "user_id": user_id, "class_id": class_id, "role": "student"}
    return "enrollments", about | values


def changed(status, day):
    return {"status": status, "date_last_modified": f"2026-02-{day:02}T08:00:00Z"}


def says(kind, mode):
    return "manifest", {"property": f"file.{kind}", "value": mode}


def standing(told):
    return [(id_, ended and str(ended)) for id_, ended in rows(told, "id", "ended_on")]


def test_whole_roster_ends_what_it_no_longer_names_on_its_own_day_once(delivered):
    told = records(delivered([user("a"), user("b")], [user("a")], [user("a")]))

    assert standing(told.filter("kind = 'users'")) == [("a", None), ("b", "2026-02-02")]


def test_changes_add_replace_and_end_and_leave_the_others(delivered):
    told = records(
        delivered(
            [user("a", grades="07"), user("b"), user("c")],
            [
                user("a", grades="08", **changed("active", 2)),
                user("b", **changed("tobedeleted", 1)),
            ],
            [user("d", **changed("active", 3))],
        )
    )

    assert standing(told) == [("a", None), ("b", "2026-02-01"), ("c", None), ("d", None)]
    assert rows(told.filter("id = 'a'"), "grades") == [("08",)]


def test_change_that_is_older_than_what_is_there_counts_for_nothing(delivered):
    newer, older = changed("active", 5), changed("tobedeleted", 4)

    told = records(delivered([user("a")], [user("a", **newer)], [user("a", **older)]))

    assert standing(told) == [("a", None)]


def test_manifest_says_what_is_whole_whatever_the_status_of_its_records(delivered):
    whole = [says("users", "bulk"), user("a", **changed("active", 1))]
    told = records(
        delivered([*whole, user("b", **changed("active", 1))], whole, [says("users", "bulk")])
    )

    users = told.filter("kind = 'users'")
    assert standing(users) == [("a", None), ("b", "2026-02-02")]  # an empty export ends nobody


def test_whole_roster_that_names_a_deleted_record_again_brings_it_back(delivered):
    gone = user("a", **changed("tobedeleted", 9))

    told = records(delivered([user("a")], [gone], [user("a")]))

    assert standing(told) == [("a", None)]


def test_person_is_known_by_the_value_the_setting_names(delivered):
    ids = {"user_ids": "{SIS:7},{ LMS : l-1 }", "identifier": "4711", "username": " ann "}
    told = records(delivered([("users", {"user_id": "1", "email": "Ann@x.org"} | ids)]))

    named = ("sourced_id", "username", "email", "identifier", "user_id:LMS", "user_id:MIS")
    assert rows(told.select(*map(account, named)), "*") == [
        ("1", "ann", "ann@x.org", "4711", "l-1", None)
    ]


def _keys(frame, *known):
    names = ("source", "student_id", "student_key")
    made = [dict(zip(names, each, strict=True)) | {"created_at": FIRST} for each in known]
    return frame(STUDENT_KEYS, made)


def test_nobody_is_guessed_where_two_have_one_value_here_or_there(delivered, frame):
    addresses = {"1": "Ann@x.org", "2": "ann@x.org", "3": "b@x.org", "4": "c@x.org", "5": ""}
    people = [user(name, email=email) for name, email in addresses.items()]
    told = records(delivered([*people, user("t", role="teacher", email="d@x.org")]))
    keys = [
        ("s", "ann@x.org", "ka"),
        ("s", "http://a/b@x.org", "kb"),
        ("s", "http://c/b@x.org", "k"),
    ]

    known = students(told, _keys(frame, *keys, ("s", "d@x.org", "kd")), by="email")

    assert rows(known, "user_id", "outcome", "student_key") == [
        ("1", "ambiguous", None),
        ("2", "ambiguous", None),
        ("3", "ambiguous", None),
        ("4", "unmatched", None),
        ("5", "unmatched", None),
    ]


def test_who_left_gives_way_to_who_has_the_name_now(delivered, frame):
    told = records(delivered([user("1", username="ann")], [user("2", username="ann")]))

    known = students(told, _keys(frame, ("xapi", "https://x.org|ann", "k")), by="username")

    assert rows(known, "user_id", "known_source", "student_key", "outcome") == [
        ("1", "xapi", None, "unmatched"),
        ("2", "xapi", "k", "matched"),
    ]


def _school():
    term = {"sourced_id": "t", "begin_date": "2026-01-10", "end_date": "2026-07-01"}
    about = {"sourced_id": "c", "org_ids": "s", "term_ids": "t, x", "course_id": "m"}
    return [
        ("academicSessions", term),
        ("courses", {"sourced_id": "m", "grades": "07, 08", "subjects": "maths"}),
        ("classes", about),
        ("orgs", {"sourced_id": "s", "type": "school"}),
        ("orgs", {"sourced_id": "d", "type": "district"}),
    ]


@pytest.mark.nightly
def test_membership_lasts_from_the_first_day_told_of_to_the_first_end(delivered, frame):
    days = {"begin_date": "2026-02-01", "end_date": "2026-03-01"}
    people = [user(name, org_ids="d,s", grades="07") for name in ("a", "b", "c", "d", "e")]
    enrolled = [enrolment("1", "a"), enrolment("2", "b", **days), enrolment("3", "c")]
    enrolled += [enrolment("4", "d", begin_date="2026-02-09"), enrolment("5", "stranger")]
    gone = changed("tobedeleted", 2)
    bare = ("enrollments", {"sourced_id": "3"} | gone)
    ended = [bare, enrolment("4", "d", **gone)]
    told = records(delivered([*_school(), *people, *enrolled], ended))
    known = students(told, _keys(frame, *(("s", n, f"key-{n}") for n in "abcd")), by="sourced_id")

    found = rosters.memberships(told, known)

    assert rows(found, "student_key", "member_from", "member_until") == [
        ("key-a", date(2026, 1, 10), date(2026, 7, 1)),
        ("key-b", date(2026, 2, 1), date(2026, 3, 1)),
        ("key-c", date(2026, 1, 10), date(2026, 2, 2)),
    ]  # d never came
    classes = rosters.classes(told, known)
    shown = ("grades", "subjects", "begins_on", "ends_on", "n_students", "n_known")
    assert rows(classes, *shown) == [
        (["07", "08"], ["maths"], date(2026, 1, 10), date(2026, 7, 1), 3, 2)
    ]
    assert rows(found, "class_key")[0] == rows(classes, "class_key")[0]
    (school,) = {key for (key,) in rows(classes, "school_key")}
    assert rows(rosters.people(told, known), "student_key", "grades", "school_keys") == [
        (f"key-{name}", ["07"], [school]) for name in "abcd"
    ]


def test_teachers_are_those_with_an_account_that_is_open(delivered, spark):
    people = [
        user("t1", role="teacher", email="Ann.Miller@x.org"),
        user("t2", role="teacher"),
        user("t3", role="teacher", email="gone@x.org", enabled="false"),
    ]
    taught = [enrolment(name, name, role="Teacher") for name in ("t1", "t2", "t3")]

    found = rosters.teachers(records(delivered([*_school(), *people, *taught])), by="email")

    key = spark.createDataFrame([("one_roster", "c")], "source string, c string")
    (expected,) = rows(key.select(class_key("c")), "*")
    assert rows(found, "class_key", "teacher", "teaches_from", "teaches_until") == [
        (*expected, "ann.miller@x.org", date(2026, 1, 10), date(2026, 7, 1))
    ]


def test_enrolment_of_nobody_or_in_no_class_is_refused_unless_it_is_to_be_deleted(delivered):
    bare = ("enrollments", {"sourced_id": "9"})
    gone = ("enrollments", {"sourced_id": "8", "status": "tobedeleted"})
    raw = delivered(
        [*_school(), user("a"), enrolment("1", "a"), enrolment("2", "x", "y"), gone, bare]
    )

    refused = canonical({RAW_ROSTERS.qualified_name: raw}).rejected

    assert rows(refused, "row", "column", "reason", "owner") == [
        (2, "class_id", "no classes.csv has y", ""),
        (2, "user_id", "no users.csv has x", ""),
        (4, "class_id", "class_id is empty", ""),
        (4, "user_id", "user_id is empty", ""),
    ]
