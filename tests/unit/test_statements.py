"""What xAPI statements and Caliper events say, column by column."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.sources import caliper, xapi
from deepkt_irt.sources.layout import duration
from made_up_statements import ACTIVITIES, HOME, voiding
from made_up_statements import caliper as event
from made_up_statements import xapi as statement

NUMBER = st.from_regex(r"[0-9]{1,4}(\.[0-9]{1,3})?", fullmatch=True)


def said(flat):
    return {name: value for name, value in flat.items() if value}


def test_xapi_answer_says_who_what_when_how_well_and_on_which_skill():
    result = {"success": False, "score": {"scaled": 0.25}, "response": "B", "duration": "PT7.5S"}

    assert said(xapi.flat(statement(1, result=result))) == {
        "statement_id": "00000000-0000-4000-8000-000000000001",
        "student_id": f"{HOME}|ann",
        "verb": "http://adlnet.gov/expapi/verbs/answered",
        "role": "response",
        "object_id": f"{HOME}/item/q1",
        "item_type": "choice",
        "title": "Question q1",
        "skill_ids": f"{HOME}/skill/fractions",
        "skill_names": "Fractions",
        "answered_at": "2026-02-02T09:00:00Z",
        "success": "false",
        "score": "0.25",
        "answer": "B",
        "duration": "PT7.5S",
        "registration": "r1",
    }


@pytest.mark.parametrize(
    ("verb", "role"),
    [
        ("http://adlnet.gov/expapi/verbs/answered", "response"),
        ("https://w3id.org/xapi/acrossx/verbs/evaluated", "response"),
        ("http://adlnet.gov/expapi/verbs/attempted", "progress"),
        ("http://adlnet.gov/expapi/verbs/asked", "hint"),
        ("http://adlnet.gov/expapi/verbs/voided", "void"),
        ("https://w3id.org/xapi/video/verbs/played", ""),
    ],
)
def test_xapi_verb_tells_the_role_wherever_its_home_is(verb, role):
    assert xapi.flat(statement(1) | {"verb": {"id": verb}})["role"] == role


def test_xapi_actor_is_an_account_or_a_mail_address_hashed_as_specified():
    mail = "mailto:ann@lms.example"
    hashed = hashlib.sha1(mail.encode()).hexdigest()  # noqa: S324 - the specification's

    def student(actor):
        return xapi.flat(statement(1) | {"actor": actor})["student_id"]

    assert student({"mbox": mail}) == student({"mbox_sha1sum": hashed.upper()}) == hashed
    assert student({"openid": f"{HOME}/ann"}) == f"{HOME}/ann"
    assert student({"account": {"homePage": HOME, "name": " "}}) == ""
    assert student({"objectType": "Group", "account": {"homePage": HOME, "name": "7b"}}) == ""


@pytest.mark.parametrize(
    ("score", "share"),
    [
        ({"scaled": 1}, "1"),
        ({"raw": 3, "max": 4}, "0.75"),
        ({"raw": 3, "min": 2, "max": 4}, "0.5"),
        ({"raw": 3}, ""),
        ({"raw": 3, "max": 0}, ""),
        ({"raw": "3", "max": 4}, ""),
        ({"raw": 10**400, "max": 4}, ""),
        ("high", ""),
    ],
)
def test_xapi_score_is_scaled_or_worked_out_where_its_range_is_known(score, share):
    assert xapi.flat(statement(1, result={"score": score}))["score"] == share


def test_xapi_skills_are_an_extension_else_objectives_else_what_the_item_is_part_of():
    known = statement(1)
    extended = statement(1)
    extended["object"]["definition"]["extensions"] = {
        f"{HOME}/ext/skills": ["adding", {"id": "s2", "name": "Sub\ntraction"}, "adding"]
    }
    without = statement(1)
    activities = without["context"]["contextActivities"]
    activities["other"] = []
    activities["grouping"] = {"id": "course", "definition": {"type": f"{ACTIVITIES}/course"}}

    assert xapi.flat(known)["skill_ids"] == f"{HOME}/skill/fractions"
    assert xapi.flat(extended)["skill_ids"] == "adding\ns2"
    assert xapi.flat(extended)["skill_names"] == "\nSub traction"
    assert xapi.flat(without)["skill_ids"] == f"{HOME}/quiz"
    assert xapi.flat(without)["class_id"] == "course"
    del activities["parent"]
    assert xapi.flat(without)["skill_ids"] == ""  # a course is a class, no skill


def test_xapi_hint_below_an_item_is_of_the_item_and_a_shown_answer_is_no_hint():
    hint = xapi.flat(statement(1, verb="asked", item="q1/hint/2"))
    shown = xapi.flat(statement(1, verb="asked", item="q1/answer"))
    answer = xapi.flat(statement(1, item="q1/hint/2"))

    assert (hint["role"], hint["object_id"]) == ("hint", f"{HOME}/item/q1")
    assert (shown["role"], shown["object_id"]) == ("answer", f"{HOME}/item/q1")
    assert answer["object_id"] == f"{HOME}/item/q1/hint/2"


def test_xapi_voiding_names_its_target():
    void = xapi.flat(voiding(2, target=1))

    assert (void["role"], void["object_id"]) == ("void", "00000000-0000-4000-8000-000000000001")


def test_caliper_response_has_attempt_answer_class_and_no_result():
    flat = caliper.flat(event(1, "AssessmentItemEvent", "Completed", value="B", duration="PT9S"))

    assert said(flat) == {
        "statement_id": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "student_id": f"{HOME}/user/ann",
        "verb": "AssessmentItemEvent Completed",
        "role": "response",
        "object_id": f"{HOME}/item/q1",
        "item_type": "multiple choice",
        "title": "Question q1",
        "skill_ids": "fractions\nadding",
        "answered_at": "2026-02-02T09:00:00Z",
        "answer": "B",
        "duration": "PT9S",
        "attempt_id": f"{HOME}/attempt/ann/q1/1",
        "attempt_count": "1",
        "registration": f"{HOME}/attempt/ann",
        "class_id": f"{HOME}/class/7b",
    }


def test_caliper_grade_is_of_the_assignee_and_of_what_was_assigned():
    flat = caliper.flat(event(1, "GradeEvent", "Graded", given=3, most=4))

    assert flat["student_id"] == f"{HOME}/user/ann"
    assert flat["object_id"] == f"{HOME}/item/q1"
    assert flat["attempt_id"] == f"{HOME}/attempt/ann/q1/1"
    assert (flat["role"], flat["score"]) == ("grade", "0.75")


@pytest.mark.parametrize(
    ("kind", "action", "role"),
    [
        ("AssessmentItemEvent", "Submitted", "response"),
        ("AssessmentItemEvent", "Started", "progress"),
        ("AssessmentItemEvent", "Skipped", "progress"),
        ("AssessmentEvent", "Submitted", "progress"),
        ("NavigationEvent", "NavigatedTo", ""),
    ],
)
def test_caliper_type_and_action_tell_the_role(kind, action, role):
    assert caliper.flat(event(1, kind, action))["role"] == role


def test_caliper_entities_may_be_given_by_their_ids_alone():
    short = event(1, "AssessmentItemEvent", "Completed", values=["A", "C"])
    short |= {"actor": "urn:ann", "object": "urn:q1", "group": "urn:7b"}
    short["generated"]["attempt"] = "urn:try"

    flat = caliper.flat(short)

    assert (flat["student_id"], flat["object_id"], flat["class_id"]) == (
        "urn:ann",
        "urn:q1",
        "urn:7b",
    )
    assert (flat["attempt_id"], flat["answer"]) == ("urn:try", '["A", "C"]')


@pytest.mark.parametrize(
    ("start", "end", "duration"),
    [
        ("2026-02-02T09:00:00Z", "2026-02-02T09:01:00.5Z", "PT60.500S"),
        ("2026-02-02T09:00:00Z", "2026-02-02T09:00:00Z", ""),
        ("2026-02-02T09:00:00", "2026-02-02T09:01:00Z", ""),
        (None, "2026-02-02T09:01:00Z", ""),
        ("0001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", ""),
    ],
)
def test_caliper_duration_is_worked_out_where_start_and_end_are_told(start, end, duration):
    told = {"startedAtTime": start, "endedAtTime": end}
    one = event(1, "AssessmentItemEvent", "Completed", **told)
    other = event(1, "AssessmentItemEvent", "Completed", duration="PT1S", **told)

    assert caliper.flat(one)["duration"] == duration
    assert caliper.flat(other)["duration"] == "PT1S"


def test_caliper_objectives_are_skills_where_no_extension_names_some():
    told = event(1, "AssessmentItemEvent", "Completed")
    told["object"] = {
        "id": "q",
        "learningObjectives": [{"id": "urn:lo", "name": "Adding"}, "urn:other"],
    }

    flat = caliper.flat(told)

    assert (flat["skill_ids"], flat["skill_names"]) == ("urn:lo\nurn:other", "Adding\n")


@given(weeks=NUMBER | st.none(), days=NUMBER | st.none(), time=st.tuples(*[NUMBER | st.none()] * 3))
def test_duration_every_sum_of_units_passes_and_nothing_else(weeks, days, time):
    clock = "".join(f"{n}{unit}" for n, unit in zip(time, "HMS", strict=True) if n)
    text = f"{days}D" if days else ""
    text = f"P{text}T{clock}" if clock else f"P{text}"

    assert (duration(text) is None) == (text != "P")
    if weeks:  # weeks stand alone
        assert duration(f"P{weeks}W") is None
        assert (duration(f"{text}{weeks}W") is None) == (text == "P")


@pytest.mark.parametrize("value", ["", "P", "PT", "P1Y", "P1M", "PT-5S", "-PT5S", "5", "PT1S2M"])
def test_duration_what_has_no_fixed_length_or_no_unit_is_refused(value):
    assert duration(value) is not None
