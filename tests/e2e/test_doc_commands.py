"""The pages' commands for a lake, one after another, on one small lake and in one process.

They run as they stand there; what is added keeps training short, gives the instant, or ends what
would go on. `lake` and `my-lake` are the same folder, so that each finds what the others left.
"""

import contextlib
import gzip
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.cli import main
from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.tables.ops import ERASURES
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS
from deepkt_irt.tables.store import TableStore
from doc_commands import Way, of_way
from doc_pages import Command
from e2e.conftest import AS_OF, SMALL, TRAINING
from made_up_sources import files

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

# from the first to the last; what looks comes after what it looks at
ORDER = (
    r"\S*deepkt demo",
    "deepkt run .*answers.csv --lake",
    "deepkt run .*--map",
    "deepkt run .*xapi",
    "deepkt run .*caliper",
    "deepkt run .*edm_cup",
    "deepkt run .*one_roster",
    "deepkt (ask|explain|models|status)",
    "mv ",
    "deepkt stream",
    r"\S*python -m pdb",
    "score_students",
    "recommend_items",
    "publish_report",
    "deepkt replay",
    "deepkt evaluate",
    "deepkt forget",
    "deepkt serve",
    "curl",
)
SHORT = ["--set", "sakt.max_epochs=1", "--set", "sakt.min_steps=20"]
ADDED = {
    "demo": [*SMALL, *AS_OF],
    "run": [*TRAINING, *AS_OF],
    "stream": ["--rounds", "1"],
    "replay": [*TRAINING, *AS_OF],
    "evaluate": [*SHORT, "--quiet"],
}
STUDENTS, ITEMS, LENGTH = 60, 20, 15
FIRST_PUPIL = 4_700  # among them the one whom the page on privacy forgets
SAID = {
    "deepkt models": "sakt",
    "curl": "predictions",
    "-m pdb": "transform_silver",
}
COMMANDS = of_way(Way.NIGHTLY)


def place(command: Command) -> int:
    """Where a command comes in the order."""
    places = (at for at, each in enumerate(ORDER) if re.match(each, command.text))
    return next(places, len(ORDER))


def answers(day: int) -> pd.DataFrame:
    """Answers of students by a Rasch model, a minute apart, on a day of February."""
    rng = np.random.default_rng(day)
    theta, b = rng.normal(size=STUDENTS), np.linspace(-1.5, 1.5, ITEMS)
    rows = [
        {
            "student_id": f"pupil-{FIRST_PUPIL + student}",
            "item_id": f"own-{item}",
            "correct": int(rng.random() < 1 / (1 + np.exp(b[item] - theta[student]))),
            "skill_ids": f"own-skill-{item % 4}",
            "answered_at": f"2026-02-{day:02}T09:{at:02}:{student:02}Z",
        }
        for student in range(STUDENTS)
        for at, item in enumerate(rng.permutation(ITEMS)[:LENGTH])
    ]
    return pd.DataFrame(rows)


def renamed(frame: pd.DataFrame) -> pd.DataFrame:
    """The same under the column names that the mapping on the page gives."""
    names = {"student_id": "pupil", "item_id": "task", "correct": "ok", "answered_at": "when"}
    return frame.rename(columns=names)[list(names.values())]


def write_files(folder: Path) -> None:
    """What the pages' commands read, by the names they give."""
    answers(2).to_csv(folder / "answers.csv", index=False)
    (folder / "mapped").mkdir()
    renamed(answers(3)).to_csv(folder / "mapped" / "answers.csv", index=False)
    answers(4).to_csv(folder / "answers-1042.csv", index=False)
    for name, into in (("xapi", "statements"), ("one_roster", "roster")):
        (folder / into).mkdir()
        for file, text in files(SOURCES[name]).items():
            (folder / into / file).write_text(text)
    (text,) = list(files(SOURCES["caliper"]).values())[:1]
    (folder / "events.json.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(folder / "export-2026-03-01.zip", "w") as packed:
        for file, text in files(SOURCES["edm_cup"]).items():
            packed.writestr(file, text)


@pytest.fixture(scope="module")
def folder(spark, tmp_path_factory) -> Path:
    """A folder to work in, with one lake under both names."""
    made = tmp_path_factory.mktemp("pages")
    (made / "lake").mkdir()
    (made / "my-lake").symlink_to("lake")
    write_files(made)
    return made


@pytest.fixture(scope="module")
def server() -> Iterator[list[subprocess.Popen]]:
    """Processes that go on until the last command was tried."""
    started: list[subprocess.Popen] = []
    yield started
    for process in started:
        process.terminate()
        process.wait()


def called(command: Command) -> str:
    """Run a command of the package in this process; what it said."""
    name, *arguments = command.words
    name = name.rpartition("/")[2]
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        if name == "deepkt":
            main([*arguments, *ADDED.get(arguments[0], [])])
        else:
            before, sys.argv = sys.argv, [name, *arguments]
            try:
                SCRIPTS[name]()
            finally:
                sys.argv = before
    return said.getvalue()


def in_shell(text: str, given: str = "") -> str:
    """Run a command by a shell, with this environment's programs; what it said."""
    programs = Path(sys.executable).parent
    ended = subprocess.run(
        ["bash", "-euc", text.replace(".venv/bin/", f"{programs}/")],
        input=given,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def served(command: Command) -> subprocess.Popen:
    """Start a server; it has said its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "deepkt_irt.cli", *command.words[1:]],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "5001" in process.stdout.readline()
    return process


def tried(command: Command, server: list[subprocess.Popen]) -> str:
    """Run a command in the way that suits it; what it said."""
    program = command.words[0]
    if program == "curl" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    if "-m pdb" in command.text:
        # at the breakpoint the context is there; then on to the end of the task
        return in_shell(command.text, given="p ctx.task.name\nc\nq\n")
    if command.words[1:2] == ["serve"]:
        server.append(served(command))
        return "serves"
    return in_shell(command.text) if program in {"mv", "curl"} else called(command)


def where(command: Command, folder: Path) -> Path:
    """Where a command runs: that with other columns has a lake of its own, as names land once."""
    return folder / "mapped" if "--map" in command.words else folder


@pytest.mark.parametrize(
    "command",
    sorted(COMMANDS, key=place),
    ids=lambda command: re.sub(r"\W+", "-", command.text)[:60],
)
def test_command_of_a_page_does_what_it_is_there_for(command, folder, server):
    with contextlib.chdir(where(command, folder)):
        said = tried(command, server)

    told = [word for begins, word in SAID.items() if begins in command.text]
    assert [word for word in told if word not in said] == []


def test_lake_holds_what_the_commands_brought(spark, folder):
    store = TableStore(spark, lake=folder / "lake")
    sources = store.read(CANONICAL_LEARNING_EVENTS).select("source").distinct().collect()

    assert {row[0] for row in sources} >= {"simulator", "responses_csv", "xapi", "caliper"}
    assert store.read(ERASURES).select("erasure_id").distinct().count() == 1
    assert (folder / "found.json").is_file()
