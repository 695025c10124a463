"""Where a student is looked for follows from the contracts, and what nobody knows is refused."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepkt_irt.governance.erasure import (
    Learnt,
    Note,
    models_that_learnt,
    report,
    report_hash,
    searches,
)
from deepkt_irt.jobs.retention import KEPT
from deepkt_irt.reporting.erasure import Proof, as_json, render_text
from deepkt_irt.settings import RetentionSettings
from deepkt_irt.tables.bronze import RAW_ASSIGNMENT_DETAILS, RAW_RESPONSES
from deepkt_irt.tables.contract import Column, Layer, Privacy, Table
from deepkt_irt.tables.gold import STUDENT, STUDENT_MASTERY
from deepkt_irt.tables.registry import TABLES
from deepkt_irt.tables.rosters import ROSTER_STUDENTS, ROSTER_TEACHERS
from deepkt_irt.tables.silver import CLASS_TEACHERS, STUDENT_KEYS

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)


def table(*columns: Column) -> Table:
    return Table(Layer.GOLD, "probe", "A probe.", columns, (columns[0].name,))


def identifier(name: str, type_: str = "string") -> Column:
    return Column(name, type_, "an id", privacy=Privacy.IDENTIFIER)


def test_searches_every_table_with_a_student_key_and_none_without():
    found = {each.table.qualified_name: each.columns for each in searches(TABLES)}

    keyed = [each for each in TABLES if "student_key" in each.column_names]
    assert {each.qualified_name for each in keyed} <= found.keys()
    assert found[STUDENT_MASTERY.qualified_name] == ("student_key",)
    assert found[RAW_RESPONSES.qualified_name] == ("student_id",)
    assert found["bronze.raw_assignment_relationships"] == (
        "unit_test_assignment_log_id",
        "in_unit_assignment_log_id",
    )
    assert found["bronze.raw_rosters"] == ("user_id", "agent_ids")
    assert found[ROSTER_STUDENTS.qualified_name] == ("user_id", "student_key")
    assert not {CLASS_TEACHERS.qualified_name, ROSTER_TEACHERS.qualified_name} & found.keys()
    assert "silver.items" not in found


def test_searches_end_with_what_tells_which_values_are_the_student_s():
    order = [each.table for each in searches(TABLES)]

    assert order[-3:] == [RAW_ASSIGNMENT_DETAILS, ROSTER_STUDENTS, STUDENT_KEYS]


@pytest.mark.parametrize(
    "columns",
    [
        (identifier("guardian"),),
        (STUDENT, identifier("guardian")),
        (identifier("answer"),),  # beside no student, so nothing says whose it is
        (replace(STUDENT, type="array<string>"),),
    ],
)
def test_searches_refuse_a_tagged_column_that_no_rule_knows(columns):
    with pytest.raises(ValueError, match=r"gold\.probe: say in governance"):
        searches([table(*columns)])


def test_no_table_is_clustered_by_what_names_a_person():
    with pytest.raises(ValueError, match="cluster student_key, which names a person"):
        replace(table(STUDENT), cluster_by=("student_key",))


def test_models_made_since_the_student_was_known_are_named_with_what_they_did():
    before = Learnt("sakt", "1", NOW - timedelta(days=1))
    since = Learnt("sakt", "2", NOW + timedelta(days=1))

    def found(split, known_since=NOW):
        return models_that_learnt([before, since], split=split, known_since=known_since)

    assert found("train") == [(since, "trained on the student")]
    assert found("test") == [(since, "evaluated on the student, not trained")]
    assert found(None) == []
    assert found("train", None) == []


def test_report_is_the_same_for_the_same_notes_and_its_hash_tells_any_change():
    notes = [
        Note("found", "gold.student_mastery", 3, "equality in student_key"),
        Note("model", "sakt version 2", None, "trained on the student", due_at=NOW),
        Note("left", "gold.student_mastery", 0, "equality in student_key", noted_at=NOW),
    ]

    def made(lines):
        return report("token", lines, requested_at=NOW, officer=None)

    told = made(notes)
    assert told == made(notes)
    assert told["model"][0]["retrain_by"] == NOW.isoformat()
    assert told["erased_at"] == NOW.isoformat()
    assert report_hash(json.loads(json.dumps(told))) == told["sha256"]
    assert made([replace(notes[0], n=4), *notes[1:]])["sha256"] != told["sha256"]


def test_every_retention_is_of_a_table_and_a_time_it_has():
    assert {setting for _, _, setting in KEPT} == set(RetentionSettings.model_fields)
    for each, column, _ in KEPT:
        assert each.column(column).type == "timestamp"


def test_shown_proof_says_what_was_found_what_learnt_and_who_signed():
    notes = [
        Note("found", "gold.student_mastery", 1_234, "equality in student_key"),
        Note("found", "silver.users", 0, "equality in student_key"),
        Note("model", "sakt version 2", None, "trained on the student", due_at=NOW),
        Note("left", "files", 0, "5 files of 10 bytes, searched for student key"),
    ]
    told = report("token", notes, requested_at=NOW, officer=None)

    shown = render_text([Proof(told, Path("proof.json"))])

    assert "gold.student_mastery: 1,234" in shown
    assert "silver.users" not in shown
    assert "sakt version 2: trained on the student; to be trained anew by 2026-03-01" in shown
    assert "5 files of 10 bytes, searched for student key: 0 found." in shown
    assert "Not signed off; --officer NAME says by whom." in shown
    assert as_json([Proof(told, Path("proof.json"))]) == [told]
    assert render_text([]) == "Nobody is to be forgotten."
