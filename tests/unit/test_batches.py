"""Records as Arrow batches, none of them larger than memory has room for."""

import pytest

from deepkt_irt.sources import blocks
from deepkt_irt.sources.batches import Parsing, kept_batches, refused_batches
from deepkt_irt.sources.responses_csv import mapped_layout

LAYOUT = mapped_layout({"student_id": "user", "item_id": "item", "correct": "ok", "answer": "said"})
HEADER = "user,item,ok,said\n"


@pytest.fixture
def parsing(tmp_path):
    def write(*rows):
        path = tmp_path / "a.csv"
        path.write_text(HEADER + "".join(rows))
        return Parsing("responses_csv", "a.csv", path, LAYOUT, 100_000)

    return write


def test_long_records_make_batches_of_few(parsing, monkeypatch):
    monkeypatch.setattr(blocks, "_CHARACTERS", 10_000)
    made = parsing(*(f'u,i,1,"{"x" * 4_000}"\n' for _ in range(9)), "u,i,1,\n")

    assert [batch.num_rows for batch in kept_batches(made)] == [3, 3, 3, 1]


def test_long_refused_records_do_so_too(parsing, monkeypatch):
    monkeypatch.setattr(blocks, "_CHARACTERS", 10_000)
    made = parsing(*(f'u,i,2,"{"x" * 6_000}"\n' for _ in range(3)))

    found = list(refused_batches(made))

    assert [batch.num_rows for batch in found] == [2, 1]
    assert [row for batch in found for row in batch.column("row").to_pylist()] == [1, 2, 3]


@pytest.mark.parametrize("value", ["", '""'])  # judged all at once, and one by one
def test_records_make_batches_of_as_many_bytes_or_records_as_are_held(parsing, monkeypatch, value):
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 28)
    monkeypatch.setattr(blocks, "_ROWS", 4)

    found = [each.num_rows for each in kept_batches(parsing(*[f"u,i,1,{value}\n"] * 10))]

    assert sum(found) == 10
    assert max(found) <= 4


def test_no_record_makes_no_batch(parsing):
    assert list(kept_batches(parsing())) == []
