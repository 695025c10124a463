"""Damaged files of every source: refused in one clear line, or every row kept or quarantined."""

import importlib
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from deepkt_irt.sources.catalogue import SOURCES
from page import REPOSITORY, table

_FILES = 2_500  # of each source
_FIRST_SEED = 1_000_000  # of the first source, and so on: other files than those of the tests
_KINDS_SHOWN = 12


@dataclass
class Outcome:
    """What became of the damaged files of one source."""

    n_files: int = 0
    read: int = 0
    kept: int = 0
    quarantined: int = 0
    slowest_seconds: float = 0.0
    peak_mb: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)


def section() -> str:
    """The section of the page."""
    began = time.perf_counter()
    # a process each, so that memory that one source takes is not another's
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as fresh:
        found = {name: fresh.submit(_outcome, name).result() for name in SOURCES}
    seconds = time.perf_counter() - began
    outcomes = list(found.values())
    kinds: Counter[str] = sum((each.refusals for each in outcomes), Counter())
    faults: Counter[str] = sum((each.faults for each in outcomes), Counter())
    n_files = sum(each.n_files for each in outcomes)
    done: Counter[str] = sum((each.done for each in outcomes), Counter())
    slowest = max(each.slowest_seconds for each in outcomes)
    peak_mb = max(each.peak_mb for each in outcomes)
    return f"""## Damaged files of every source

{_FILES:,} files of each source, {n_files:,} in all, made from its sound ones
(`tests/made_up_sources.py`) by one to three of {len(done)} kinds of damage (`tests/mutations.py`),
with seeds that no test uses: bytes flipped, lost, put in or repeated, other encodings, quotes and
line ends, columns lost, doubled, renamed or without a name, values of every wrong kind, JSON of any
shape and depth, and gz and zip files that are cut, damaged, misnamed, packed twice or full of
tricks. Each is read as the ingest reads it, once more in pieces and small blocks, as a large file
is, and then written without one student, as an erasure does: {seconds:.0f} s in all,
{slowest:.1f} s the slowest; no process had more than {peak_mb:,} MB.

A fault is any of these: an error that is not the project's own; a message that is not one printable
line naming the file and what to do; a row that is neither kept nor quarantined, or both; a kept
value that Spark or pandas cannot use; another account in blocks; an erasure that loses a row.
Faults: {faults.total()}.

{_by_source(found)}

Why files were refused as a whole:

{table(("reason", "files", "share"), _shares(kinds))}
{_told(faults)}
"""


def _by_source(found: dict[str, Outcome]) -> str:
    header = ("source", "files", "refused", "rows read", "kept", "quarantined", "lost", "faults")
    rows = [
        (
            name,
            f"{each.n_files:,}",
            f"{each.refusals.total():,}",
            f"{each.read:,}",
            f"{each.kept:,}",
            f"{each.quarantined:,}",
            each.read - each.kept - each.quarantined,
            each.faults.total(),
        )
        for name, each in found.items()
    ]
    return table(header, rows)


def _shares(kinds: Counter[str]) -> list[tuple[str, str, str]]:
    most = kinds.most_common(_KINDS_SHOWN)
    others = kinds.total() - sum(n for _, n in most)
    rows = [*most, ("other", others)] if others else most
    return [(kind, f"{n:,}", f"{n / kinds.total():.1%}") for kind, n in rows]


def _told(faults: Counter[str]) -> str:
    return "\n".join(f"* {n:,}: {fault}" for fault, n in faults.most_common())


def _outcome(name: str) -> Outcome:
    """Damage the files of a source and read each; nothing that escapes ends it."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    mutations = importlib.import_module("mutations")
    accounting = importlib.import_module("accounting")
    texts = sorted(importlib.import_module("made_up_sources").files(SOURCES[name]).items())
    found = Outcome()
    refusals: Counter[str] = Counter()
    with TemporaryDirectory() as folder:
        first_seed = _FIRST_SEED * (1 + list(SOURCES).index(name))
        for number in range(_FILES):
            file, text = texts[number % len(texts)]
            made = mutations.seeded(first_seed + number, file, text.encode())
            path = Path(folder) / made.name
            path.write_bytes(made.content)
            found.done.update(set(made.done))
            began = time.perf_counter()
            try:
                account = accounting.account_twice(SOURCES[name], path)
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                found.faults[f"{name}: {type(error).__name__} {error}"[:200]] += 1
            else:
                found.read += account.read
                found.kept += account.kept
                found.quarantined += account.quarantined
                refusals.update([account.refusal] if account.refusal else [])
            found.slowest_seconds = max(found.slowest_seconds, time.perf_counter() - began)
            found.n_files += 1
            path.unlink()
    found.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    found.refusals = accounting.kinds(refusals)
    return found


if __name__ == "__main__":
    print(section())
