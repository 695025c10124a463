"""Where files of sources may lie in landing, and whom it concerns if something lies elsewhere."""

import os
from types import SimpleNamespace

import pytest

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs.landing_batches import files_below, landing_files, state_of
from deepkt_irt.jobs.source_stops import Stops


@pytest.fixture
def landing(tmp_path):
    for name in ("a/1.csv", "a/2026-03-01/1.csv", "b/1.csv", "b/_2.csv.part", "_c/1.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def test_files_are_found_in_folders_of_sources_and_days(landing):
    found = files_below(landing)

    assert sorted(found) == [("a", "1.csv"), ("a", "2026-03-01/1.csv"), ("b", "1.csv")]
    assert found["a", "2026-03-01/1.csv"] == landing / "a" / "2026-03-01" / "1.csv"


@pytest.mark.parametrize("place", ["stray.csv", "b/deep/1.csv", "b/2026-03-01/sub/1.csv"])
def test_file_elsewhere_is_refused_and_stops_its_source_alone(landing, place):
    (landing / place).parent.mkdir(parents=True, exist_ok=True)
    (landing / place).write_text("x")

    with pytest.raises(BadFile, match=r"files lie in landing/<source>/"):
        files_below(landing)

    stops = Stops()
    found = landing_files(SimpleNamespace(landing=landing), stops)
    assert list(stops) == [place.split("/")[0]]
    assert {("a", "1.csv"), ("a", "2026-03-01/1.csv")} <= found.keys()


def test_state_of_landing_changes_with_any_file_but_a_hidden_one(landing):
    before = state_of(landing)
    (landing / "b" / "_3.csv.part").write_text("x")
    assert state_of(landing) == before

    for name, how in (("b/1.csv", "repaired"), ("stray.csv", "out of place"), ("b/9.zip", "zip")):
        path = landing / name
        path.write_text(how)
        os.utime(path, ns=(1, 1))
        assert state_of(landing) - before == {(path, 1)}
        before = state_of(landing)
