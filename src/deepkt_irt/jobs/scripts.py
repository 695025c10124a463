"""Console scripts as jobs and people call them: their flags, and how a failure ends.

A script that did its work returns; it never raises SystemExit(0), which Databricks has
reported as a failure. A failure is one line and exit status 1, wrong usage 2.
"""

import argparse
import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deepkt_irt.errors import DeepktError, UsageError
from deepkt_irt.jobs.lake_lock import sole_writer
from deepkt_irt.jobs.names import parse_names
from deepkt_irt.jobs.opening import Target

_FOR_PEOPLE = {"--help", "-h", "--lake", "--wait", "--full-refresh"}  # no job hands them over


@dataclass(frozen=True)
class Script:
    """One console script.

    Attributes:
        name: Its name.
        doc: What the operator reads.
        run: Does the work as the flags say.
        add_flags: Adds the script's own flags to those of every script.
        writes: Whether it needs a lake folder for itself.
    """

    name: str
    doc: str
    run: Callable[[argparse.Namespace], None]
    add_flags: Callable[[argparse.ArgumentParser], None]
    writes: bool = True

    def parser(self) -> argparse.ArgumentParser:
        """The flags the script takes."""
        parser = argparse.ArgumentParser(prog=self.name, description=self.doc)
        parser.add_argument("--catalog", help="Unity Catalog catalog to work in")
        parser.add_argument("--lake", type=Path, help="folder of a local lake instead")
        parser.add_argument(
            "--schemas", default="", metavar="LAYER=NAME,…", help="schemas not named as their layer"
        )
        if self.writes:
            parser.add_argument(
                "--wait",
                type=float,
                default=0.0,
                metavar="SECONDS",
                help="seconds to wait while another run writes this lake; default: stop at once",
            )
        self.add_flags(parser)
        return parser

    @property
    def job_flags(self) -> list[str]:
        """The flags a job gives it, without those for people."""
        actions = self.parser()._actions  # noqa: SLF001 - argparse shows them nowhere else
        flags = {text for action in actions for text in action.option_strings}
        return sorted(flags - _FOR_PEOPLE)

    def __call__(self) -> None:
        """Run as a process: its arguments, its log, its exit status."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
        logging.getLogger("py4j").setLevel(logging.WARNING)
        try:
            self._run_alone(self.parser().parse_args(sys.argv[1:]))
        except DeepktError as error:
            logging.getLogger(__name__).error("%s: %s", self.name, error)  # noqa: TRY400 - one line
            sys.exit(2 if isinstance(error, UsageError) else 1)

    def _run_alone(self, flags: argparse.Namespace) -> None:
        """Run as the only writer of a lake folder; what only reads needs no lock."""
        if not self.writes:
            self.run(flags)
            return
        with sole_writer(target_of(flags).folder, self.name, wait_seconds=flags.wait):
            self.run(flags)


def script(
    run: Callable[[argparse.Namespace], None],
    add_flags: Callable[[argparse.ArgumentParser], None] = lambda _: None,
    *,
    writes: bool = True,
) -> Script:
    """A script named and described by its function."""
    return Script(run.__name__, inspect.getdoc(run) or "", run, add_flags, writes)


def add_model_names(parser: argparse.ArgumentParser) -> None:
    """The flag that names registered models."""
    parser.add_argument(
        "--models", default="", metavar="MODEL=NAME,…", help="full names of registered models"
    )


def add_experiments(parser: argparse.ArgumentParser) -> None:
    """The flag that names experiments."""
    parser.add_argument(
        "--experiments", default="", metavar="NAME=PATH,…", help="experiments by model or prompt"
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The flag that changes settings."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PART.NAME=VALUE,…",
        help="change settings; the word defaults changes none",
    )


def target_of(flags: argparse.Namespace) -> Target:
    """Where a script is to work.

    Raises:
        UsageError: If the flags contradict each other.
    """
    names = parse_names(
        schemas=flags.schemas,
        models=getattr(flags, "models", ""),
        experiments=getattr(flags, "experiments", ""),
        prompts=getattr(flags, "prompts", ""),
    )
    return Target(lake=flags.lake, catalog=flags.catalog, names=names)
