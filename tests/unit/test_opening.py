"""What a person may type about targets, instants and settings."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.jobs.opening import Target, checked, parse_as_of, parse_settings, profile_of
from deepkt_irt.settings import SaktSettings, SequenceSettings, Settings, SimulatorSettings
from deepkt_irt.tables.lake_folder import open_lake_folder


def test_target_needs_just_one_place():
    with pytest.raises(UsageError, match="either"):
        Target()
    with pytest.raises(UsageError, match="either"):
        Target(lake=Path("lake"), catalog="main")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T02:00", datetime(2026, 3, 1, 2, 0, tzinfo=UTC)),
        ("2026-03-01T02:00+01:00", datetime(2026, 3, 1, 1, 0, tzinfo=UTC)),
        ("", None),
    ],
)
def test_parse_as_of_reads_instants_as_utc(text, expected):
    assert parse_as_of(text) == expected


def test_parse_as_of_nonsense_is_refused_with_an_example():
    with pytest.raises(UsageError, match="2026-03-01T02:00"):
        parse_as_of("yesterday")


def test_parse_settings_changes_only_what_is_given():
    settings = parse_settings(["sakt.max_epochs=3"])

    assert settings.sakt == SaktSettings(max_epochs=3)
    assert settings.sequence == SequenceSettings()


def test_only_stream_and_upkeep_decide_no_result():
    kept = Settings().of_results()

    assert Settings.model_fields.keys() - kept.keys() == {"stream", "maintenance"}
    assert parse_settings(["sakt.max_epochs=3"]).of_results() != kept


@pytest.mark.parametrize("text", ["sakt.epochs=3", "sakt.heads=0", "max_epochs=3", "sakt.heads"])
def test_parse_settings_unknown_or_impossible_is_refused(text):
    with pytest.raises(UsageError):
        parse_settings([text])


def test_unknown_setting_names_those_that_there_are():
    late = r"^no setting alerts\.latehours; alerts has: late_hours, stale_hours, "
    with pytest.raises(UsageError, match=late):
        parse_settings(["alerts.latehours=5"])
    with pytest.raises(UsageError, match=r"^no setting alert; there are: ingest, roster, .*alerts"):
        parse_settings(["alert.late_hours=5"])


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UsageError, match="does not divide"):
        parse_settings(["sakt.width=64", "sakt.heads=5"])
    with pytest.raises(UsageError, match="must be below"):
        parse_settings(["sequence.length=50", "sequence.context=50"])


def test_checked_names_the_value_that_is_wrong():
    with pytest.raises(UsageError, match=r"n_students: .* not 3"):
        checked(SimulatorSettings, n_students=3)


def test_open_lake_folder_unwritable_place_says_so(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")

    with pytest.raises(BackendUnavailable, match="cannot be written"):
        open_lake_folder(blocker / "lake")


@pytest.mark.parametrize(
    ("files", "profile"),
    [
        ({}, "small"),
        ({"edm_cup/action_logs.csv": 11_000_000}, "small"),
        ({"assistments/2009.csv.gz": 4_000_000}, "medium"),
        ({"edm_cup/a.csv": 30_000_000, "edm_cup/2026-03-01/b.csv": 30_000_000}, "large"),
        ({"one_roster/roster.zip": 10_000_000}, "large"),
    ],
)
def test_profile_follows_the_size_of_what_landed_unpacked(tmp_path, files, profile):
    for name, size in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
    assert profile_of(tmp_path) == profile
