"""The wheel's console scripts: one per task, and those that jobs need beside them."""

import argparse

from deepkt_irt.jobs import apply_access as access_rules
from deepkt_irt.jobs import forget_student as forgetting
from deepkt_irt.jobs import integration, serving_endpoint
from deepkt_irt.jobs import maintain_tables as maintenance
from deepkt_irt.jobs import pull_sources as pulling
from deepkt_irt.jobs import replay_students as replaying
from deepkt_irt.jobs import stream_events as streaming
from deepkt_irt.jobs.opening import open_runner, parse_as_of, parse_settings
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.jobs.scripts import (
    Script,
    add_experiments,
    add_model_names,
    add_settings,
    script,
    target_of,
)
from deepkt_irt.jobs.task import Task


def task_script(task: Task) -> Script:
    """The console script of a task: it runs whether or not the task is up to date."""

    def run(flags: argparse.Namespace) -> None:
        settings, as_of = parse_settings(flags.set), parse_as_of(flags.as_of)
        runner = open_runner(target_of(flags), settings=settings, as_of=as_of)
        runner.run([task], always=True, force=flags.full_refresh)

    def add_flags(parser: argparse.ArgumentParser) -> None:
        if task.uses_models or task.trains:
            add_model_names(parser)
        if task.prompts:
            parser.add_argument(
                "--prompts", default="", metavar="PROMPT=NAME,…", help="full names of prompts"
            )
        if task.trains or task.prompts:
            add_experiments(parser)
        parser.add_argument(
            "--full-refresh",
            action="store_true",
            help="work out everything, not just what changed since the last run",
        )
        parser.add_argument("--as-of", help="instant the run speaks about, ISO 8601; default: now")
        add_settings(parser)

    return Script(task.name, task.doc, run, add_flags)


ingest_bronze = task_script(TASKS["ingest_bronze"])
transform_silver = task_script(TASKS["transform_silver"])
engineer_features = task_script(TASKS["engineer_features"])
calibrate_items = task_script(TASKS["calibrate_items"])
monitor_items = task_script(TASKS["monitor_items"])
train_sakt = task_script(TASKS["train_sakt"])
train_wd_irt = task_script(TASKS["train_wd_irt"])
score_students = task_script(TASKS["score_students"])
recommend_items = task_script(TASKS["recommend_items"])
build_vector_index = task_script(TASKS["build_vector_index"])
explain_students = task_script(TASKS["explain_students"])
publish_report = task_script(TASKS["publish_report"])
verify_sources = task_script(TASKS["verify_sources"])
apply_access = script(access_rules.apply_access, access_rules.add_flags)
pull_sources = script(pulling.pull_sources, pulling.add_flags)
forget_student = script(forgetting.forget_student, forgetting.add_flags)
maintain_tables = script(maintenance.maintain_tables, maintenance.add_flags)
replay_students = script(replaying.replay_students, replaying.add_flags)
stream_events = script(streaming.stream_events, streaming.add_flags)
seed_district = script(integration.seed_district)
verify_district = script(integration.verify_district, writes=False)
drop_district = script(integration.drop_district, add_model_names)
serve_champions = script(serving_endpoint.serve_champions, serving_endpoint.add_flags, writes=False)

SCRIPTS: dict[str, Script] = {
    each.name: each for each in tuple(globals().values()) if isinstance(each, Script)
}
