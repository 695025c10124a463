"""Reads Spark's event log: what a span of time was spent on, by stages and their operators."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NANOSECONDS = {"shuffle write time", "fetch wait time"}
_TIMED = {
    "scan time": "reading Parquet",
    "time to run Python workers": "Python workers",
    "sort time": "sorting",
    "time in aggregation build": "aggregating",
    "shuffle write time": "writing shuffles",
    "task commit time": "committing",
}


@dataclass
class Spent:
    """What the stages of a span took.

    Attributes:
        seconds: Length of the span.
        n_jobs: Spark jobs.
        n_stages: Stages that ran.
        busy: Seconds in which at least one task ran.
        core_seconds: Seconds of all tasks.
        gc: Of those, seconds of garbage collection.
        shuffled_mb: Written to shuffles.
        operators: Seconds of all tasks by kind of operator; they overlap.
    """

    seconds: float
    n_jobs: int = 0
    n_stages: int = 0
    busy: float = 0.0
    core_seconds: float = 0.0
    gc: float = 0.0
    shuffled_mb: float = 0.0
    operators: dict[str, float] = field(default_factory=lambda: defaultdict(float))


def spent(folder: Path, begin: float, end: float) -> Spent:
    """What happened between two instants.

    Args:
        folder: Of the event log; it holds one application.
        begin: Epoch seconds.
        end: Epoch seconds.
    """
    found, spans = Spent(end - begin), []
    for event in _events(folder):
        kind = event["Event"]
        if kind == "SparkListenerJobStart" and begin <= event["Submission Time"] / 1000 < end:
            found.n_jobs += 1
        if kind == "SparkListenerStageCompleted":
            stage = event["Stage Info"]
            if begin <= stage.get("Submission Time", 0) / 1000 < end:
                _add_stage(found, stage)
        if kind == "SparkListenerTaskEnd":
            info = event["Task Info"]
            if begin <= info["Launch Time"] / 1000 < end:
                spans.append((info["Launch Time"] / 1000, info["Finish Time"] / 1000))
    found.busy = _covered(spans)
    return found


def _events(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("events_*")) or sorted(folder.glob("local-*")):
        with path.open() as lines:
            yield from map(json.loads, lines)


def _add_stage(found: Spent, stage: dict[str, Any]) -> None:
    found.n_stages += 1
    for each in stage["Accumulables"]:
        name, value = each["Name"], float(each.get("Value") or 0)
        if name == "internal.metrics.executorRunTime":
            found.core_seconds += value / 1_000
        elif name == "internal.metrics.jvmGCTime":
            found.gc += value / 1_000
        elif name == "internal.metrics.shuffle.write.bytesWritten":
            found.shuffled_mb += value / 1e6
        elif name in _TIMED:
            scale = 1e9 if name in _NANOSECONDS else 1e3
            found.operators[_TIMED[name]] += value / scale


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in at least one of the spans."""
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total
