"""Runs a job of a resolved bundle here: the built wheel's entry points, in the job's order.

Honours depends_on with outcomes, run_if, retries, for_each, conditions and job parameters, so that
what a job will do can be seen before it is deployed. Only where it runs differs: a catalog is a
folder, and compute is this machine.
"""

import json
import logging
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path

from deepkt_irt.bundle.document import Tree
from deepkt_irt.bundle.resolve import Resolved
from deepkt_irt.errors import BadFile, UsageError

log = logging.getLogger(__name__)

_PLACE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
# how the runtime starts a wheel task: the entry point by the package's own metadata
_START = """
import sys
from importlib.metadata import distribution
package, name, *arguments = sys.argv[1:]
found = distribution(package).entry_points.select(group="console_scripts", name=name)
(entry_point,) = found
sys.argv = [name, *arguments]
sys.exit(entry_point.load()())
"""
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": lambda left, right: left > right,
    "GREATER_THAN_OR_EQUAL": lambda left, right: left >= right,
    "LESS_THAN": lambda left, right: left < right,
    "LESS_THAN_OR_EQUAL": lambda left, right: left <= right,
}
SUCCEEDED, FAILED, UPSTREAM_FAILED, EXCLUDED = "succeeded", "failed", "upstream failed", "excluded"
_BAD = {FAILED, UPSTREAM_FAILED}


@dataclass(frozen=True)
class Outcome:
    """How one task of a run ended.

    Attributes:
        state: `succeeded`, `failed`, `upstream failed`, or `excluded` by run_if or a condition.
        attempts: How often it was started.
        answer: What a condition gave, `true` or `false`; None for other tasks.
    """

    state: str
    attempts: int = 0
    answer: str | None = None


@dataclass(frozen=True)
class JobRun:
    """One run of a job.

    Attributes:
        job: The resolved job.
        unpacked: Folder the wheel was unpacked into.
        values: Values of `{{…}}` references: job parameters and the start.
        environment: Added to the environment of the tasks.
        only: Keys of the tasks to run; empty for all.
    """

    job: Tree
    unpacked: Path
    values: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    only: frozenset[str] = frozenset()

    def run(self) -> dict[str, Outcome]:
        """Run the tasks in order; the outcome of each by key."""
        tasks = {each["task_key"]: each for each in self.job["tasks"]}
        waits = {key: _dependencies(each) for key, each in tasks.items()}
        outcomes: dict[str, Outcome] = {}
        for key in TopologicalSorter({k: list(v) for k, v in waits.items()}).static_order():
            if self.only and key not in self.only:
                outcomes[key] = Outcome(SUCCEEDED)  # taken for done, as the person says
                continue
            stopped = _stopped(tasks[key], waits[key], outcomes)
            outcomes[key] = Outcome(stopped) if stopped else self._attempts(tasks[key])
            log.info("%s: %s", key, outcomes[key].state)
        return {key: each for key, each in outcomes.items() if not self.only or key in self.only}

    def _attempts(self, task: Tree) -> Outcome:
        """Start a task until it succeeds, as often as it may."""
        if "condition_task" in task:
            return Outcome(SUCCEEDED, 1, self._condition(task["condition_task"]))
        allowed = 1 + int(task.get("max_retries", 0))
        for attempt in range(1, allowed + 1):
            if self._works(task):
                return Outcome(SUCCEEDED, attempt)
            if attempt < allowed:
                pause = int(task.get("min_retry_interval_millis", 0)) / 1000
                log.info("%s: attempt %d failed, again in %.0f s", task["task_key"], attempt, pause)
                time.sleep(pause)
        return Outcome(FAILED, allowed)

    def _works(self, task: Tree) -> bool:
        if "for_each_task" in task:
            return self._for_each(task["for_each_task"])
        if "python_wheel_task" not in task:
            raise UsageError(f"task {task['task_key']} is of a kind that cannot run here")
        return self._call(task, self.values)

    def _for_each(self, loop: Tree) -> bool:
        """Run the inner task once per input; all are tried, each with its own retries."""
        inputs = json.loads(_filled(str(loop["inputs"]), self.values))
        inner, results = loop["task"], []
        for value in inputs:
            one = {"input": value if isinstance(value, str) else json.dumps(value)}
            if isinstance(value, dict):
                one |= {f"input.{key}": str(each) for key, each in value.items()}
            each = JobRun(self.job, self.unpacked, {**self.values, **one}, self.environment)
            results.append(each._attempts(inner).state == SUCCEEDED)
        return all(results)

    def _condition(self, condition: Tree) -> str:
        left, right = (_filled(str(condition[side]), self.values) for side in ("left", "right"))
        operator = condition["op"]
        if operator in _COMPARISONS:
            try:
                return str(_COMPARISONS[operator](float(left), float(right))).lower()
            except ValueError as error:
                raise UsageError(f"{left!r} {operator} {right!r} compares no numbers") from error
        return str((left == right) == (operator == "EQUAL_TO")).lower()

    def _call(self, task: Tree, values: Mapping[str, str]) -> bool:
        """Start the wheel task in a process of its own, as a cluster does."""
        call = task["python_wheel_task"]
        named = call.get("named_parameters", {})
        arguments = [f"--{name}={_filled(value, values)}" for name, value in named.items()]
        arguments += [_filled(each, values) for each in call.get("parameters", [])]
        command = [sys.executable, "-c", _START, call["package_name"], call["entry_point"]]
        environment = {**os.environ, **self.environment, "PYTHONPATH": str(self.unpacked)}
        limit = task.get("timeout_seconds") or None
        try:
            ended = subprocess.run(  # noqa: S603 - the wheel's own entry point
                [*command, *arguments], env=environment, check=False, timeout=limit
            )
        except subprocess.TimeoutExpired:
            log.info("%s: stopped after %s s", task["task_key"], limit)
            return False
        return ended.returncode == 0


