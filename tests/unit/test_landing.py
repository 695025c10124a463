"""Files are looked at before anything is copied, and copied whole or not at all."""

import gzip
import zipfile

import pytest

from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources import files
from deepkt_irt.sources.catalogue import source_named
from deepkt_irt.sources.landing import land, layout_of_landed, mapping_file

CSV = source_named("responses_csv")
EDM = source_named("edm_cup")
ANSWERS = "user_id,item_id,correct,timestamp,seq_pos\nu,i,1,1600000000,4\n"
RELATIONS = "unit_test_assignment_log_id,in_unit_assignment_log_id\n"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def landing(tmp_path):
    return tmp_path / "lake" / "landing"


def write(folder, text, name="answers.csv"):
    path = folder / name
    path.write_text(text)
    return path


def contents(landing):
    return {p.name: p.read_text() for p in landing.rglob("*") if p.is_file()}


def test_land_one_file_copies_it_with_its_mapping(data, landing):
    landed = land(CSV, write(data, ANSWERS), landing, mapping={"response_order": "seq_pos"})

    assert landed == [landing / "responses_csv" / "answers.csv"]
    assert landed[0].read_text() == ANSWERS
    assert set(contents(landing)) == {"answers.csv", "_answers.csv.mapping.json"}
    kept = layout_of_landed(CSV, landed[0])
    assert kept is not None
    assert {f.header: f.column for f in kept.fields}["user_id"] == "student_id"


def test_land_the_same_again_touches_nothing(data, landing):
    path = write(data, ANSWERS)
    (landed,) = land(CSV, path, landing, mapping=None)
    before = landed.stat().st_mtime_ns, mapping_file(landed).stat().st_mtime_ns

    assert land(CSV, path, landing, mapping=None) == [landed]

    assert (landed.stat().st_mtime_ns, mapping_file(landed).stat().st_mtime_ns) == before


def test_land_other_content_under_a_landed_name_is_refused(data, landing):
    land(CSV, write(data, ANSWERS), landing, mapping=None)

    with pytest.raises(BadFile, match=r"answers\.csv: a file of this name with other content"):
        land(CSV, write(data, ANSWERS + "u,j,0,1600000001,5\n"), landing, mapping=None)

    assert contents(landing)["answers.csv"] == ANSWERS


def test_land_another_mapping_for_a_landed_file_is_refused(data, landing):
    path = write(data, ANSWERS)
    land(CSV, path, landing, mapping=None)

    with pytest.raises(BadFile, match="landed before with another mapping"):
        land(CSV, path, landing, mapping={"student_id": "item_id", "item_id": "user_id"})


def test_land_again_without_the_mapping_keeps_the_one_given_first(data, landing):
    path = write(data, ANSWERS)
    given = {"student_id": "item_id", "item_id": "user_id"}
    (landed,) = land(CSV, path, landing, mapping=given)
    kept = mapping_file(landed).read_text()

    land(CSV, path, landing, mapping=None)

    assert mapping_file(landed).read_text() == kept


def test_land_cut_off_before_the_file_appeared_starts_over(data, landing):
    path = write(data, ANSWERS)
    folder = landing / "responses_csv"
    folder.mkdir(parents=True)
    (folder / "_answers.csv.part").write_text("user_id,it")
    mapping_file(folder / "answers.csv").write_text('{"student')

    (landed,) = land(CSV, path, landing, mapping=None)

    assert landed.read_text() == ANSWERS
    assert set(contents(landing)) == {"answers.csv", "_answers.csv.mapping.json"}


def test_land_folder_takes_the_files_of_the_source_only(data, landing):
    write(data, RELATIONS + "a,b\n", "assignment_relationships.csv")
    write(data, RELATIONS, "_assignment_relationships.csv")
    write(data, "about", "README.md")
    (data / "2025").mkdir()
    told = []

    landed = land(EDM, data, landing, mapping=None, on_passed_over=told.append)

    assert [path.name for path in landed] == ["assignment_relationships.csv"]
    assert told == ["data: not taken: 2025, README.md"]


