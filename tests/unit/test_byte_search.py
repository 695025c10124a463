"""A text is found in whatever form a file holds it, and only as a whole word."""

import gzip
import sqlite3
import zipfile
from contextlib import closing

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepkt_irt.governance.byte_search import byte_search
from deepkt_irt.governance.redaction import is_telling, redacted

ID = "ann-4711"


def parquet(path, values):
    # dictionary pages, compressed: the text stands nowhere in the bytes
    pq.write_table(pa.table({"x": values}), path, compression="zstd", write_statistics=False)


def database(path):
    with closing(sqlite3.connect(path)) as made:
        made.execute('CREATE TABLE "od""d" (n INTEGER, x TEXT)')
        made.execute('INSERT INTO "od""d" VALUES (1, ?)', ["x" * 10_000 + f" {ID} "])
        made.commit()


def packed(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("inside.txt", f"{ID} " * 50)


NESTED = pa.array(
    [[{"id": "x" * 300, "m": [("k", ID)]}]],
    pa.list_(pa.struct([("id", pa.string()), ("m", pa.map_(pa.string(), pa.string()))])),
)
HOLDING = {
    "plain.txt": (lambda path: path.write_text(f"<{ID}>"), "bytes"),
    f"{ID}.txt": (lambda path: path.write_text(""), "name"),
    "log.gz": (lambda path: path.write_bytes(gzip.compress(f"{ID} ".encode() * 9)), "values"),
    "flat.parquet": (lambda path: parquet(path, pa.array(["x", ID] * 999)), None),
    "nested.parquet": (lambda path: parquet(path, NESTED), None),
    "a.db": (database, None),
    "a.zip": (packed, "values"),
}


@pytest.mark.parametrize("name", HOLDING)
def test_text_is_found(tmp_path, name):
    write, inside = HOLDING[name]
    write(tmp_path / name)

    searched = byte_search([tmp_path], {"id": ID})

    assert [(hit.path.name, hit.label) for hit in searched.hits] == [(name, "id")]
    assert inside in {None, searched.hits[0].inside}
    assert searched.n_files == 1


@pytest.mark.parametrize("text", ["ann-47110", "xann-4711", "ann 4711", ""])
def test_longer_words_and_other_texts_are_not_found(tmp_path, text):
    (tmp_path / "a.txt").write_text(text)
    parquet(tmp_path / "a.parquet", pa.array([text]))

    assert byte_search([tmp_path, tmp_path / "absent"], {"id": ID}).hits == []


def test_id_that_json_escapes_is_found(tmp_path):
    (tmp_path / "a.json").write_text('{"id": "jos\\u00e9-1"}')

    assert len(byte_search([tmp_path], {"id": "josé-1"}).hits) == 1


def test_folders_left_out_are_not_searched(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(ID)

    assert byte_search([tmp_path], {"id": ID}, besides=[tmp_path / "in"]).n_files == 0


def test_cut_off_gz_is_searched_by_its_bytes(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 5_000)[:-9])

    assert byte_search([tmp_path], {"id": ID}).hits == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"no {ID}, nor {ID}0", f"no [erased], nor {ID}0"),
        ("item 12 of 12", "item 12 of 12"),  # too short to be told from others
    ],
)
def test_redacted_masks_whole_words_that_are_telling(text, expected):
    assert redacted(text, [ID, "12"]) == expected


@pytest.mark.parametrize(
    ("value", "telling"), [("test", False), ("123456", False), ("123456789012", True), (ID, True)]
)
def test_is_telling_of_long_values_that_are_no_short_numbers(value, telling):
    assert is_telling(value) is telling