def open_run(
    bundle: Resolved,
    key: str,
    *,
    unpacked: Path,
    parameters: Mapping[str, str],
    only: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> JobRun:
    """A run of a job of the bundle, with its parameters resolved.

    Args:
        bundle: The resolved target.
        key: Key of the job.
        unpacked: Folder the wheel was unpacked into.
        parameters: Values in place of the job's defaults.
        only: Keys of the tasks to run; the others are taken for done.
        environment: Added to the environment of the tasks.

    Raises:
        UsageError: If there is no such job, parameter or task.
    """
    jobs = bundle.resources.get("jobs", {})
    if key not in jobs:
        raise UsageError(f"no job {key!r}; there are: {', '.join(jobs)}")
    job, chosen = jobs[key], frozenset(only)
    unknown = chosen - {task["task_key"] for task in job["tasks"]}
    if unknown:
        raise UsageError(f"job {key} has no task {sorted(unknown)[0]}")
    values = _values(key, job, parameters)
    return JobRun(job, unpacked, values, environment or {}, chosen)


def _values(key: str, job: Tree, parameters: Mapping[str, str]) -> dict[str, str]:
    """What `{{…}}` stands for in this run."""
    defaults = {each["name"]: str(each["default"]) for each in job.get("parameters", [])}
    unknown = parameters.keys() - defaults.keys()
    if unknown:
        raise UsageError(f"job {key} has no parameter {sorted(unknown)[0]}")
    start = datetime.now(UTC).replace(microsecond=0)
    known = {
        "job.name": str(job.get("name", key)),
        "job.start_time.iso_datetime": start.strftime("%Y-%m-%dT%H:%M:%S"),
        "job.start_time.iso_date": start.strftime("%Y-%m-%d"),
    }
    given = {**defaults, **parameters}
    return known | {f"job.parameters.{name}": _filled(v, known) for name, v in given.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    def value_of(found: re.Match[str]) -> str:
        if found.group(1) not in values:
            raise UsageError(f"{found.group(0)} has no value in this run")
        return values[found.group(1)]

    return _PLACE.sub(value_of, text)


def unpack_wheel(wheels: Path, scratch: Path) -> Path:
    """Put the wheel's content into a folder; a pure wheel needs no more to be importable.

    Raises:
        BadFile: If there is not just one wheel.
    """
    found = sorted(wheels.glob("*.whl"))
    if len(found) != 1:
        raise BadFile(str(wheels), f"{len(found)} wheels where one is needed", "run make wheel")
    with zipfile.ZipFile(found[0]) as archive:
        archive.extractall(scratch)
    return scratch


def _dependencies(task: Tree) -> dict[str, str | None]:
    """Keys of the tasks waited for, with the answer a condition must have given."""
    return {each["task_key"]: each.get("outcome") for each in task.get("depends_on", [])}


def _stopped(
    task: Tree, waits: Mapping[str, str | None], outcomes: Mapping[str, Outcome]
) -> str | None:
    """Why a task does not start; None if it does."""
    if not waits:
        return None
    states = []
    for key, answer in waits.items():
        other = answer is not None and outcomes[key].answer not in {None, answer.lower()}
        states.append(EXCLUDED if other else outcomes[key].state)
    rule = task.get("run_if", "ALL_SUCCESS")
    bad = [state in _BAD for state in states]
    good = [state == SUCCEEDED for state in states]
    starts = {
        "ALL_SUCCESS": all(good),
        "ALL_DONE": True,
        "NONE_FAILED": not any(bad) and any(good),
        "AT_LEAST_ONE_SUCCESS": any(good),
        "ALL_FAILED": all(bad),
        "AT_LEAST_ONE_FAILED": any(bad),
    }
    if starts[rule]:
        return None
    expects_failure = rule in {"ALL_FAILED", "AT_LEAST_ONE_FAILED"}
    return UPSTREAM_FAILED if any(bad) and not expects_failure else EXCLUDED