def test_land_names_some_of_many_files_that_are_not_taken(data, landing):
    write(data, ANSWERS)
    for number in range(8):
        write(data, "", f"{number}.xlsx")
    told = []

    land(CSV, data, landing, mapping=None, on_passed_over=told.append)

    assert told == ["data: not taken: 0.xlsx, 1.xlsx, 2.xlsx, 3.xlsx, 4.xlsx and 3 more"]


def test_land_zip_file_names_what_is_not_taken_out(data, landing):
    with zipfile.ZipFile(data / "march.zip", "w") as archive:
        archive.writestr("answers.csv", ANSWERS)
        archive.writestr("notes.txt", "about")
    told = []

    land(CSV, data / "march.zip", landing, mapping=None, on_passed_over=told.append)

    assert told == ["march.zip: not taken: notes.txt"]


def test_land_one_bad_file_of_a_folder_copies_none(data, landing):
    write(data, RELATIONS + "a,b\n", "assignment_relationships.csv")
    write(data, "sequence_id\n1\n", "sequence_details.csv")

    with pytest.raises(BadFile, match=r"sequence_details\.csv: column .* missing"):
        land(EDM, data, landing, mapping=None)

    assert not landing.exists()


def test_land_folder_with_one_file_without_rows_is_taken(data, landing):
    write(data, RELATIONS + "a,b\n", "assignment_relationships.csv")
    write(data, "hint_id,problem_id\n", "hint_details.csv")

    assert len(land(EDM, data, landing, mapping=None)) == 2


def test_land_header_without_rows_is_refused(data, landing):
    with pytest.raises(BadFile, match="no rows in it"):
        land(CSV, write(data, "user_id,item_id,correct,timestamp\n"), landing, mapping=None)


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere", "no such file or folder"), ("", r"no file of source edm_cup .*action_logs\*")],
)
def test_land_missing_path_or_folder_without_files_says_what_it_takes(data, landing, name, said):
    with pytest.raises(BadFile, match=said):
        land(EDM, data / name, landing, mapping=None)


def test_land_file_of_another_source_says_what_it_takes(data, landing):
    with pytest.raises(BadFile, match=r"no file of source edm_cup; it takes action_logs\*\.csv"):
        land(EDM, write(data, ANSWERS), landing, mapping=None)


def test_land_name_the_stream_would_pass_over_is_refused(data, landing):
    with pytest.raises(BadFile, match="passed over; rename it"):
        land(CSV, write(data, ANSWERS, "_answers.csv"), landing, mapping=None)


def test_land_mapping_for_a_source_with_a_layout_is_refused(data, landing):
    with pytest.raises(UsageError, match="leave --map away"):
        land(EDM, data, landing, mapping={"student_id": "x"})


def test_land_unwritable_lake_says_so(data, tmp_path):
    blocked = tmp_path / "lake"
    blocked.write_text("a file where the lake should be")

    with pytest.raises(BackendUnavailable, match="cannot be written"):
        land(CSV, write(data, ANSWERS), blocked, mapping=None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_unpacked_bytes": 2**20}, r"more than the 1,048,576 allowed; .*max_unpacked_bytes"),
        ({"max_unpacked_ratio": 100}, r"unpack to more than 100 times as many.*max_unpacked_ratio"),
    ],
)
def test_land_gz_out_of_which_too_much_comes_is_refused(data, landing, monkeypatch, limits, said):
    monkeypatch.setattr(files, "_SMALL", 2**16)
    path = data / "answers.csv.gz"
    path.write_bytes(gzip.compress(ANSWERS.encode() + b"u,i,1,1600000000,4\n" * 500_000))

    with pytest.raises(BadFile, match=rf"answers\.csv\.gz: .*{said}"):
        land(CSV, path, landing, mapping=None, limits=IngestSettings(**limits))

    assert not landing.exists()
    assert land(CSV, path, landing, mapping=None, limits=IngestSettings(max_unpacked_ratio=2_000))
