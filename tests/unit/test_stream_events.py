"""When a stream has a round, when it ends, and how long files waited; without Spark."""

import os
import signal
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deepkt_irt.jobs.entry_points import SCRIPTS
from deepkt_irt.jobs.stream_events import Until, resting, stopped_by_signals, stream
from deepkt_irt.jobs.stream_figures import Arrival, waits_of
from deepkt_irt.settings import Settings, StreamSettings

SILVER = ["ingest_bronze", "transform_silver", "stream_events"]
STUDENTS = ["engineer_features", "score_students", "recommend_changed"]
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass
class Recorded:
    """Stands for a runner: notes which tasks it is given, and lets files land meanwhile."""

    place: SimpleNamespace
    settings: Settings
    as_of: datetime = MIDNIGHT
    ran: list[str] = field(default_factory=list)
    meanwhile: list = field(default_factory=list)

    def run(self, tasks, *, force=False):
        self.ran.extend(task.name for task in tasks)
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture
def land(tmp_path):
    """Puts a file into the landing folder."""

    def put(name):
        path = tmp_path / "responses_csv" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n")

    return put


@pytest.fixture
def recorded(tmp_path):
    def make(**settings):
        known = StreamSettings(**{"trigger_seconds": 0, "score_seconds": 0, **settings})
        return Recorded(SimpleNamespace(landing=tmp_path), Settings(stream=known))

    return make


def rounds(runner, n):
    """What ran in n more rounds of a stream that starts now."""
    before = len(runner.ran)
    stream(runner, threading.Event(), Until(rounds=n))
    return runner.ran[before:]


def test_rounds_without_files_run_nothing(recorded):
    assert rounds(recorded(), 3) == []


def test_first_round_runs_all_and_later_ones_what_is_new(recorded, land):
    land("a.csv")

    assert rounds(recorded(), 4) == SILVER + STUDENTS


def test_file_that_lands_during_a_round_has_the_next_one(recorded, land):
    runner = recorded()
    land("a.csv")
    runner.meanwhile = [lambda: land("b.csv")]

    assert rounds(runner, 3) == (SILVER + STUDENTS) * 2


def test_file_under_construction_is_passed_over(recorded, land):
    land("_a.csv.part")

    assert rounds(recorded(), 2) == []


def test_restart_runs_a_round_since_the_last_one_may_have_been_cut(recorded, land):
    runner = recorded()
    land("a.csv")
    rounds(runner, 1)

    assert rounds(runner, 1) == SILVER + STUDENTS


def test_students_wait_for_their_own_interval(recorded, land):
    runner = recorded(score_seconds=3600)
    land("a.csv")
    runner.meanwhile = [lambda: land("b.csv")]

    assert rounds(runner, 3) == [*SILVER, *STUDENTS, *SILVER]


def test_what_is_at_fault_is_met_once_and_again_when_it_is_put_right(recorded, tmp_path):
    runner, stray = recorded(), tmp_path / "stray.csv"
    stray.write_text("x\n")

    def put_right():
        stray.write_text("y\n")
        os.utime(stray, ns=(1, 1))

    runner.meanwhile = [put_right]

    assert rounds(runner, 4) == (SILVER + STUDENTS) * 2


def test_what_lies_where_no_file_can_is_left_to_the_task_to_judge(recorded, tmp_path):
    (tmp_path / "stray.csv").write_text("x\n")

    assert rounds(recorded(), 2) == SILVER + STUDENTS


def test_empty_folder_of_a_source_is_nothing_new(recorded, tmp_path):
    (tmp_path / "responses_csv").mkdir()

    assert rounds(recorded(), 1) == []


def test_rounds_speak_about_the_instant_they_start_at(recorded, land):
    seen = []

    @dataclass
    class Noting(Recorded):
        def run(self, tasks, *, force=False):
            seen.append(self.as_of)

    runner = recorded()
    land("a.csv")
    begun = datetime.now(UTC).replace(microsecond=0)
    rounds(Noting(runner.place, runner.settings), 1)

    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert begun <= seen[0] <= datetime.now(UTC)


def test_stream_ends_after_its_seconds(recorded):
    stream(recorded(trigger_seconds=0.01), threading.Event(), Until(seconds=0.05))


def test_stop_that_was_asked_for_leaves_no_further_round(recorded, land):
    runner, stop = recorded(trigger_seconds=3600), threading.Event()
    land("a.csv")
    runner.meanwhile = [stop.set]

    stream(runner, stop, Until())

    assert runner.ran == SILVER + STUDENTS  # the round at hand is finished


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_asks_to_stop_and_the_next_one_does_what_it_did_before(number):
    before = signal.getsignal(number)

    with stopped_by_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), number)
        assert stop.wait(5)
        assert signal.getsignal(number) == before

    assert signal.getsignal(number) == before


def test_stream_in_another_thread_leaves_signals_alone():
    handlers = []

    def work():
        with stopped_by_signals() as stop:
            handlers.append((signal.getsignal(signal.SIGTERM), stop.is_set()))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

    assert handlers == [(signal.getsignal(signal.SIGTERM), False)]


@pytest.mark.parametrize(
    ("rests", "hours"),
    [("", set()), ("02:00-05:00", {2, 3, 4}), ("23:00-01:00", {23, 0}), ("00:00-00:00", set())],
)
def test_rests_are_hours_of_the_day(rests, hours):
    assert {h for h in range(24) if resting(rests, MIDNIGHT + timedelta(hours=h))} == hours


def test_stream_at_rest_runs_nothing(recorded, land):
    land("a.csv")
    now = datetime.now(UTC)
    around = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"

    assert rounds(recorded(rests=around), 2) == []


@pytest.mark.parametrize("rests", ["2-4", "02:00", "25:00-26:00", "02:00-04:00 UTC"])
def test_rests_that_are_no_hours_are_refused(rests):
    with pytest.raises(ValidationError, match="rests"):
        StreamSettings(rests=rests)


def test_waits_count_rows_not_files():
    found = waits_of([Arrival(at=90.0, n_rows=99), Arrival(at=40.0, n_rows=1)], ready=100.0)

    assert found["to_silver_seconds_p50"] == 10.0
    assert found["to_silver_seconds_p99"] == 10.0
    assert found["to_silver_seconds_max"] == 60.0


def test_waits_of_nothing_are_unknown():
    assert waits_of([], ready=1.0) == {}
    assert waits_of([Arrival(at=0.0, n_rows=0)], ready=1.0) == {}


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(1, 50)), min_size=1, max_size=20))
def test_waits_are_those_of_each_row_by_itself(files):
    ready = 5e8  # some files came later, by a clock that was set back
    found = waits_of([Arrival(at, n) for at, n in files], ready)
    each = np.repeat([max(ready - at, 0.0) for at, _ in files], [n for _, n in files])

    for name, share in (("p50", 0.5), ("p99", 0.99)):
        expected = np.quantile(each, share, method="inverted_cdf")
        assert found[f"to_silver_seconds_{name}"] == pytest.approx(expected)
    assert found["to_silver_seconds_max"] == each.max()


def test_script_takes_no_instant_and_no_round():
    flags = SCRIPTS["stream_events"].job_flags

    assert flags == [
        "--catalog",
        "--experiments",
        "--for-seconds",
        "--models",
        "--schemas",
        "--set",
    ]
