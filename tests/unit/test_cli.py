"""What a person types wrong, or hands over broken, ends in one line and the right status."""

import gzip
import logging
import signal
import subprocess
import sys
import threading

import pytest

from deepkt_irt import session
from deepkt_irt.cli import main
from deepkt_irt.jobs.doctor import examine
from deepkt_irt.jobs.lake_lock import sole_writer
from deepkt_irt.settings import Settings

GOOD = "user_id,item_id,correct,seq_pos\n" + "".join(
    f"u{i},q{i % 5},{i % 2},{i}\n" for i in range(50)
)


def refused(capsys, *arguments: str) -> tuple[int, str]:
    """Status and message of a command that must fail without a traceback."""
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    message = capsys.readouterr().err.strip()
    assert "Traceback" not in message
    assert len(message.splitlines()) == 1, message
    return int(stopped.value.code), message


def run_on(capsys, tmp_path, data, source="responses_csv") -> tuple[int, str]:
    lake = str(tmp_path / "lake")
    return refused(capsys, "run", "--source", source, "--data", str(data), "--lake", lake)


def test_run_missing_file_is_named(capsys, tmp_path):
    status, message = run_on(capsys, tmp_path, tmp_path / "absent.csv")

    assert status == 1
    assert "absent.csv" in message


def test_run_unknown_source_lists_the_known_ones(capsys, tmp_path):
    status, message = run_on(capsys, tmp_path, tmp_path, source="edm_cap")

    assert status == 2
    assert "edm_cup" in message
    assert "responses_csv" in message


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("empty.csv", b"", "empty"),
        ("wrong.csv", b"a,b\n1,2\n", "a, b"),
        ("cut.csv.gz", gzip.compress(GOOD.encode())[:-20], "gz"),
        ("fake.csv.gz", GOOD.encode(), "gz"),
        ("binary.csv", bytes(range(256)) * 20, "binary"),
    ],
)
def test_run_unreadable_file_is_refused_with_its_cause(capsys, tmp_path, name, content, cause):
    (tmp_path / name).write_bytes(content)

    status, message = run_on(capsys, tmp_path, tmp_path / name)

    assert status == 1
    assert name in message
    assert cause in message.lower()
    assert not list((tmp_path / "lake" / "landing").rglob("*.csv*"))


def test_run_unwritable_lake_is_named(capsys, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)
    (tmp_path / "blocker").write_text("")
    lake = str(tmp_path / "blocker" / "lake")

    status, message = refused(
        capsys,
        *("run", "--source", "responses_csv", "--data", str(tmp_path / "data.csv")),
        *("--lake", lake),
    )

    assert status == 1
    assert "cannot be written" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("demo", "--students", "many"),
        ("demo", "--students", "1"),
        ("run", "--source", "responses_csv"),
        ("trace", "--student-id", "x", "--lake", "/nonexistent"),
        ("item", "x", "--lake", "/nonexistent"),
        ("item",),
        ("gaming", "--lake", "/nonexistent"),
        ("gaming", "--student-id", "x", "--class", "y"),
        ("gaming", "--min-responses", "0"),
        ("demo", "--set", "sakt.epochs=1"),
    ],
)
def test_wrong_usage_has_status_2(capsys, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)

    status, _ = refused(capsys, *arguments)

    assert status == 2


@pytest.mark.parametrize(
    "option", [("--only", "fly"), ("--as-of", "noon"), ("--set", "sakt.epochs=1")]
)
def test_run_with_a_wrong_option_lands_nothing(capsys, tmp_path, option):
    data, lake = tmp_path / "data.csv", tmp_path / "lake"
    data.write_text(GOOD)
    place = ("--data", str(data), "--lake", str(lake))

    status, _ = refused(capsys, "run", "--source", "responses_csv", *place, *option)

    assert status == 2
    assert not lake.exists()


def test_help_begins_with_what_is_used_first(capsys):
    main(["--help"])

    listed = capsys.readouterr().out.partition("Commands:")[2].split("\n")
    assert [line.split()[0] for line in listed[1:3]] == ["demo", "run"]


def test_run_unknown_task_lists_the_tasks(capsys, tmp_path):
    (tmp_path / "data.csv").write_text(GOOD)

    status, message = refused(
        capsys,
        *("run", "--source", "responses_csv", "--data", str(tmp_path / "data.csv")),
        *("--lake", str(tmp_path / "lake"), "--only", "train"),
    )

    assert status == 2
    assert "train_sakt" in message


def test_doctor_unwritable_lake_is_amiss_and_says_how_to_mend(tmp_path):
    (tmp_path / "blocker").write_text("")

    found = examine(tmp_path / "blocker" / "lake", Settings())
    amiss = [finding for finding in found if not finding.ok]

    assert [finding.subject for finding in amiss] == ["Write access"]
    assert "--lake" in amiss[0].mend


def test_item_without_a_lake_says_how_to_make_one(capsys, tmp_path):
    status, message = refused(capsys, "item", "s:q1", "--json", "--lake", str(tmp_path / "none"))

    assert status == 2
    assert "deepkt demo" in message


@pytest.mark.parametrize(
    ("command", "option", "value"),
    [
        ("demo", "--students", "5"),
        ("demo", "--items", "5"),
        ("demo", "--seed", "-1"),
        ("gaming", "--min-responses", "0"),
    ],
)
def test_value_out_of_range_is_told_by_its_option(capsys, tmp_path, command, option, value):
    status, message = refused(capsys, command, option, value, "--lake", str(tmp_path / "lake"))

    assert status == 2
    assert f"{option}: Input should be greater" in message


def test_interrupted_command_says_so_in_one_line_however_often_it_is_told(tmp_path):
    lake = tmp_path / "lake"
    program = (
        "import signal; from deepkt_irt.cli import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "  # ignored in the background
        f"main(['demo', '--lake', {str(lake)!r}, '--wait', '60'])"
    )
    demo = [sys.executable, "-c", program]

    with (
        sole_writer(lake, "a test"),
        subprocess.Popen(demo, stderr=subprocess.PIPE, text=True) as waiting,
    ):
        assert waiting.stderr.readline().startswith("waiting up to 60 s")
        waiting.send_signal(signal.SIGINT)
        said = waiting.stderr.readline()
        waiting.send_signal(signal.SIGINT)
        rest = waiting.stderr.read()

    assert said + rest == "deepkt: stopped; the same command goes on where it stopped\n"
    assert waiting.returncode == 130


def test_interrupt_lets_spark_cancel_jobs_on_another_thread():
    before, asked_on = signal.getsignal(signal.SIGINT), []

    def of_spark(_number, _frame):
        asked_on.append(threading.current_thread())
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, of_spark)
    try:
        session._interrupt_cleanly()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert len(asked_on) == 1
    assert asked_on != [threading.main_thread()]


def test_what_py4j_says_of_an_interrupt_is_not_shown(caplog):
    main(["stages"])

    logging.getLogger().error("KeyboardInterrupt while sending command.")
    logging.getLogger().error("other")

    assert caplog.messages == ["other"]
