"""Console scripts of the tasks, one each, as the bundle's wheel tasks call them.

A script that did its work returns; it never raises SystemExit(0), which Databricks has
reported as a failure. A failure is one line and exit status 1, wrong usage 2.
"""

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from deepkt_irt.errors import DeepktError, UsageError
from deepkt_irt.jobs.names import parse_names
from deepkt_irt.jobs.opening import Target, open_runner, parse_as_of, parse_settings
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.task import Task


def run_task(task: Task, arguments: list[str]) -> None:
    """Run one task as its flags say, whether or not it is up to date.

    Raises:
        DeepktError: What the task raises.
    """
    flags = parser_of(task).parse_args(arguments)
    names = parse_names(
        schemas=flags.schemas,
        models=getattr(flags, "models", ""),
        experiments=getattr(flags, "experiments", ""),
    )
    target = Target(lake=flags.lake, catalog=flags.catalog, names=names)
    runner = open_runner(target, settings=parse_settings(flags.set), as_of=parse_as_of(flags.as_of))
    runner.run([task], force=True)


def parser_of(task: Task) -> argparse.ArgumentParser:
    """The flags a task's console script takes."""
    parser = argparse.ArgumentParser(prog=task.name, description=task.doc)
    parser.add_argument("--catalog", help="Unity Catalog catalog to work in")
    parser.add_argument("--lake", type=Path, help="folder of a local lake instead")
    parser.add_argument(
        "--schemas", default="", metavar="LAYER=NAME,…", help="schemas not named as their layer"
    )
    if task.uses_models or task.trains:
        parser.add_argument(
            "--models", default="", metavar="MODEL=NAME,…", help="full names of registered models"
        )
    if task.trains:
        parser.add_argument(
            "--experiments", default="", metavar="MODEL=PATH,…", help="experiments by model"
        )
    parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PART.NAME=VALUE", help="change a setting"
    )
    return parser


def job_flags() -> dict[str, list[str]]:
    """By console script, the flags a job gives it; folders and single settings are for people."""
    for_people = {"--help", "-h", "--lake", "--set"}
    flags = {
        name: {text for action in parser_of(each)._actions for text in action.option_strings}  # noqa: SLF001 - argparse shows them nowhere else
        for name, each in TASKS.items()
    }
    return {name: sorted(each - for_people) for name, each in flags.items()}


def _console_script(name: str) -> Callable[[], None]:
    def script() -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
        logging.getLogger("py4j").setLevel(logging.WARNING)
        try:
            run_task(TASKS[name], sys.argv[1:])
        except DeepktError as error:
            logging.getLogger(__name__).error("%s: %s", name, error)  # noqa: TRY400 - one line
            sys.exit(2 if isinstance(error, UsageError) else 1)

    script.__name__ = script.__qualname__ = name
    script.__doc__ = TASKS[name].doc
    return script


ingest_bronze = _console_script("ingest_bronze")
transform_silver = _console_script("transform_silver")
engineer_features = _console_script("engineer_features")
calibrate_items = _console_script("calibrate_items")
train_sakt = _console_script("train_sakt")
score_students = _console_script("score_students")
recommend_items = _console_script("recommend_items")
publish_report = _console_script("publish_report")
