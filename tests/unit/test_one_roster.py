"""Files of OneRoster, both versions: what is read of them, what is refused, what is never kept."""

import pytest

from deepkt_irt.settings import RosterSettings
from deepkt_irt.sources.one_roster import SOURCE
from deepkt_irt.sources.reader import inspect, records

COMMON = "sourcedId,status,dateLastModified,"
USERS_11 = (
    COMMON + "enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,"
    "identifier,email,sms,phone,agentSourcedIds,grades,password\n"
    'u1,,,true,"s1,s2",student,ann,"{LMS:7}",Ann,Arbor,,4711,ann@x.org,,555,g1,"07",hunter2\n'
)
USERS_12 = (
    COMMON + "enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,sms,"
    "phone,agentSourcedIds,grades,password,userMasterIdentifier,resourceSourcedIds,"
    "preferredGivenName,preferredMiddleName,preferredFamilyName,primaryOrgSourcedId,pronouns\n"
    "u1,active,2026-02-01T08:00:00Z,true,ann,,Ann,Arbor,,4711,ann@x.org,,555,g1,07,hunter2,,,Annie"
    ",,,s1,she\n"
)
ENROLLMENTS = (
    COMMON + "classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n"
)


def read(folder, name, text):
    path = folder / name
    path.write_text(text)
    layout = SOURCE.layout_of(name)
    assert layout is not None
    inspect(path, layout)
    return list(records(path, layout, max_field_characters=1_000))


@pytest.mark.parametrize("text", [USERS_11, USERS_12], ids=["1.1", "1.2"])
def test_user_is_known_by_ids_and_never_by_name_number_or_password(tmp_path, text):
    (found,) = read(tmp_path, "users.csv", text)

    assert found.kept is not None
    told = {"kind": "users", "user_id": "u1", "username": "ann", "email": "ann@x.org"}
    told |= {"identifier": "4711", "agent_ids": "g1", "grades": "07", "enabled": "true"}
    assert told.items() <= found.kept.items()
    kept = " ".join(filter(None, found.kept.values()))
    assert not any(secret in kept for secret in ("Ann", "Arbor", "555", "hunter2", "she"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("academicSessions.csv", "academicSessions"),
        ("Users-2026-09-01.csv.gz", "users"),
        ("manifest_2.csv", "manifest"),
        ("userProfiles.csv", None),
        ("demographics.csv", None),  # nothing is made of it, so it is not to lie here
        ("usersold.csv", None),
    ],
)
def test_file_is_told_by_the_name_the_specification_gives_it(name, kind):
    layout = SOURCE.layout_of(name)

    assert (layout.constants["kind"] if layout else None) == kind


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("e1,,,c,s,u,student,true,2026-02-01,2026-07-01", None),
        ("e1,tobedeleted,2026-02-01T08:00:00.000Z,,,,,,,", None),
        (",,,c,s,u,student,,,", "sourcedId"),
        ("e1,deleted,,c,s,u,student,,,", "status"),
        ("e1,,yesterday,c,s,u,student,,,", "dateLastModified"),
        ("e1,,,c,s,u,student,,02/01/2026,", "beginDate"),
        ("e1,,,c,s,u,student,,,2026-02-30", "endDate"),
    ],
)
def test_enrolment_is_kept_or_refused_with_the_column_at_fault(tmp_path, row, column):
    (found,) = read(tmp_path, "enrollments.csv", ENROLLMENTS + row + "\n")

    assert (found.kept is None, found.column) == (column is not None, column)


@pytest.mark.parametrize("by", ["sourced_id", "username", "email", "identifier", "user_id:LMS"])
def test_people_may_be_known_by_any_id_of_a_roster(by):
    assert RosterSettings(student=by, teacher=by).student == by


@pytest.mark.parametrize("by", ["name", "user_id:", "user_id:a:b", "email "])
def test_people_cannot_be_known_by_anything_else(by):
    with pytest.raises(ValueError, match="student"):
        RosterSettings(student=by)
