"""Answers that land in portions: late, repeated, contradicting, in files that sort otherwise."""

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.store import TableStore

BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
ITEMS = {f"i{n}": f"k{n % 4}" for n in range(1, 10)}
HEADER = ("student_id", "item_id", "skill_ids", "correct", "answered_at", "latency_ms")

# when something was found or worked out, and in which batch, is what differs
WHEN = {"batch_id", "quarantined_at", "scored_at", "_batch_id", "_ingested_at"}


def answer(student: str, item: str, minute: int, correct: int = 1) -> tuple[Any, ...]:
    at = (BEGIN + timedelta(minutes=minute)).isoformat()
    return (student, item, ITEMS[item], correct, at, 4000 + 10 * minute)


def answers(student: str, minutes, *, shift: int = 0) -> list[tuple[Any, ...]]:
    items = list(ITEMS)
    return [answer(student, items[(m + shift) % 9], m, (m + shift) % 2) for m in minutes]


# the first names every item, so that the vocabularies, which go by arrival, are the same
PORTIONS = (
    {"m.csv": answers("ann", range(0, 18, 2)) + answers("bob", range(0, 12, 2), shift=1)},
    {
        # sorts before the first, and comes in with what was answered before it
        "a.csv": answers("ann", [-9, 5, 7], shift=3) + answers("cleo", range(4), shift=2),
        # what was delivered before, in another order, and a later answer
        "n.csv": [*answers("ann", [4, 2]), answer("ann", "i2", 40)],
    },
    # what bob answers contradicts an earlier answer, so that nothing new is known of bob
    {"z.csv": [answer("cleo", "i9", 50), answer("bob", "i2", 0, 0), answer("dan", "i1", 1)]},
)


def land(lake: Path, files: dict[str, list[tuple[Any, ...]]]) -> None:
    folder = lake / "landing" / "responses_csv"
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in files.items():
        with (folder / name).open("w", newline="") as file:
            csv.writer(file).writerows([HEADER, *found])


def content(store: TableStore, table: Table) -> list[str]:
    """Rows as text without what tells when; chances to seven digits."""
    kept = [
        f"round({column.name}, 7) AS {column.name}" if column.type == "double" else column.name
        for column in table.columns
        if column.name not in WHEN
    ]
    text = store.read(table).selectExpr(*kept).selectExpr(
        "to_json(struct(*), map('ignoreNullFields', 'false'))"
    )  # fmt: skip
    return sorted(row[0] for row in text.collect())
