"""What of a stream's checkpoint is cut off, changed or gone."""

import shutil

import pytest

from deepkt_irt.tables.stream_checkpoint import damaged_part

WHOLE = {
    "metadata": '{"id":"d6785f9a"}',
    "offsets/0": 'v1\n{"batchWatermarkMs":0}\n{"logOffset":0}',
    "offsets/1": 'v1\n{"batchWatermarkMs":0}\n-',
    "commits/0": 'v1\n{"nextBatchWatermarkMs":0}',
    "sources/0/0": 'v1\n{"path":"a.csv"}\n{"path":"b.csv"}',
    "sources/0/9.compact": "v1",
    "sources/0/rocksdb": "\x00\x01",  # Auto Loader's own, not looked at
}
LOOKED_AT = [name for name in WHOLE if "rocksdb" not in name]


@pytest.fixture
def checkpoint(tmp_path):
    for name, text in WHOLE.items():
        path = tmp_path / "ingest" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "ingest"


def test_whole_one_has_no_damaged_part(checkpoint):
    assert damaged_part(checkpoint) is None


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b'v1\n{"batch', b'{"id":'])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_file_cut_off_or_overwritten_is_named(checkpoint, name, content):
    (checkpoint / name).write_bytes(content)

    assert damaged_part(checkpoint) == checkpoint / name


@pytest.mark.parametrize("name", ["metadata", "sources"])
def test_what_a_planned_batch_rests_on_must_be_there(checkpoint, name):
    gone = checkpoint / name
    gone.unlink() if gone.is_file() else shutil.rmtree(gone)

    assert damaged_part(checkpoint) == {"metadata": gone, "sources": gone / "0"}[name]


def test_before_a_batch_was_planned_no_source_is_needed(checkpoint):
    for folder in ("offsets", "sources"):
        shutil.rmtree(checkpoint / folder)

    assert damaged_part(checkpoint) is None
