"""Where files of sources may lie in landing, and whom it concerns if something lies elsewhere."""

import os
from types import SimpleNamespace

import pytest

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs import landing_batches
from deepkt_irt.jobs.landing_batches import files_below, landing_files
from deepkt_irt.jobs.source_stops import Stops
from deepkt_irt.sources.reader import content_hash


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


@pytest.mark.parametrize("known_time", [True, False])
def test_file_is_read_again_only_if_its_size_or_time_differ(tmp_path, monkeypatch, known_time):
    path = tmp_path / "a.csv"
    path.write_text("one")
    found = path.stat()
    account = {
        "n_bytes": found.st_size,
        "modified_ns": found.st_mtime_ns if known_time else None,  # None: of an earlier version
        "content_hash": content_hash(path),
    }
    read = []
    monkeypatch.setattr(
        landing_batches, "content_hash", lambda path: read.append(path) or content_hash(path)
    )

    assert not landing_batches._is_changed(path, account)
    assert len(read) == (0 if known_time else 1)

    os.utime(path, ns=(0, found.st_mtime_ns + 1))
    assert not landing_batches._is_changed(path, account)
    path.write_text("two")
    os.utime(path, ns=(0, found.st_mtime_ns + 2))
    assert landing_batches._is_changed(path, account)
    path.write_text("more")
    os.utime(path, ns=(0, found.st_mtime_ns))
    assert landing_batches._is_changed(path, account)
