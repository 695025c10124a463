"""Dropped files to tables as in Azure: the factory's triggers, the workspace, the bundle's jobs.

Emulated are Data Factory and the workspace; its documents, the bundle and the built wheel are real.
Only `make nightly` runs it: the day's job to the sequences, and the week's, which trains models in
processes of its own; a task of each job loses its node on the way, and the job's own retries bring
the same tables about.
"""

import copy
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from conftest import REPOSITORY
from deepkt_irt.azure.factory.documents import FACTORY as DOCUMENTS
from deepkt_irt.azure.factory.documents import read_factory
from deepkt_irt.azure.factory.emulator import fire_trigger
from deepkt_irt.azure.factory.global_parameters import global_parameters
from deepkt_irt.azure.factory.world import World
from deepkt_irt.bundle.resolve import Choices, resolve
from deepkt_irt.bundle.running import SUCCEEDED, open_run, unpack_wheel
from deepkt_irt.jobs.opening import CATALOGS_VARIABLE
from deepkt_irt.jobs.pipeline import LOCAL_ORDER
from deepkt_irt.tables.contract import Layer, Table
from deepkt_irt.tables.gold import MODEL_EVALUATIONS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from e2e.checksums import COMPARED, checksums
from e2e.conftest import AS_OF, TRAINING
from e2e.killing import killed_once
from fake_workspace import FakeWorkspace, serving

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

DEVELOPED = {layer: f"dev_developer_{layer.value}" for layer in Layer}
SCHEDULED = datetime.fromisoformat(AS_OF[1]).replace(tzinfo=UTC)
BUNDLE = resolve(REPOSITORY, "dev", Choices())
JOBS = {key: BUNDLE.resources["jobs"][key] for key in ("daily_ingestion", "weekly_training")}
# each task runs once: the rest of the day finds nothing to do before a model is trained, and the
# week, which begins as the day does, finds nothing new
BEFORE_TRAINING = ("ingest_bronze", "transform_silver", "engineer_features")
WHOLE = {
    "daily_ingestion": BEFORE_TRAINING,
    "weekly_training": tuple(
        task["task_key"]
        for task in JOBS["weekly_training"]["tasks"]
        if task["task_key"] not in BEFORE_TRAINING
    ),
}
# one that writes many tables, one that registers a model; test_kill.py kills every task
KILLED = {"transform_silver": CANONICAL_LEARNING_EVENTS, "train_sakt": MODEL_EVALUATIONS}
LAKE, BLOB = "https://lake.dfs.core.windows.net", "https://lake.blob.core.windows.net"


def stored(lake: Path, table: Table) -> Path:
    return lake / "tables" / DEVELOPED[table.layer] / table.name


def without_pauses(job: dict) -> dict:
    """The job with retries that follow at once."""
    quick = copy.deepcopy(job)
    for task in quick["tasks"]:
        task["min_retry_interval_millis"] = 0
    return quick


@pytest.fixture
def attempts() -> dict[str, int]:
    """How often each task was started, filled by the runs."""
    return {}


@pytest.fixture
def only() -> dict[str, tuple[str, ...]]:
    """The tasks to run of each job, filled by the test."""
    return {}


@pytest.fixture
def workspace(tmp_path, wheel_folder, attempts, only) -> Iterator[FakeWorkspace]:
    """A workspace whose jobs run here, through the built wheel, on catalogs that are folders."""
    unpacked = unpack_wheel(wheel_folder, tmp_path / "wheel")

    def work(job: dict, parameters: dict[str, str]) -> dict[str, bool]:
        (key,) = [key for key, each in JOBS.items() if each["name"] == job["name"]]
        environment = {CATALOGS_VARIABLE: str(tmp_path)}
        run = open_run(
            BUNDLE,
            key,
            unpacked=unpacked,
            parameters=parameters,
            only=only[key],
            environment=environment,
        )
        ended = replace(run, job=without_pauses(run.job)).run()
        attempts.update({task: each.attempts for task, each in ended.items()})
        return {task: each.state == SUCCEEDED for task, each in ended.items()}

    jobs = {17 + number: job for number, job in enumerate(JOBS.values())}
    with serving(FakeWorkspace(jobs=jobs, work=work)) as workspace:
        yield workspace


@pytest.fixture
def factory():
    """The factory with the parameters that its deployment gives it: files are dropped."""
    found = read_factory(REPOSITORY / DOCUMENTS)
    given = {"file_drop": ["simulator"], "data_lake_url": LAKE, "blob_url": BLOB}
    parameters = found.pipelines["daily_ingestion"]["properties"]["parameters"]
    for name, value in given.items():
        parameters[name]["defaultValue"] = value
    return found


def written_by(names: set[str]) -> list[Table]:
    """Tables that these tasks write and no other does."""
    others = {table for task in LOCAL_ORDER if task.name not in names for table in task.writes}
    mine = (table for task in LOCAL_ORDER if task.name in names for table in task.writes)
    return [table for table in dict.fromkeys(mine) if table in COMPARED and table not in others]


def drop(files: Path, inbox: Path) -> None:
    """Drop files the day before the run."""
    shutil.copytree(files, inbox)
    when = SCHEDULED.timestamp() - 86_400
    for path in inbox.iterdir():
        os.utime(path, (when, when))


@pytest.mark.usefixtures("quick_start")
def test_dropped_files_become_the_tables_of_a_direct_run(
    *, spark, demo_lake, tmp_path, workspace, attempts, only, factory
):
    only.update(WHOLE)
    lake, account = tmp_path / "deepkt_dev", tmp_path / "account"
    # pseudonyms are random: give both lakes the same ones, so that all else can be compared
    keys = demo_lake / "tables" / STUDENT_KEYS.layer.value / STUDENT_KEYS.name
    shutil.copytree(keys, stored(lake, STUDENT_KEYS))
    drop(demo_lake / "landing" / "simulator", account / "inbox" / "simulator")
    # the landing volume is the folder of the lake in which the factory lands
    uploads = account / "bronze" / "uploads"
    uploads.mkdir(parents=True)
    volume = lake / DEVELOPED[Layer.BRONZE] / "landing"
    volume.parent.mkdir(parents=True)
    volume.symlink_to(uploads)
    ids = {
        key: number for number, job in workspace.jobs.items() for key in JOBS if JOBS[key] is job
    }
    known = {
        name: each["value"] for name, each in global_parameters(JOBS, ids)["properties"].items()
    }
    world = World(
        storage=account,
        lake=LAKE,
        addresses={"data_lake": LAKE},
        global_parameters=known | {"settings": ",".join(TRAINING[1::2])},
        client=WorkspaceClient(host=workspace.url, token="x", auth_type="pat"),  # noqa: S106
    )

    with killed_once({name: stored(lake, table) for name, table in KILLED.items()}) as killed:
        for trigger in WHOLE:
            (ended,) = fire_trigger(factory, trigger, SCHEDULED, world=world)
            assert ended.status == "Succeeded", ended.message

    assert set(killed) == set(KILLED)
    assert {task for task, started in attempts.items() if started == 2} == set(KILLED)
    assert {path.name for path in (uploads / "simulator").iterdir()} == {"2026-03-01"}
    written = written_by({task for chosen in WHOLE.values() for task in chosen})
    assert written
    found = checksums(TableStore(spark, lake=lake, schemas=DEVELOPED), written)
    assert found == checksums(TableStore(spark, lake=demo_lake), written)
    reported = (lake / DEVELOPED[Layer.OPS] / "reports" / "report.html").is_file()
    assert reported
