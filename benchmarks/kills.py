"""kill -9 at random instants of the pipeline: after the same task again, is anything amiss?"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from mlflow.store.model_registry import sqlalchemy_store as registry
from mlflow.store.tracking import sqlalchemy_store as tracking

from deepkt_irt.jobs.opening import Opened, Target, open_target, parse_settings
from deepkt_irt.jobs.pipeline import LOCAL_ORDER, TASKS
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import Task
from deepkt_irt.settings import SimulatorSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.simulator import District, simulate, write_district
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.silver import STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from page import REPOSITORY, table

sys.path.insert(0, str(REPOSITORY / "tests"))
from e2e.checksums import COMPARED, checksums

_SEED = 20_261_128
_FIRST_DAY = datetime(2026, 3, 1, 2, tzinfo=UTC)
_DAYS = 2
_QUICK = ("sakt.max_epochs=3", "sakt.min_steps=40")
_BY_ASSIGNMENT = (
    "action_logs",
    "assignment_details",
    "training_unit_test_scores",
    "evaluation_unit_test_scores",
)
_SETTINGS = SimulatorSettings(n_students=60, n_items=60, seed=11)
_LIMIT_SECONDS = 300


@dataclass(frozen=True)
class Step:
    """A task of a day, as the run that nothing cut off did it.

    Attributes:
        day: From 1.
        seconds: From the task's first line to the end of its process.
        before: The lake as the task found it.
        after: The lake as the task left it.
    """

    task: Task
    day: int
    seconds: float
    before: Path
    after: Path

    @property
    def as_of(self) -> datetime:
        """Instant that the day's run speaks about, UTC."""
        return _FIRST_DAY + timedelta(days=self.day - 1)


@dataclass(frozen=True)
class Kill:
    """One kill and what was found after the same task was run again.

    Attributes:
        written: Commits in the tables that the task writes when it was killed.
        differing: Tables that are not as the uninterrupted run left them.
        lost: Rows of that run that are missing.
        doubled: Rows too many of one key.
    """

    step: Step
    instant: float
    written: int
    differing: tuple[str, ...] = ()
    lost: int = 0
    doubled: int = 0


def section(*, kills: int = 100, seed: int = _SEED, folder: Path | None = None) -> str:
    """The section of the page.

    Args:
        kills: How many processes are killed.
        seed: Chooses tasks and instants.
        folder: Where the run that nothing cuts off, and each kill, are kept: the same again goes on
            where it stopped, which is of use since it takes an hour. None: nothing is kept.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return written(_kills(folder, kills, seed), seed)
    with TemporaryDirectory() as scratch:
        return written(_kills(Path(scratch), kills, seed), seed)


def _kills(folder: Path, n: int, seed: int) -> list[Kill]:
    kept, steps = folder / "kills.jsonl", _steps(folder)
    by_name = {(step.day, step.task.name): step for step in steps}
    lines = kept.read_text().splitlines() if kept.exists() else []
    tried = [json.loads(line) for line in lines]
    found = [
        Kill(by_name[each["day"], each["task"]], **each["kill"]) for each in tried if each["kill"]
    ]
    opened = open_target(Target(lake=folder / "lake"), lasting="minutes")
    while len(found) < n:
        chosen = random.Random(f"{seed}-{len(tried)}")  # noqa: S311 - no secret
        # by its time, so that no moment of the run is likelier than another
        (step,) = chosen.choices(steps, [each.seconds for each in steps])
        kill = _killed(step, chosen.uniform(0, step.seconds), folder / "lake", opened)
        account = {"day": step.day, "task": step.task.name, "kill": kill and _account(kill)}
        tried.append(account)
        with kept.open("a") as file:
            file.write(json.dumps(account) + "\n")
        if kill is not None:  # else it ended before
            found.append(kill)
            sys.stderr.write(f"{len(found)}: {_in_words(kill)}\n")
    return found


def _account(kill: Kill) -> dict[str, Any]:
    return {name: value for name, value in vars(kill).items() if name != "step"}


def written(kills: Sequence[Kill], seed: int) -> str:
    """What was found, in words."""
    amiss = [kill for kill in kills if kill.differing]
    half_done = sum(kill.written > 0 for kill in kills)
    rows = [_row(task.name, [k for k in kills if k.step.task is task]) for task in LOCAL_ORDER]
    header = ("task", "kills", "of these with commits made", "equal", "rows lost", "rows doubled")
    return f"""## kill -9 at random instants

