"""Console script replay_students: works students out again from bronze, by when they answered."""

import argparse
from dataclasses import replace

from deepkt_irt.jobs.opening import open_runner, parse_as_of, parse_settings
from deepkt_irt.jobs.pipeline import LOCAL_ORDER, TASKS
from deepkt_irt.jobs.replay import Replay, parse_replay
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.scripts import add_settings, target_of
from deepkt_irt.jobs.task import Task

# what is worked out student by student from bronze; all else follows from what these change
REPLAYED: tuple[Task, ...] = (TASKS["transform_silver"], TASKS["engineer_features"])
# as in the daily job; models are not trained anew by a replay
_DAILY = (
    "monitor_items",
    "score_students",
    "recommend_items",
    "explain_students",
    "publish_report",
)
FOLLOWING: tuple[Task, ...] = tuple(task for task in LOCAL_ORDER if task.name in _DAILY)
_PARAMETERS = ("first", "last", "source")
_NOT_GIVEN = "none"  # an empty parameter of a job would not survive its deployment


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Whom to work out again, the run's instant and its settings."""
    parser.add_argument("--from", dest="first", default=_NOT_GIVEN, help="first day, as 2026-03-01")
    parser.add_argument(
        "--to", dest="last", default=_NOT_GIVEN, help="last day, which belongs to it"
    )
    parser.add_argument("--source", default=_NOT_GIVEN, help="only answers of this source; or none")
    parser.add_argument("--all", default="no", choices=("yes", "no"), help="everybody instead")
    parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")
    add_settings(parser)


def replay_students(flags: argparse.Namespace) -> None:
    """Work out again, from bronze, the students who answered something in a span of days.

    Their whole histories are: events, behaviour, sequences and features. Rows of others stay as
    they are, unless files came in meanwhile, which are taken into account as in any run. Safe to
    run again. Logs of what was decided and rewarded are never rewritten. The next daily run does
    what follows. Answers without a time are in no span: for these there is --all=yes.
    """
    given = {each: getattr(flags, each).replace(_NOT_GIVEN, "") for each in _PARAMETERS}
    wanted = parse_replay(**given, every=flags.all == "yes")
    settings, as_of = parse_settings(flags.set), parse_as_of(flags.as_of)
    replay_from_bronze(open_runner(target_of(flags), settings=settings, as_of=as_of), wanted)


def replay_from_bronze(runner: Runner, wanted: Replay | None) -> None:
    """Run the tasks that work students out, for some students or for everybody.

    Args:
        runner: Over a lake or catalog.
        wanted: Whom; None: everybody, as if nothing had been worked out before.
    """
    if wanted is None:
        runner.run(REPLAYED, force=True)
    else:
        replace(runner, replay=wanted).run(REPLAYED)
