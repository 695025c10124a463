"""What holds for every source alike, tried on small files of each."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile
from deepkt_irt.governance.erasure import BY_COLUMN, Subject
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.landing import land, layout_of_landed
from deepkt_irt.sources.reader import inspect, records
from deepkt_irt.sources.removal import without
from made_up_sources import ANN, BEN, files, logs, student

EVERY = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
LIMIT = 100_000


def write(folder: Path, source) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files(source).items():
        (folder / name).write_text(text)
    return sorted(folder.iterdir())


def read(source, path):
    layout = layout_of_landed(source, path)
    assert layout is not None
    facts = inspect(path, layout)
    found = list(records(path, layout, max_field_characters=LIMIT))
    assert facts.n_records == len(found)  # read = kept + refused
    assert [each.row for each in found] == list(range(1, len(found) + 1))
    for each in found:
        if each.kept is None:
            assert each.reason
        else:
            assert not each.reason
            assert set(each.kept) <= set(layout.table.column_names)
    return found


@EVERY
def test_every_file_has_a_layout_and_every_record_is_kept(source, tmp_path):
    for path in write(tmp_path, source):
        assert [each.reason for each in read(source, path) if each.reason] == []


@EVERY
def test_landed_twice_is_landed_once(source, tmp_path):
    write(tmp_path / "data", source)

    first = land(source, tmp_path / "data", tmp_path / "landing", mapping=None)
    before = [(path, path.stat().st_mtime_ns) for path in first]
    again = land(source, tmp_path / "data", tmp_path / "landing", mapping=None)

    assert [(path, path.stat().st_mtime_ns) for path in again] == before


@EVERY
@settings(max_examples=25)
@given(data=st.data())
def test_damage_anywhere_is_refused_by_file_or_row_and_loses_nothing(
    source, data, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("damaged")
    path = data.draw(st.sampled_from(write(folder, source)))
    content = path.read_bytes()
    start = data.draw(st.integers(0, len(content) - 1))
    end = data.draw(st.integers(start, min(len(content), start + 40)))
    new = data.draw(st.binary(max_size=4) | st.sampled_from([b'"', b",", b"\n", b"}", b"[", b"7"]))
    path.write_bytes(content[:start] + new + content[end:])

    try:
        read(source, path)
    except BadFile as refused:
        assert str(refused).startswith(path.name)  # noqa: PT017 - either way is right


def unwanted(source, layout, name):
    values = {
        Subject.STUDENT: {student(source.name, name)},
        Subject.WORK: logs(name),
        Subject.KEY: set(),
    }
    named = {f.header: BY_COLUMN[f.column] for f in layout.fields if f.column in BY_COLUMN}
    return {header: values[subject] for header, subject in named.items()}


@EVERY
def test_erasure_takes_the_student_out_of_every_file_and_nobody_else(source, tmp_path):
    n_removed = 0
    for path in write(tmp_path, source):
        layout, before = layout_of_landed(source, path), read(source, path)
        left = tmp_path / f"_{path.name}"

        removed = without(path, left, unwanted(source, layout, ANN), layout.document)

        assert ANN not in left.read_text()
        assert left.read_text().count(BEN) == path.read_text().count(BEN)
        left.replace(path)
        stay = [each.kept for each in before if ANN not in str(each.kept)]
        assert [each.kept for each in read(source, path)] == stay
        assert removed.n_left == len(stay) == len(before) - len(removed.received)
        n_removed += len(removed.received)
    assert n_removed > 1
