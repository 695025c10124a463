"""A job runs here as Workflows would run it: order, run_if, retries, loops, conditions."""

import zipfile

import pytest

from conftest import REPOSITORY
from deepkt_irt.bundle.resolve import Choices, Resolved, resolve
from deepkt_irt.bundle.running import Outcome, open_run, unpack_wheel
from deepkt_irt.errors import BadFile, UsageError

# an entry point that writes down how it was called, and fails as often as it is told
CODE = """
import os, pathlib, sys
def main():
    diary = pathlib.Path(os.environ["DIARY"])
    before = diary.read_text().splitlines() if diary.exists() else []
    line = " ".join(sys.argv)
    diary.write_text("\\n".join([*before, line]) + "\\n")
    times = [arg for arg in sys.argv if arg.startswith("--fail=")]
    if times and before.count(line) < int(times[0][7:]):
        return 1
"""


@pytest.fixture
def unpacked(tmp_path):
    """A small wheel with one entry point, unpacked."""
    folder = tmp_path / "dist"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_work.py", CODE)
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Name: tiny\nVersion: 1.0\n")
        wheel.writestr(
            "tiny-1.0.dist-info/entry_points.txt", "[console_scripts]\nwork = tiny_work:main\n"
        )
    return unpack_wheel(folder, tmp_path / "unpacked")


@pytest.fixture
def run(unpacked, tmp_path):
    """Runs a job of these tasks; its outcomes and what was called."""
    diary = tmp_path / "diary"

    def start(tasks, *, job=None, parameters=None, only=()):
        bundle = Resolved("dev", {"resources": {"jobs": {"j": {"tasks": tasks, **(job or {})}}}})
        opened = open_run(
            bundle,
            "j",
            unpacked=unpacked,
            parameters=parameters or {},
            only=only,
            environment={"DIARY": str(diary)},
        )
        return opened.run(), diary.read_text().splitlines() if diary.exists() else []

    return start


def work(key, *after, fail=0, **fields):
    named = {"me": key} | ({"fail": str(fail)} if fail else {})
    return {
        "task_key": key,
        "depends_on": [{"task_key": each} for each in after],
        "python_wheel_task": {
            "package_name": "tiny",
            "entry_point": "work",
            "named_parameters": named,
        },
        **fields,
    }


def states(outcomes):
    return {key: each.state for key, each in outcomes.items()}


def test_tasks_run_after_those_they_wait_for(run):
    _, called = run([work("c", "b"), work("b", "a"), work("a")])

    assert called == ["work --me=a", "work --me=b", "work --me=c"]


def test_failure_stops_what_waits_for_it_and_nothing_else(run):
    outcomes, called = run([work("a", fail=9), work("b", "a"), work("c", "b"), work("d")])

    assert states(outcomes) == {
        "a": "failed",
        "b": "upstream failed",
        "c": "upstream failed",
        "d": "succeeded",
    }
    assert not [line for line in called if "--me=b" in line]


@pytest.mark.parametrize(
    ("rule", "after_bad_and_good", "after_good"),
    [
        ("ALL_SUCCESS", "upstream failed", "succeeded"),
        ("ALL_DONE", "succeeded", "succeeded"),
        ("NONE_FAILED", "upstream failed", "succeeded"),
        ("AT_LEAST_ONE_SUCCESS", "succeeded", "succeeded"),
        ("ALL_FAILED", "excluded", "excluded"),
        ("AT_LEAST_ONE_FAILED", "succeeded", "excluded"),
    ],
)
def test_run_if_decides_by_how_the_others_ended(run, rule, after_bad_and_good, after_good):
    outcomes, _ = run(
        [
            work("bad", fail=9),
            work("good"),
            work("x", "bad", "good", run_if=rule),
            work("y", "good", run_if=rule),
        ]
    )

    assert outcomes["x"].state == after_bad_and_good
    assert outcomes["y"].state == after_good


def test_retries_are_made_as_often_as_allowed(run):
    outcomes, _ = run([work("a", fail=2, max_retries=2), work("b", fail=2, max_retries=1)])

    assert outcomes == {"a": Outcome("succeeded", 3), "b": Outcome("failed", 2)}


