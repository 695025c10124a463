"""What benchmarks measure of other processes is what these did."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from conftest import REPOSITORY


def _benchmark(name):
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


process_memory = _benchmark("process_memory")
spark_events = _benchmark("spark_events")

HOLDS_60_MB = "import time; held = bytearray(b'x') * 60_000_000; time.sleep(1); print('done')"
STARTS_IT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS_60_MB!r}])"


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps_rollup"), reason="reads Linux's /proc")  # noqa: PTH110
def test_memory_of_a_process_its_child_holds_counts():
    found = process_memory.measured([sys.executable, "-c", STARTS_IT], os.environ)

    assert found.output == "done\n"
    assert 60 < found.peak_mb < 160
    assert 1 <= found.seconds < 60


def test_a_command_that_fails_is_an_error():
    with pytest.raises(subprocess.CalledProcessError):
        process_memory.measured([sys.executable, "-c", "raise SystemExit(3)"], os.environ)


def test_time_is_told_by_span_and_operator(tmp_path):
    def stage(at, **metrics):
        values = [{"Name": name, "Value": value} for name, value in metrics.items()]
        info = {"Submission Time": at * 1000, "Accumulables": values}
        return {"Event": "SparkListenerStageCompleted", "Stage Info": info}

    def task(begin, end):
        info = {"Launch Time": begin * 1000, "Finish Time": end * 1000}
        return {"Event": "SparkListenerTaskEnd", "Task Info": info}

    inside = {"internal.metrics.executorRunTime": "4000", "sort time": "1500"}
    events = [
        {"Event": "SparkListenerJobStart", "Submission Time": 11_000},
        {"Event": "SparkListenerJobStart", "Submission Time": 31_000},
        *(task(11, 13), task(12, 14), task(16, 17), task(31, 32)),
        stage(11, **inside, **{"shuffle write time": "500000000"}),
        stage(31, **inside),
    ]
    (tmp_path / "events_1_local").write_text("\n".join(map(json.dumps, events)))

    found = spark_events.spent(tmp_path, 10, 20)

    assert (found.seconds, found.n_jobs, found.n_stages) == (10, 1, 1)
    assert found.busy == pytest.approx(4)  # 11 to 14 and 16 to 17
    assert found.core_seconds == pytest.approx(4)
    assert dict(found.operators) == {"sorting": 1.5, "writing shuffles": 0.5}
