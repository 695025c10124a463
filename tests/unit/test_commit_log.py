"""The Delta log of a local table: what the last commit was, and files that are not whole."""

import json

import pytest

from deepkt_irt.errors import DamagedTable
from deepkt_irt.tables.commit_log import last_change, last_commit

ADDED = {"add": {"path": "a.parquet", "dataChange": True}}
COMPACTED = {"add": {"path": "b.parquet", "dataChange": False}}


def info(**metrics):
    return {"commitInfo": {"operationMetrics": metrics}}


@pytest.fixture
def log(tmp_path):
    """Writes commits, each a list of entries, and gives their folder."""

    def write(*commits):
        for version, entries in enumerate(commits):
            text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
            (tmp_path / f"{version:020d}.json").write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_last_commit_says_version_and_metrics(log):
    made = log([info()], [info(numOutputRows="3"), ADDED])

    assert last_commit(made) == (1, {"numOutputRows": "3"})


def test_last_commit_without_metrics_has_none(log):
    assert last_commit(log([{"commitInfo": {}}])) == (0, {})
    assert last_commit(log([ADDED])) == (0, {})


def test_text_with_separators_of_its_own_stays_one_entry(log):
    told = {"metaData": {"description": "one\u2028two\x85three"}}

    assert last_commit(log([told, info(numOutputRows="1")])) == (0, {"numOutputRows": "1"})


def test_last_change_passes_over_commits_that_keep_all_rows(log):
    assert last_change(log([info()], [ADDED], [info(), COMPACTED], [info()])) == 1
    assert last_change(log([info()], [{"remove": {"path": "a", "dataChange": True}}])) == 1


def test_last_change_of_a_log_without_rows_is_its_first_commit(log):
    assert last_change(log([info()], [COMPACTED])) == 0


@pytest.mark.parametrize("content", [b"", b"\n", b'{"commitInfo": {"operat', b"\xff\xfe", b"[]\n"])
@pytest.mark.parametrize("look", [last_commit, last_change])
def test_commit_that_is_not_whole_is_named_with_what_to_do(log, look, content):
    damaged = log([info()], [ADDED]) / f"{1:020d}.json"
    damaged.write_bytes(content)

    with pytest.raises(
        DamagedTable, match=r"000001\.json: .*damaged.*from a copy of the lake"
    ) as e:
        look(damaged.parent)
    assert str(e.value).isprintable()