A simulated district of {_SETTINGS.n_students} students over {_DAYS} days; the second day's files
come after the first day's run. One run that nothing cuts off, each task in a process of its own as
a job starts it, leaves a copy of the lake before and after every task. Then {len(kills)} times
(seed {seed}): a task and an instant at random, each moment of the run as likely as another; the
task starts on the copy of before, its processes are killed at the instant, and the same task runs
again to its end. All {len(COMPARED)} tables compared are then held against the copy of after, by a
checksum of their rows. {half_done} kills came after the task had committed something and before
its end.

Equal to the run that nothing cut off: {len(kills) - len(amiss)} of {len(kills)}. Rows lost:
{sum(kill.lost for kill in kills)}; rows doubled: {sum(kill.doubled for kill in kills)}.

{table(header, rows)}

Pseudonyms are drawn at random when a student is first met, so those of the uninterrupted run are
laid into the lake before `transform_silver`. The second run is in a session that is already warm,
which saves half the time; `tests/e2e/test_kill.py` has it as a command again.
{"".join(f"- Differs: {_in_words(kill)}" + chr(10) for kill in amiss)}"""


def _row(name: str, kills: Sequence[Kill]) -> tuple[object, ...]:
    return (
        f"`{name}`",
        len(kills),
        sum(kill.written > 0 for kill in kills),
        sum(not kill.differing for kill in kills),
        sum(kill.lost for kill in kills),
        sum(kill.doubled for kill in kills),
    )


def _in_words(kill: Kill) -> str:
    when = f"{kill.instant:.1f} of {kill.step.seconds:.1f} s"
    what = ", ".join(kill.differing) or "equal"
    return f"day {kill.step.day} {kill.step.task.name} {when}, {kill.written} commits: {what}"


def _steps(folder: Path) -> list[Step]:
    """The run that nothing cuts off, made unless it is there."""
    kept = folder / "steps.json"
    if not kept.exists():
        lines = [(step.task.name, step.day, step.seconds) for step in _uninterrupted(folder)]
        kept.write_text(json.dumps(lines))
    return [
        Step(TASKS[name], day, seconds, *_copies(folder, day, name))
        for name, day, seconds in json.loads(kept.read_text())
    ]


def _copies(folder: Path, day: int, task: str) -> tuple[Path, Path]:
    before = folder / "copies" / f"{day}-{task}-before"
    return before, before.with_name(f"{day}-{task}-after")


def _uninterrupted(folder: Path) -> list[Step]:
    """Run both days to their ends in folder/lake; a copy of the lake before and after each task."""
    lake, steps = folder / "lake", []
    district = simulate(_SETTINGS)
    for day in range(1, _DAYS + 1):
        files = folder / f"files_{day}"
        _drop(district, files, day)
        land(source_named("simulator"), files, lake / "landing", mapping=None)
        for task in LOCAL_ORDER:
            before, after = _copies(folder, day, task.name)
            step = Step(task, day, 0.0, _copied(lake, before), after)
            begin, process = _started(step, lake)
            if process.wait(_LIMIT_SECONDS):
                raise subprocess.CalledProcessError(process.returncode, task.name)
            seconds = time.monotonic() - begin
            _copied(lake, step.after)
            steps.append(replace(step, seconds=seconds))
    return steps


def _drop(district: District, files: Path, day: int) -> None:
    """The files of a day: the last tenth of the assignments comes on the second."""
    write_district(district, files, truth_folder=files.with_name("truth"))
    begun = district.assignment_details.sort_values("assignment_start_time")["assignment_log_id"]
    late = set(begun.tail(len(begun) // 10))
    for path in files.iterdir():
        if path.stem in _BY_ASSIGNMENT:
            rows = pd.read_csv(path, dtype=str, keep_default_na=False)
            rows[rows["assignment_log_id"].isin(late) == (day == 2)].to_csv(
                path.with_stem(f"{path.stem}_{day}"), index=False
            )
            path.unlink()
        elif day > 1:
            path.unlink()


def _copied(lake: Path, target: Path) -> Path:
    """A copy of a lake; files are copied, since some are written to where they stand."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(lake, target)
    return target


