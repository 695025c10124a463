"""What holds for every source alike, tried on small files of each."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs.erasing import Person
from deepkt_irt.jobs.erasing_files import _new_landing_files
from deepkt_irt.settings import IngestSettings
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.landing import land, layout_of_landed
from deepkt_irt.sources.reader import inspect, records
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
@settings(max_examples=25, deadline=None)
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


@EVERY
def test_erasure_takes_the_student_out_of_every_file_and_nobody_else(source, tmp_path):
    write(tmp_path / "data", source)
    landing = tmp_path / "landing"
    landed = land(source, tmp_path / "data", landing, mapping=None)
    before = {path: (path.read_text(), read(source, path)) for path in landed}
    person = Person(
        source=source.name,
        student_id=student(source.name, ANN),
        key=None,
        known_since=None,
        split=None,
        work=logs(ANN),
    )

    changed = _new_landing_files(landing, person, IngestSettings())

    assert {each.path for each in changed} == {p for p, (text, _) in before.items() if ANN in text}
    for each in changed:
        text, found = before[each.path]
        assert ANN not in each.new.read_text()
        assert each.new.read_text().count(BEN) == text.count(BEN)
        each.new.replace(each.path)
        stay = [record.kept for record in found if ANN not in str(record.kept)]
        assert [record.kept for record in read(source, each.path)] == stay
        assert each.removed.n_left == len(stay) == len(found) - len(each.removed.received)
