"""Zip files of every source are taken apart whole or not at all, and none of them is believed."""

import stat
import zipfile
from itertools import count

import pytest

from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.jobs.erasing import Person
from deepkt_irt.jobs.erasing_files import _new_landing_files
from deepkt_irt.jobs.landing_batches import files_below, zips_below
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources import files as packed_files
from deepkt_irt.sources import zip_files
from deepkt_irt.sources.catalogue import SOURCES, source_named
from deepkt_irt.sources.landing import land, mapping_file
from deepkt_irt.sources.zip_files import take_all_apart, take_apart, zips_in
from made_up_sources import ANN, files, logs, student

CSV = source_named("responses_csv")
EVERY = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
ANSWERS = "user_id,item_id,correct,timestamp\nu,i,1,1600000000\n"
LIMITS = IngestSettings()


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "lake" / "landing"


def packed(path, members, method=zipfile.ZIP_DEFLATED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as out:
        for name, text in members.items():
            out.writestr(name, text)
    return path


def texts(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@EVERY
def test_zip_of_any_source_lands_as_the_files_it_holds(source, tmp_path, landing):
    data = packed(tmp_path / "day.zip", files(source))

    landed = land(source, data, landing, mapping=None)

    assert {path.name: path.read_text() for path in landed} == files(source)
    assert {path.parent for path in landed} == {landing / source.name / "day.zip"}
    assert set(files_below(landing)) == {(source.name, f"day.zip/{n}") for n in files(source)}
    before = {path: path.stat().st_mtime_ns for path in landed}
    assert land(source, data, landing, mapping=None) == landed
    assert {path: path.stat().st_mtime_ns for path in landed} == before


@EVERY
def test_zip_that_was_copied_into_landing_is_taken_apart_there(source, landing):
    packed(landing / source.name / "2026-03-01" / "day.ZIP", files(source))

    assert set(zips_below(landing)) == {(source.name, "2026-03-01/day.ZIP")}
    assert files_below(landing) == {}

    take_all_apart(landing / source.name, source, LIMITS)
    take_all_apart(landing / source.name, source, LIMITS)

    assert zips_below(landing) == {}
    folder = landing / source.name / "2026-03-01" / "day.ZIP"
    assert texts(folder) == files(source)
    assert [path.name for path in folder.parent.iterdir()] == ["day.ZIP"]
    assert {file for _, file in files_below(landing)} == {
        f"2026-03-01/day.ZIP/{name}" for name in files(source)
    }


@EVERY
def test_forgotten_student_leaves_what_zips_held_even_before_it_was_taken_apart(source, landing):
    packed(landing / source.name / "day.zip", files(source))
    person = Person(
        source=source.name,
        student_id=student(source.name, ANN),
        key=None,
        known_since=None,
        split=None,
        work=logs(ANN),
    )

    for each in _new_landing_files(landing, person, LIMITS):
        each.new.replace(each.path)

    assert [name for name, text in texts(landing).items() if ANN in text] == []


def test_hidden_members_are_passed_over_folders_do_not_matter_and_others_are_named(landing):
    members = {
        "export/2026/answers.csv": ANSWERS,
        "__MACOSX/export/._answers.csv": "x",
        ".hidden.csv": "x",
        "_part/b.csv": "x",
        "README.txt": "about",
    }
    packed(landing / "responses_csv" / "a.zip", members)
    (path,) = zips_in(landing / "responses_csv")

    said = take_apart(path, CSV, LIMITS)

    assert texts(landing) == {"responses_csv/a.zip/answers.csv": ANSWERS}
    assert said == ["README.txt"]


def test_gz_inside_a_zip_is_read_as_gz(tmp_path, landing):
    import gzip

    data = packed(tmp_path / "a.zip", {"answers.csv.gz": gzip.compress(ANSWERS.encode())})

    (landed,) = land(CSV, data, landing, mapping=None)

    assert landed.name == "answers.csv.gz"


def test_mapping_given_goes_with_every_file_of_the_zip(tmp_path, landing):
    data = packed(tmp_path / "a.zip", {"a.csv": ANSWERS, "b.csv": ANSWERS})

    landed = land(CSV, data, landing, mapping={"response_order": "_row"})

    for path in landed:
        assert '"response_order": "_row"' in mapping_file(path).read_text()


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({}, "no file of source responses_csv in it, but nothing; it takes"),
        ({"a.txt": "x"}, r"no file of source responses_csv in it, but a\.txt; it takes \*\.csv"),
        ({"a.csv": ANSWERS, "b.zip": "x"}, r"it holds the zip file b\.zip; zip files once"),
        ({"a/x.csv": ANSWERS, "b/X.csv": ANSWERS}, r"x\.csv stands in it twice; name"),
        ({"../x.csv": ANSWERS}, r"it holds '\.\./x\.csv', a path that leads elsewhere; zip"),
        ({"/etc/x.csv": ANSWERS}, "a path that leads elsewhere"),
        ({"a/../../x.csv": ANSWERS}, "a path that leads elsewhere"),
        ({"C:\\x.csv": ANSWERS}, "a path that leads elsewhere"),
        ({"a.csv": "who,what\n1,2\n"}, r"/a\.csv: no student_id"),
    ],
)
def test_zip_that_is_not_what_it_should_be_is_refused_and_leaves_nothing(
    tmp_path, landing, members, problem
):
    data = packed(tmp_path / "a.zip", members)

    with pytest.raises(BadFile, match=rf"^a\.zip.*{problem}"):
        land(CSV, data, landing, mapping=None)

    assert not landing.exists()


