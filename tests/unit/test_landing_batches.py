"""Where files of sources may lie in landing, and whom it concerns if something lies elsewhere."""

import gzip
import os
import zipfile
from types import SimpleNamespace

import pytest

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs import landing_batches
from deepkt_irt.jobs.landing_batches import files_below, landing_files, state_of
from deepkt_irt.jobs.source_stops import Stops
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources import files
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


ANSWERS = "user_id,item_id,correct,timestamp\nu,i,1,1600000000\n"


def looking(landing, said=None, **limits):
    """What of a task's context looking at landing needs."""
    settings = SimpleNamespace(ingest=IngestSettings(**limits))
    progress = (said if said is not None else []).append
    return SimpleNamespace(landing=landing, settings=settings, progress=progress)


def test_zip_is_taken_apart_and_one_that_is_damaged_stops_its_source_alone(tmp_path):
    for place in ("responses_csv/2026-03-01/a.zip", "assistments/b.zip"):
        (tmp_path / place).parent.mkdir(parents=True)
        with zipfile.ZipFile(tmp_path / place, "w") as out:
            out.writestr("answers.csv", ANSWERS)
            out.writestr("notes.txt", "about")
    damaged = tmp_path / "assistments" / "b.zip"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    stops, said = Stops(), []

    found = landing_files(looking(tmp_path, said), stops)

    assert list(found) == [("responses_csv", "2026-03-01/a.zip/answers.csv")]
    assert said == ["responses_csv/2026-03-01/a.zip: not taken out: notes.txt"]
    assert {name: stop.file for name, stop in stops.items()} == {"assistments": "b.zip"}
    assert damaged.is_file()


def test_what_a_run_that_was_cut_off_left_of_a_zip_is_completed(tmp_path):
    whole, half = (tmp_path / "responses_csv" / f"_{name}.zip.unpacking" for name in "ab")
    for folder in (whole, half):
        folder.mkdir(parents=True)
        (folder / "answers.csv").write_text(ANSWERS)
    with zipfile.ZipFile(tmp_path / "responses_csv" / "b.zip", "w") as out:  # not deleted yet
        out.writestr("other.csv", ANSWERS)

    found = landing_files(looking(tmp_path), Stops())

    assert [file for _, file in found] == ["a.zip/answers.csv", "b.zip/other.csv"]


def test_gz_out_of_which_too_much_comes_is_refused_however_it_landed(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_SMALL", 2**16)
    path = tmp_path / "responses_csv" / "a.csv.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress((ANSWERS + "u,i,1,1600000000\n" * 100_000).encode()))
    key = ("responses_csv", "a.csv.gz")

    with pytest.raises(BadFile, match=r"a\.csv\.gz: .* raise ingest\.max_unpacked_ratio"):
        landing_batches._looked_at(looking(tmp_path, max_unpacked_ratio=50), key)

    seen = landing_batches._looked_at(looking(tmp_path, max_unpacked_ratio=1_000), key)
    assert seen.facts.n_records == 100_001


def test_columns_of_a_zip_member_are_missing_in_the_name_of_both(tmp_path):
    path = tmp_path / "responses_csv" / "a.zip" / "x.csv"
    path.parent.mkdir(parents=True)
    path.write_text("who,what\n1,2\n")

    with pytest.raises(BadFile, match=r"^a\.zip/x\.csv: no student_id"):
        landing_batches._looked_at(looking(tmp_path), ("responses_csv", "a.zip/x.csv"))
