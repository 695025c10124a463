"""The page of sources: its connectors work as they stand there, and its table has every source."""

import json
import re

import pytest

from conftest import REPOSITORY
from deepkt_irt.pulling.connection import read_connection
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.reader import inspect, records

PAGE = (REPOSITORY / "docs" / "sources.md").read_text()
CONNECTORS = re.findall(r"(?s)```python\n(.*?)```", PAGE)
CONNECTIONS = re.findall(r"(?s)```toml\n(.*?)```", PAGE)
CSV = "pupil,question,ok,at,topics,mood\nann,q1,1,2026-02-02T09:00:00Z,a;b,fine\nann,q2,9,0,,\n"
EVENT = {
    "uuid": "1",
    "pupil": {"login": "ann"},
    "what": "answer",
    "question": {"key": "q1", "skills": ["a", "b"]},
    "at": "2026-02-02T09:00:00Z",
    "answer": {"result": {"right": True}},
}
JSON = json.dumps(EVENT) + "\n" + json.dumps(EVENT | {"at": "9 o'clock"}) + "\n"


@pytest.mark.parametrize(
    ("code", "file", "content", "skills", "wrong"),
    [
        (CONNECTORS[0], "answers.csv", CSV, "a;b", "ok"),
        (CONNECTORS[1], "events.jsonl", JSON, "a\nb", "answered_at"),
    ],
    ids=["csv", "json"],
)
def test_connector_on_the_page_keeps_a_record_and_refuses_a_wrong_one(
    tmp_path, code, file, content, skills, wrong
):
    made = {}
    exec(code, made)  # noqa: S102 - the page's own
    (tmp_path / file).write_text(content)
    layout = made["SOURCE"].layout_of(file)
    assert layout is not None
    assert inspect(tmp_path / file, layout).n_records == 2

    sound, refused = records(tmp_path / file, layout, max_field_characters=1_000)

    assert sound.kept is not None
    assert (sound.kept["student_id"], sound.kept["skill_ids"]) == ("ann", skills)
    assert (refused.kept, refused.column) == (None, wrong)
    assert len(code.splitlines()) < 60


def test_table_has_every_source_but_the_simulator():
    table = PAGE.split("## What there is")[1].split("\n\n")[1]

    assert set(re.findall(r"`(\w+)`", table)) == set(SOURCES) - {"simulator"}


@pytest.mark.parametrize(("at", "source"), [(0, "sql_server"), (1, "rest_api")])
def test_connection_on_the_page_is_read(tmp_path, at, source):
    (tmp_path / "connection.toml").write_text(CONNECTIONS[at])

    found = read_connection(tmp_path / "connection.toml", source)

    assert found.watermark.kind == "time"
    assert len(CONNECTIONS) == 2