def test_links_in_a_zip_are_no_links_afterwards(tmp_path, landing):
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(link, "/etc/passwd")

    with pytest.raises(BadFile, match=r"a\.zip/link\.csv: no student_id"):
        land(CSV, path, landing, mapping=None)


def test_encrypted_member_is_refused(tmp_path, landing):
    path = packed(tmp_path / "a.zip", {"a.csv": ANSWERS})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # flags, here and in the directory
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)

    with pytest.raises(BadFile, match=r"a\.csv in it is encrypted; zip it without a password"):
        land(CSV, path, landing, mapping=None)


@pytest.mark.parametrize("damage", ["cut", "flipped", "none"])
def test_damaged_zip_is_refused_wherever_it_lies(landing, damage):
    path = packed(landing / "responses_csv" / "a.zip", {"a.csv": ANSWERS * 50})
    whole = path.read_bytes()
    made = {"cut": whole[:-30], "flipped": whole[:60] + b"\xff\xff" + whole[62:], "none": b"x,y\n"}
    path.write_bytes(made[damage])

    with pytest.raises(BadFile, match=r"a\.zip: the zip file is damaged, or no zip file"):
        take_all_apart(landing / "responses_csv", CSV, LIMITS)

    assert path.read_bytes() == made[damage]
    assert [each.name for each in path.parent.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("cut", range(5))
def test_cut_off_while_it_is_taken_apart_then_again_gives_the_whole(landing, monkeypatch, cut):
    """Dies before each step in turn: three files written, the zip deleted, the folder renamed."""
    packed(landing / "edm_cup" / "a.zip", files(source_named("edm_cup")))
    steps = count()

    def dying(step):
        def maybe(*given, **named):
            if next(steps) == cut:
                raise KeyboardInterrupt
            return step(*given, **named)

        return maybe

    with monkeypatch.context() as patch:
        patch.setattr(zip_files, "_write", dying(zip_files._write))
        patch.setattr(type(landing), "unlink", dying(type(landing).unlink))
        patch.setattr(type(landing), "rename", dying(type(landing).rename))
        with pytest.raises(KeyboardInterrupt):
            take_all_apart(landing / "edm_cup", source_named("edm_cup"), LIMITS)
    take_all_apart(landing / "edm_cup", source_named("edm_cup"), LIMITS)

    assert texts(landing / "edm_cup") == {
        f"a.zip/{name}": text for name, text in sorted(files(source_named("edm_cup")).items())
    }


def test_bomb_is_refused_by_what_comes_out_whatever_it_says(tmp_path, landing, monkeypatch):
    monkeypatch.setattr(packed_files, "_SMALL", 1_000)
    path = packed(tmp_path / "a.zip", {"a.csv": "0" * 5_000_000})
    content = path.read_bytes().replace((5_000_000).to_bytes(4, "little"), b"\x01\0\0\0")
    said = rf"its {len(content):,} bytes unpack to more than 200 times as many.*max_unpacked_ratio"

    with pytest.raises(BadFile, match=said):
        land(CSV, path, landing, mapping=None)

    path.write_bytes(content)  # now it says that one byte comes out: then only that one does
    with pytest.raises(BadFile, match="the zip file is damaged"):
        land(CSV, path, landing, mapping=None)
    assert not landing.exists()


def test_zip_larger_than_allowed_is_refused_before_it_is_unpacked(tmp_path, landing):
    path = packed(tmp_path / "a.zip", {"a.csv": ANSWERS, "b.csv": ANSWERS})
    n = 2 * len(ANSWERS)
    said = rf"to {n} bytes, more than the {n - 1} allowed; .* raise ingest\.max_unpacked_bytes"

    with pytest.raises(BadFile, match=said):
        land(CSV, path, landing, mapping=None, limits=IngestSettings(max_unpacked_bytes=n - 1))

    limits = IngestSettings(max_unpacked_bytes=n)
    assert len(land(CSV, path, landing, mapping=None, limits=limits)) == 2


def test_unwritable_landing_says_so(tmp_path, landing):
    data = packed(tmp_path / "a.zip", {"a.csv": ANSWERS})
    landing.parent.mkdir()
    landing.write_text("a file where the folder should be")

    with pytest.raises(BackendUnavailable, match="cannot be written"):
        land(CSV, data, landing, mapping=None)
