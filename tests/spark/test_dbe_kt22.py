"""DBE-KT22: the content behind the responses."""

import json
from datetime import UTC, datetime

import pytest

from conftest import rows
from deepkt_irt.jobs.ingest_bronze import ingest_bronze
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.bronze import RAW_CONTENT, RAW_RESPONSES, TABLES

pytestmark = pytest.mark.spark

SOURCE = source_named("dbe_kt22")


@pytest.fixture
def canonical(frame):
    def build(content, answers=()):
        provenance = {"_source": "dbe_kt22", "_file": "a.csv", "_batch_id": 0}
        provenance["_ingested_at"] = datetime(2026, 3, 1, tzinfo=UTC)
        records = [
            {"kind": kind, "content_id": identifier, "body": json.dumps(body)}
            for kind, identifier, body in content
        ]
        return SOURCE.canonical(
            {
                table.qualified_name: frame(
                    table,
                    [{**provenance, "_row": n, **each} for n, each in enumerate(found, start=1)],
                )
                for table, found in ((RAW_CONTENT, records), (RAW_RESPONSES, list(answers)))
            }
        )

    return build


def skill(identifier, name):
    return "skill", identifier, {"name": name, "description": f"what {name} is"}


def relation(before, after):
    body = {"from_knowledgecomponent_id": before, "to_knowledgecomponent_id": after}
    return "skill_relation", f"{before}-{after}", body


def test_canonical_relation_one_way_is_a_prerequisite_both_ways_is_none(canonical):
    found = canonical(
        [
            *(skill("1", "Set"), skill("2", "Subset"), skill("3", "Join")),
            *(relation("1", "2"), relation("1", "3"), relation("3", "1")),
        ]
    )

    assert rows(found.skills, "skill_id", "name", "description", "prerequisite_ids") == [
        ("1", "Set", "what Set is", []),
        ("2", "Subset", "what Subset is", ["1"]),
        ("3", "Join", "what Join is", []),
    ]


def test_canonical_questions_have_title_skills_and_whether_they_offer_choices(canonical):
    answer = {
        "student_id": "s", "item_id": "7", "correct": "1", "answered_at": "5",
        "skill_ids": "1_9", "skill_separator": "_",
    }  # fmt: skip
    found = canonical(
        [
            ("question", "5", {"question_text": "What is\n  a set?", "question_title": "Sets"}),
            ("question", "6", {"question_title": "Only a title"}),
            ("choice", "1", {"question_id": "5", "choice_text": "a thing"}),
            ("question_skill", "1", {"question_id": "5", "knowledgecomponent_id": "2"}),
            ("question_skill", "2", {"question_id": "5", "knowledgecomponent_id": "1"}),
            skill("1", "Set"),
        ],
        [answer],
    )

    items = {row["item_id"]: row.asDict() for row in found.items.collect()}
    assert items["5"]["title"] == "What is a set?"
    assert items["5"]["skill_ids"] == ["1", "2"]
    assert items["5"]["is_guessable"] is True
    assert items["6"]["title"] == "Only a title"
    assert items["6"]["is_guessable"] is None
    assert rows(found.responses, "item_id", "skill_ids") == [("7", ["1", "9"])]
    # a skill without a name in the catalogue is still one
    assert rows(found.skills.na.fill(""), "skill_id", "name") == [("1", "Set"), ("9", "")]


@pytest.mark.nightly
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.usefixtures("many_rows")
def test_canonical_research_folder_gives_all_responses_and_content(context, store, shared_data):
    ctx = context(TASKS["ingest_bronze"])
    land(SOURCE, shared_data / "dbe_kt22", ctx.landing, mapping=None)
    ingest_bronze(ctx)

    found = SOURCE.canonical({table.qualified_name: store.read(table) for table in TABLES})

    assert found.responses.count() == 158_342
    assert found.rejected.count() == 0
    assert found.items.filter("title IS NOT NULL AND size(skill_ids) > 0").count() == 212
    assert found.skills.filter("name IS NOT NULL AND description IS NOT NULL").count() == 98
    # the published relations all stand both ways, so none says what comes first
    assert found.skills.filter("size(prerequisite_ids) > 0").count() == 0
