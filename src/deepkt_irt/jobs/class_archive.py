"""Makes the class archive that local Spark starts from: `python -m deepkt_irt.jobs.class_archive`.

A process of its own takes a few simulated students from files to events, and its JVM writes down
the classes it loaded as it ends. Made once per environment; `java.py` finds it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from deepkt_irt import java
from deepkt_irt.errors import BackendUnavailable, DeepktError
from deepkt_irt.jobs.opening import Target, open_runner
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.session import local_session
from deepkt_irt.settings import Settings, SimulatorSettings
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land
from deepkt_irt.sources.simulator import simulate, write_district
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore

_WARM_UP = "--warm-up"
_DISTRICT = SimulatorSettings(n_students=10, n_items=20)
_TASKS = ("ingest_bronze", "transform_silver")  # they load most of what any task needs


def make() -> Path:
    """Make the archive for this Java and these jars unless it lies there; remove those of others.

    Raises:
        BackendUnavailable: If Spark does not start, the folder cannot be written, or the JVM made
            no archive.
    """
    archive = java.class_archive()
    if java.is_whole(archive):
        return archive
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        java.ensure_base_archive()
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            made = Path(scratch) / archive.name
            said = _run_warm_up(made)
            if not made.is_file():
                raise BackendUnavailable(f"no class archive was made; {said}")
            made.replace(archive)
        java.note_size(archive)
        for other in archive.parent.glob("spark-*"):
            if other.stem != archive.stem:
                other.unlink()
    except OSError as error:
        raise BackendUnavailable(f"{error.strerror}: {error.filename}") from error
    return archive


def _run_warm_up(archive: Path) -> str:
    """Run it and wait for its JVM, which holds the pipe until it has ended; what it said."""
    command = [sys.executable, "-m", "deepkt_irt.jobs.class_archive", _WARM_UP, str(archive)]
    ended = subprocess.run(  # noqa: S603 - this file
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    lines = ended.stdout.splitlines()
    if ended.returncode:
        ours = [line for line in lines if line.strip() and "[warning]" not in line]  # the JVM's
        raise BackendUnavailable(f"the run that loads the classes failed: {ours[-1:]}")
    return next((line for line in lines if "Archive" in line), "the JVM said nothing of it")


def warm_up(archive: Path) -> None:
    """Do on a few students what a run does, in a JVM that archives its classes as it ends."""
    options = java.jvm_options("small", making=archive)
    spark = local_session(more={"spark.driver.extraJavaOptions": options})
    with tempfile.TemporaryDirectory() as scratch:
        files, lake = Path(scratch) / "files", Path(scratch) / "lake"
        write_district(simulate(_DISTRICT), files, truth_folder=Path(scratch) / "truth")
        land(source_named("simulator"), files, lake / "landing", mapping=None)
        runner = open_runner(Target(lake=lake), settings=Settings())
        runner.run([TASKS[name] for name in _TASKS])
        _read_changes(runner.store)
        spark.stop()


def _read_changes(store: TableStore) -> None:
    """Read a change feed, as all but the first run do."""
    store.changes(CANONICAL_LEARNING_EVENTS, after=0)  # asked for once, it is kept
    before = store.version(CANONICAL_LEARNING_EVENTS) or 0
    store.empty(CANONICAL_LEARNING_EVENTS)
    changes = store.changes(CANONICAL_LEARNING_EVENTS, after=before)
    if changes is not None:
        changes.count()


def main() -> int:
    """Make the archive; or, as the process that does the work, load the classes."""
    match sys.argv[1:]:
        case [flag, archive] if flag == _WARM_UP:
            warm_up(Path(archive))
        case _:
            try:
                sys.stdout.write(f"class archive: {make()}\n")
            except DeepktError as error:
                sys.stderr.write(f"class archive not made: {error}\n")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
