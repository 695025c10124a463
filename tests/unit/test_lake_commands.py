"""What the commands that look after a lake refuse before they start anything."""

import pytest

from deepkt_irt.cli import main
from deepkt_irt.errors import UsageError
from deepkt_irt.lake_commands import existing
from deepkt_irt.tables.lake_folder import open_lake_folder


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["replay"], "give --from DATE and --to DATE, or --all"),
        (["replay", "--from", "2026-03-02", "--to", "2026-03-01"], "is before --from"),
        (["replay", "--all", "--source", "xapi"], "leave out --from, --to and --source"),
        (["replay", "--all"], "there is no lake at"),
        (["maintain"], "there is no lake at"),
        (["models"], "there is no lake at"),
        (["rollback", "sakt"], "there is no lake at"),
        (["serve", "sakt"], "there is no lake at"),
        (["maintain", "--set", "maintenance.keep_days=3"], "keep_days"),
        (["report", "--wait", "-1"], "wait"),
    ],
)
def test_wrong_usage_ends_with_status_2_and_one_line(command, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    if "--set" in command:
        _make_table(tmp_path / "lake")

    with pytest.raises(SystemExit) as ended:
        main(command)

    assert ended.value.code == 2
    assert said in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "lake" / "writer.lock").exists()


def _make_table(lake):
    log = lake / "tables" / "ops" / "pipeline_runs" / "_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("{}")


def test_folder_left_by_a_run_that_failed_early_is_no_lake(tmp_path):
    open_lake_folder(tmp_path)

    with pytest.raises(UsageError, match="make one with deepkt demo or deepkt run"):
        existing(tmp_path)

    _make_table(tmp_path)
    assert existing(tmp_path) == tmp_path.resolve()