def _started(step: Step, lake: Path) -> tuple[float, subprocess.Popen[bytes]]:
    """Start a task's console script; returns when it says that it started, and when that was.

    Raises:
        CalledProcessError: If it ended before.
    """
    script = Path(sys.executable).with_name(step.task.name)
    settings = [part for each in _QUICK for part in ("--set", each)]
    process = subprocess.Popen(  # noqa: S603 - our own script
        [script, "--lake", lake, "--as-of", step.as_of.isoformat(), *settings],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        bufsize=0,
    )
    assert process.stderr is not None  # noqa: S101 - for the type checker
    for line in process.stderr:
        if f"{step.task.name}: started" in line.decode():
            # nobody reads on, and a full pipe would hold the task up
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return time.monotonic(), process
    raise subprocess.CalledProcessError(process.wait(), step.task.name)


def _killed(step: Step, instant: float, lake: Path, opened: Opened) -> Kill | None:
    """Kill a task at an instant and run it again; None if it ended before."""
    _copied(step.before, lake)
    keys = Path("tables") / STUDENT_KEYS.layer.value / STUDENT_KEYS.name
    if step.task.name == "transform_silver":
        _copied(step.after / keys, lake / keys)
    commits = _commits(step.task, lake)
    begin, process = _started(step, lake)
    time.sleep(max(0.0, begin + instant - time.monotonic()))
    if process.poll() is not None:
        return None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(_LIMIT_SECONDS)
    n_written = _commits(step.task, lake) - commits
    opened = _opened_anew(opened, lake)
    runner = Runner(
        opened.spark,
        opened.store,
        opened.place,
        parse_settings(_QUICK),
        step.as_of,
        as_of_given=True,
    )
    runner.run([TASKS[step.task.name]], always=True)
    return _compared(Kill(step, instant, n_written), opened)


def _opened_anew(opened: Opened, lake: Path) -> Opened:
    """The same session on another lake at the same path: it knows nothing of the one before."""
    opened.spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # noqa: SLF001
    for store in (tracking.SqlAlchemyStore, registry.SqlAlchemyStore):
        for engine in store._engine_map.values():  # noqa: SLF001
            engine.dispose()
    return replace(opened, store=TableStore(opened.spark, lake=lake))


def _compared(kill: Kill, opened: Opened) -> Kill:
    """The kill with what differs from the run that nothing cut off."""
    whole = TableStore(opened.spark, lake=kill.step.after)
    looked_at = [t for t in COMPARED if t in kill.step.task.writes or _moved(t, whole, opened)]
    expected, found = checksums(whole, looked_at), checksums(opened.store, looked_at)
    differing = [t for t in looked_at if expected[t.qualified_name] != found[t.qualified_name]]
    lost = sum(
        whole.read(t).join(opened.store.read(t), list(t.key), "anti").count() for t in differing
    )
    doubled = sum(_doubled(t, opened) for t in differing)
    return replace(
        kill,
        differing=tuple(t.qualified_name for t in differing),
        lost=lost,
        doubled=doubled,
    )


def _moved(each: Table, whole: TableStore, opened: Opened) -> bool:
    """Whether another task's table is not the one that the copy holds."""
    return whole.version(each) != opened.store.version(each)


def _doubled(each: Table, opened: Opened) -> int:
    rows = opened.store.read(each)
    return rows.count() - rows.select(*each.key).distinct().count()


def _commits(task: Task, lake: Path) -> int:
    logs = [lake / "tables" / t.layer.value / t.name / "_delta_log" for t in task.writes]
    return sum(len(list(log.glob("[0-9]*.json"))) for log in logs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=_SEED)
    parser.add_argument("--folder", type=Path)
    flags = parser.parse_args()
    print(section(kills=flags.kills, seed=flags.seed, folder=flags.folder))
