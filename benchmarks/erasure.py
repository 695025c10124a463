"""How long it takes to erase one student of a million events, and whether anything is left."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from deepkt_irt.governance.byte_search import byte_search
from deepkt_irt.jobs.erasing import Site
from deepkt_irt.jobs.forget_student import forget_all, request_erasure
from deepkt_irt.jobs.opening import Target, open_target
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.settings import Settings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, STUDENT_KEYS
from page import table

_STUDENTS, _RESPONSES, _ITEMS = 10_000, 100, 500
_SEED = 20_261_127
_VICTIM = "student-004711"
_AS_OF = datetime(2026, 3, 1, 2, tzinfo=UTC)
_TASKS = ("ingest_bronze", "transform_silver", "engineer_features")


def section() -> str:
    """The section of the page."""
    with TemporaryDirectory() as scratch:
        lake = Path(scratch) / "lake"
        lake.mkdir()
        _write(Path(scratch) / "answers.csv")
        land(
            source_named("responses_csv"),
            Path(scratch) / "answers.csv",
            lake / "landing",
            mapping=None,
        )
        target = Target(lake=lake)
        opened = open_target(target)
        site = Site(opened, lake, Settings(), _AS_OF)
        runner = Runner(opened.spark, opened.store, opened.place, site.settings, _AS_OF)
        _, made = _timed(lambda: runner.run([TASKS[name] for name in _TASKS]))
        key = site.read(STUDENT_KEYS).filter(f"student_id = '{_VICTIM}'").first()["student_key"]
        texts = {"id": _VICTIM, "key": key}
        before, n_events = byte_search([lake], texts), site.read(CANONICAL_LEARNING_EVENTS).count()
        request_erasure(site, _VICTIM)
        (proof,), erased = _timed(lambda: forget_all(site, target))
        after, looking = _timed(lambda: byte_search([lake], texts))
        left = site.read(CANONICAL_LEARNING_EVENTS).count()
    rows = [
        ("files that name the student", len(before.hits), len(after.hits)),
        ("events", f"{n_events:,}", f"{left:,}"),
        ("files in the lake", f"{before.n_files:,}", f"{after.n_files:,}"),
        ("bytes in the lake", f"{before.n_bytes:,}", f"{after.n_bytes:,}"),
    ]
    found = sum(line["n"] for line in proof.report["found"])
    return f"""## Erasing a student

One of {_STUDENTS:,} students with {_RESPONSES} responses each, in one CSV file, after
{", ".join(_TASKS)} ({made:.0f} s). Erasing {found:,} rows, with everything purged and searched,
took {erased:.0f} s; {looking:.0f} s of it are the search through every file.

{table(("", "before", "after"), rows)}
"""


def _write(path: Path) -> None:
    rng = np.random.default_rng(_SEED)
    student = np.repeat(np.arange(_STUDENTS), _RESPONSES)
    frame = pd.DataFrame(
        {
            "student_id": [f"student-{number:06d}" for number in student],
            "item_id": rng.integers(0, _ITEMS, student.size),
            "correct": rng.integers(0, 2, student.size),
            "order": np.tile(np.arange(_RESPONSES), _STUDENTS),
            "latency_ms": rng.integers(2_000, 60_000, student.size),
        }
    )
    frame.sample(frac=1, random_state=_SEED).to_csv(
        path, index=False
    )  # spread over all of the file


def _timed[T](work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


if __name__ == "__main__":
    print(section())
