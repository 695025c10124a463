"""What must hold of any file whatever: it is refused, or every row of it is accounted for."""

import math
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa

from deepkt_irt.errors import DeepktError
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


def account_of(source: Source, path: Path) -> Account:
    """Read a file as the ingest does, and hold what comes of it against the rules.

    Raises:
        AssertionError: If a row is lost or doubled, a kept value is not valid, or a message names
            no file or no fix.
        Exception: Whatever escapes the reader; nothing may.
    """
    start = time.perf_counter()
    found = _account_of(source, path)
    assert time.perf_counter() - start < _LONGEST_SECONDS, "it took too long"
    return found


def _account_of(source: Source, path: Path) -> Account:
    try:
        layout = layout_of_landed(source, path)
        assert layout is not None, f"{source.name} has no file {path.name}"
        n_read = inspect(path, layout).n_records
    except DeepktError as refused:
        return Account(refusal=_judged_message(path, refused))
    parsing = Parsing(source.name, path.name, path, layout, LIMIT)
    kept, refused = list(kept_batches(parsing)), list(refused_batches(parsing))
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


def kinds(refusals: Counter[str]) -> Counter[str]:
    """Refusals counted by kind, without what differs from file to file."""
    found: Counter[str] = Counter()
    for refusal, n in refusals.items():
        words = refusal.replace(":", " ").split()
        known = next((kind for kind in _KINDS if kind in refusal), " ".join(words[:4]))
        found[_KINDS.get(known, known)] += n
    return found


_KINDS = {
    "missing; it has": "a column is missing",
    "found among its columns": "a column is missing",
    "stands twice": "a column stands twice",
    "is empty": "it is empty",
    "binary file": "it is binary, or UTF-16",
    "header is not UTF-8": "its header is no UTF-8",
    "cut off or damaged": "the package is damaged",
    "without .gz": "packed under another name",
    "is no gz file": "named .gz, but not packed",
    "neither JSON lines": "it is no JSON",
}
