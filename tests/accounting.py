"""What must hold of any file whatever: it is refused, or every row of it is accounted for."""

import math
import shutil
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pyarrow as pa

from deepkt_irt.errors import DeepktError
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources import blocks, columns
from deepkt_irt.sources.batches import Parsing, kept_batches, refused_batches
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import (
    Layout,
    Rule,
    Source,
    day,
    duration,
    epoch_seconds,
    graded,
    instant,
    share,
)
from deepkt_irt.sources.one_roster import status
from deepkt_irt.sources.reader import inspect
from deepkt_irt.sources.removal import without
from deepkt_irt.sources.zip_files import is_zip, unpack
from made_up_sources import ANN, student

LIMIT = 100_000  # characters of a field, as the settings have it
_WORDS = {
    graded: {"0", "1", "0.0", "1.0", "true", "false"},
    status: {"active", "inactive", "tobedeleted"},
}
_LONGEST_MESSAGE = 2_000
_LONGEST_SECONDS = 10.0


@dataclass(frozen=True)
class Account:
    """What became of a file: refused as a whole, or its rows read, kept and quarantined."""

    refusal: str = ""
    read: int = 0
    kept: int = 0
    quarantined: int = 0


def account_twice(source: Source, path: Path) -> Account:
    """The account of a file, which is the same if it is read as a large one is.

    Raises:
        AssertionError: If it is not, and as `account_of` does.
    """
    found = account_of(source, path)
    with (
        patch.object(blocks, "_BLOCK_BYTES", 150),
        patch.object(blocks, "_PIECE_BYTES", 300),
        patch.object(columns, "_FEW_BYTES", 60),
        patch.object(columns, "_TINY_BYTES", 0),
    ):
        in_pieces = account_of(source, path)
    assert in_pieces == found, f"in pieces and small blocks {in_pieces}, at once {found}"
    return found


def account_of(source: Source, path: Path) -> Account:
    """Read a file as the ingest does, and hold what comes of it against the rules.

    Raises:
        AssertionError: If a row is lost or doubled, a kept value is not valid, or a message names
            no file or no fix.
        Exception: Whatever escapes the reader; nothing may.
    """
    start = time.perf_counter()
    found = _account_of_zip(source, path) if is_zip(path) else _account_of(source, path)
    assert time.perf_counter() - start < _LONGEST_SECONDS, "it took too long"
    return found


def _account_of_zip(source: Source, path: Path) -> Account:
    """The accounts of the files it holds, added up; the first one refused stands for all."""
    folder = path.with_name(f"unpacked-{path.name}")
    try:
        unpack(path, folder, source, IngestSettings())
        found = [_account_of(source, each) for each in sorted(folder.iterdir())]
    except DeepktError as refused:
        return Account(refusal=_judged_message(path, refused))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    refusal = next((each.refusal for each in found if each.refusal), "")
    sums = (sum(getattr(each, name) for each in found) for name in ("read", "kept", "quarantined"))
    return Account(refusal) if refusal else Account("", *sums)


def _account_of(source: Source, path: Path) -> Account:
    try:
        layout = layout_of_landed(source, path)
        assert layout is not None, f"{source.name} has no file {path.name}"
        facts = inspect(path, layout)
    except DeepktError as refused:
        return Account(refusal=_judged_message(path, refused))
    parsings = [
        Parsing(source.name, path.name, path, layout, LIMIT, piece) for piece in facts.pieces
    ]
    kept = [batch for each in parsings for batch in kept_batches(each)]
    refused = [batch for each in parsings for batch in refused_batches(each)]
    n_read = facts.n_records
    rows = [row for batch in kept for row in batch.column("_row").to_pylist()]
    refused_rows = [row for batch in refused for row in batch.column("row").to_pylist()]
    assert sorted(rows + refused_rows) == list(range(1, n_read + 1)), "a row is lost or doubled"
    assert all(reason for each in refused for reason in each.column("reason").to_pylist())
    for batch in kept:
        _judge_kept(layout, batch)
    _judge_removal(source, path, layout, n_read)
    return Account("", n_read, len(rows), len(refused_rows))


def _judged_message(path: Path, refused: DeepktError) -> str:
    """The kind of refusal, if its message is one clear line."""
    message = str(refused)
    assert message.startswith(f"{path.name}: "), message[:200]
    assert "; " in message, "it names no fix"
    assert len(message.splitlines()) == 1, "it is no single line"
    assert message.isprintable(), "it cannot be printed"
    assert len(message) < _LONGEST_MESSAGE, f"it has {len(message):,} characters"
    return message.removeprefix(f"{path.name}: ").partition("; ")[0]


def _judge_removal(source: Source, path: Path, layout: Layout, n_read: int) -> None:
    """An erasure can write every file again that was read, and loses nobody else's row."""
    target = path.with_name(f"{path.name.removesuffix('.gz')}.left")
    headers = [field.header for field in layout.fields if field.column in ("student_id", "user_id")]
    unwanted = {header: {student(source.name, ANN)} for header in headers}
    removed = without(path, target, unwanted, layout.document)
    assert removed.n_left + len(removed.received) == n_read, "an erasure loses or doubles a row"
    target.unlink()


def _judge_kept(layout: Layout, batch: pa.RecordBatch) -> None:
    batch.validate(full=True)  # text is UTF-8
    columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
    for field in layout.fields:
        for value in columns[field.column]:
            assert value is None or len(value) <= LIMIT * (5 if field.free_text else 1)
            assert value is None or "\0" not in value
            assert not field.filled or (value and value.strip()), f"{field.header} is empty"
            assert not (value and field.rule) or _usable(field.rule, value), (field.header, value)


def _usable(rule: Rule, value: str) -> bool:
    """Whether a value is what Spark and pandas can use, told apart from the rule itself.

    Both trim blanks alone, read ASCII digits, and count time in nanoseconds.
    """
    text = value.strip(" ")
    if rule in _WORDS:
        return text.lower() in _WORDS[rule]
    if rule is duration:
        return text.isascii() and text.startswith("P") and text[-1] in "WDHMS"
    assert text.isascii()
    if rule is day or ("-" in text[1:] and rule is instant and "e" not in text.lower()):
        return pd.Timestamp(text) is not pd.NaT
    number = Decimal(text)
    if rule is share:
        return 0 <= number <= 1
    if rule in (instant, epoch_seconds):
        return 0 <= number < (7_258_118_400_000 if rule is instant else 7_258_118_400)
    return math.isfinite(float(number))


_KINDS = {
    "missing": "a column is missing",
    "found among its columns": "a column is missing",
    "stands twice": "a column stands twice",
    "empty": "it is empty",
    "binary file": "it is binary, or text of two bytes a character",
    "header is not UTF-8": "its header is no UTF-8",
    "gz file is cut off": "the gz file is damaged",
    "zip file is damaged": "the zip file is damaged",
    "without .gz": "gz under another name",
    "is no gz file": "named .gz, but none",
    "packed in it": "gz of gz",
    "neither JSON lines": "no JSON in it",
    "a column's name has": "a column's name is too long",
    "leads elsewhere": "a path in the zip file leads out of it",
    "holds the zip file": "a zip file in the zip file",
    "in it twice": "a name stands twice in the zip file",
    "encrypted": "a file in the zip file is encrypted",
    "no file of source": "no file of the source in the zip file",
}


def kinds(refusals: Counter[str]) -> Counter[str]:
    """Refusals counted by kind, without what differs from file to file."""
    found: Counter[str] = Counter()
    for refusal, n in refusals.items():
        kind = next((kind for part, kind in _KINDS.items() if part in refusal), refusal[:40])
        found[kind] += n
    return found