def test_condition_chooses_the_branch(run):
    job = {"parameters": [{"name": "rows", "default": "5"}]}
    condition = {"left": "{{job.parameters.rows}}", "op": "GREATER_THAN", "right": "10"}
    branch = {"depends_on": [{"task_key": "many", "outcome": "true"}]}
    tasks = [
        {"task_key": "many", "condition_task": condition},
        work("yes") | branch,
        work("no") | {"depends_on": [{"task_key": "many", "outcome": "false"}]},
        work("after_yes", "yes"),
    ]

    few, _ = run(tasks, job=job)
    many, _ = run(tasks, job=job, parameters={"rows": "11"})

    assert (few["yes"].state, few["no"].state) == ("excluded", "succeeded")
    assert few["after_yes"].state == "excluded"
    assert (many["yes"].state, many["no"].state) == ("succeeded", "excluded")


def test_for_each_calls_the_task_once_per_input(run):
    inner = work("inner")
    inner["python_wheel_task"]["named_parameters"] = {"of": "{{input.name}}"}
    loop = {"inputs": '[{"name": "a"}, {"name": "b"}]', "task": inner}

    outcomes, called = run([{"task_key": "loop", "for_each_task": loop}])

    assert outcomes["loop"].state == "succeeded"
    assert called == ["work --of=a", "work --of=b"]


def test_only_runs_what_is_named_and_takes_the_rest_for_done(run):
    outcomes, called = run([work("a"), work("b", "a"), work("c", "b")], only=["b"])

    assert states(outcomes) == {"b": "succeeded"}
    assert called == ["work --me=b"]


def test_what_the_job_does_not_have_is_named(run):
    with pytest.raises(UsageError, match="no parameter rows"):
        run([work("a")], parameters={"rows": "1"})
    with pytest.raises(UsageError, match="no task z"):
        run([work("a")], only=["z"])
    with pytest.raises(UsageError, match=r"\{\{job\.parameters\.x\}\} has no value"):
        run([work("{{job.parameters.x}}")])
    with pytest.raises(UsageError, match="cannot run here"):
        run([{"task_key": "n", "notebook_task": {}}])


def test_unpack_wheel_wants_just_one(tmp_path):
    with pytest.raises(BadFile, match="run make wheel"):
        unpack_wheel(tmp_path, tmp_path / "x")


def test_daily_job_hands_over_what_development_mode_named(unpacked):
    bundle = resolve(REPOSITORY, "dev", Choices(user="jo.smith@example.org"))

    opened = open_run(
        bundle, "daily_ingestion", unpacked=unpacked, parameters={"as_of": "2026-03-01T02:00"}
    )

    assert opened.values["job.parameters.as_of"] == "2026-03-01T02:00"
    assert "gold=dev_jo_smith_gold" in opened.values["job.parameters.schemas"]
    models = dict(pair.split("=") for pair in opened.values["job.parameters.models"].split(","))
    assert models["sakt"].endswith(".dev_jo_smith_sakt")
    assert models["wd_irt"].endswith(".dev_jo_smith_wd_irt")


def test_unnamed_job_lists_those_there_are(unpacked):
    bundle = resolve(REPOSITORY, "dev", Choices())

    with pytest.raises(UsageError, match=r"daily_ingestion, .*weekly_training"):
        open_run(bundle, "nightly", unpacked=unpacked, parameters={})


def test_integration_test_fails_with_its_verification_although_the_drop_succeeds():
    job = resolve(REPOSITORY, "dev", Choices()).resources["jobs"]["integration_test"]
    waited_for = {each["task_key"] for task in job["tasks"] for each in task.get("depends_on", [])}
    leaves = {each["task_key"]: each for each in job["tasks"] if each["task_key"] not in waited_for}

    # a job ends as its leaves do: beside the drop, which always runs, one must need the success
    assert leaves.keys() == {"drop_district", "verdict"}
    assert leaves["drop_district"]["run_if"] == "ALL_DONE"
    assert "run_if" not in leaves["verdict"]
    assert leaves["verdict"]["depends_on"] == [{"task_key": "verify_district"}]
