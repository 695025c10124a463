"""Two writes of one table at once: what is safe is repeated, the rest is refused, nothing is lost.

Each test lets another commit come in between the moment a write reads and the moment it commits:
the rows of the first write are made by a worker that waits for the second.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import rows
from deepkt_irt.errors import AnotherRun
from deepkt_irt.tables import store as store_module
from deepkt_irt.tables.contract import Column, Layer, Table

pytestmark = pytest.mark.spark

T = Table(
    Layer.GOLD,
    "store_probe",
    "A table to probe the store.",
    (Column("id", "bigint", "key"), Column("v", "double", "value")),
    ("id",),
)
LIMIT_SECONDS = 60


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(store_module, "TABLES", (T,))


def slow_rows(spark, values, started: Path, go: Path):
    """Rows that a worker holds back until the file `go` is there."""

    def wait(batches):
        started.touch()
        deadline = time.monotonic() + LIMIT_SECONDS
        while not go.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield from batches

    made = spark.createDataFrame(values, "id bigint, v double")
    return made.coalesce(1).mapInPandas(wait, "id bigint, v double")


def beside(tmp_path, write, other):
    """Run `other` while `write` waits in its rows, then let `write` commit."""
    started, go = tmp_path / "started", tmp_path / "go"
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(write, started, go)
        deadline = time.monotonic() + LIMIT_SECONDS
        while not started.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            other()
        finally:
            go.touch()
        return ending.result()


@pytest.fixture
def filled(store, frame):
    store.overwrite(T, frame(T, [{"id": 1, "v": 1.0}]))
    return store


def test_overwrite_beside_another_write_is_refused_and_the_others_rows_stay(
    filled, frame, spark, tmp_path
):
    def overwrite(started, go):
        filled.overwrite(T, slow_rows(spark, [(9, 9.0)], started, go))

    with pytest.raises(AnotherRun, match=r"gold\.store_probe: another run wrote it meanwhile"):
        beside(
            tmp_path,
            overwrite,
            lambda: filled.append(T, frame(T, [{"id": 2, "v": 2.0}]), app_id="other", version=1),
        )

    assert rows(filled.read(T), "id", "v") == [(1, 1.0), (2, 2.0)]


def test_insert_of_new_rows_beside_another_one_is_repeated_and_doubles_nothing(
    filled, frame, spark, tmp_path
):
    def insert(started, go):
        filled.insert_new(T, slow_rows(spark, [(2, 9.0), (3, 9.0)], started, go))

    beside(tmp_path, insert, lambda: filled.insert_new(T, frame(T, [{"id": 2, "v": 2.0}])))

    assert rows(filled.read(T), "id", "v") == [(1, 1.0), (2, 2.0), (3, 9.0)]


def test_same_append_by_two_runs_at_once_adds_its_rows_once(filled, frame, spark, tmp_path):
    def append(started, go):
        slow = slow_rows(spark, [(2, 2.0)], started, go)
        filled.append(T, slow, app_id="ingest/7", version=1)

    one = frame(T, [{"id": 2, "v": 2.0}])
    beside(tmp_path, append, lambda: filled.append(T, one, app_id="ingest/7", version=1))

    assert rows(filled.read(T), "id", "v") == [(1, 1.0), (2, 2.0)]
