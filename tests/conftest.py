"""Shared fixtures: one Spark session for all Spark tests, lakes, frames, and the real data."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from deepkt_irt.jobs.context import JobContext, Place
from deepkt_irt.jobs.task import Task
from deepkt_irt.session import folder_session
from deepkt_irt.settings import Settings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.store import TableStore

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

REPOSITORY = Path(__file__).resolve().parents[1]
AS_OF = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)

# the same examples in every run, so that a change is judged by what it changed; `make nightly`
# looks for new ones
hypothesis.settings.register_profile("same_examples", derandomize=True)
hypothesis.settings.register_profile("new_examples", derandomize=False, print_blob=True)
hypothesis.settings.load_profile("same_examples")

MakeFrame = Callable[..., "DataFrame"]
ONE_LAKE = {
    *("test_bundle_run", "test_demo", "test_forget", "test_integration", "test_kill"),
    *("test_looking", "test_privacy"),
}


class ByFile(LoadScopeScheduling):
    """Shares the tests among workers: a file goes to one, and what uses one lake to one."""

    def _split_scope(self, nodeid: str) -> str:
        stem = Path(nodeid.split("::", maxsplit=1)[0]).stem
        return "demo_lake" if stem in ONE_LAKE else stem


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """Where `make test` starts several workers."""
    return ByFile(config, log)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Keeps bytes out of tests' names: a packed file holds the second in which it was made.

    Workers that collect in different seconds would disagree about the tests there are.
    """
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections beyond this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "127.0.0.1"
        assert host in {"127.0.0.1", "::1", "localhost"}, f"a test reaches out to {host}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock shows another day than UTC for hours."""
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the research data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("DEEPKT_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the research data is not at {folder} (set DEEPKT_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def spark() -> Iterator["SparkSession"]:
    """The one session of the test run: local, or through Connect where SPARK_REMOTE says so."""
    session = folder_session(profile="steady")
    # compiling queries costs more than it saves on a few rows; the processes of e2e compile them
    session.conf.set("spark.sql.codegen.wholeStage", "false")
    session.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def many_rows(spark: "SparkSession") -> Iterator[None]:
    """Compiled queries, for files of the research data."""
    compiled = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    before = {name: spark.conf.get(name) for name in compiled}
    for name, value in compiled.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of the working tree."""
    folder = tmp_path_factory.mktemp("wheel")
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(REPOSITORY)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def store(spark: "SparkSession", tmp_path: Path) -> TableStore:
    """Tables of an empty lake."""
    return TableStore(spark, lake=tmp_path / "lake")


@pytest.fixture
def frame(spark: "SparkSession") -> MakeFrame:
    """Builds a frame of a contract from rows; nullable columns not given are null."""

    def build(table: Table, rows: list[dict[str, Any]]) -> "DataFrame":
        filled = []
        for row in rows:
            unknown = row.keys() - set(table.column_names)
            absent = [c.name for c in table.columns if not c.nullable and c.name not in row]
            assert not unknown, f"{table.qualified_name} has no {unknown}"
            assert not absent, f"{table.qualified_name} rows need {absent}"
            filled.append(tuple(row.get(name) for name in table.column_names))
        schema = ", ".join(f"{c.name} {c.type}" for c in table.columns)
        return spark.createDataFrame(filled, schema)

    return build


@pytest.fixture
def context(spark: "SparkSession", store: TableStore, tmp_path: Path) -> Callable[..., JobContext]:
    """Makes the context a task would get: `context(TASKS["x"])` over the test's own lake."""

    def make(
        task: Task,
        *,
        settings: Settings | None = None,
        as_of: datetime = AS_OF,
        since: Mapping[str, int] | None = None,
    ) -> JobContext:
        return JobContext(
            store=store,
            task=task,
            settings=settings or Settings(),
            as_of=as_of,
            run_id="test-run",
            place=Place.of_lake(tmp_path / "lake"),
            spark=spark,
            since=since,
        )

    return make


def rows(data: "DataFrame", *columns: str) -> list[tuple[Any, ...]]:
    """The rows of some columns, sorted."""
    return sorted(tuple(row) for row in data.select(*columns).collect())
