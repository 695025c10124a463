"""What the commands that look after a lake refuse before they start anything."""

import pytest

from deepkt_irt.cli import main


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
        (tmp_path / "lake" / "tables").mkdir(parents=True)

    with pytest.raises(SystemExit) as ended:
        main(command)

    assert ended.value.code == 2
    assert said in " ".join(capfd.readouterr().err.split())
    assert not (tmp_path / "lake" / "writer.lock").exists()
