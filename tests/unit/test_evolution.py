"""What is said of columns that come, go and change, from the accounts of files alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.errors import BadFile, SourceStopped, UsageError
from deepkt_irt.jobs.source_stops import Stops
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.sources.evolution import (
    Delivery,
    FileColumns,
    Status,
    changes,
    columns_of,
    followed,
    lacking,
)
from deepkt_irt.sources.landing import layout_of_landed
from deepkt_irt.sources.layout import Field, Layout
from deepkt_irt.tables.bronze import EXTRAS, RAW_RESPONSES

LAYOUT = Layout(
    table=RAW_RESPONSES,
    patterns=("answers*.csv",),
    fields=(
        Field("user", "student_id"),
        Field("item", "item_id"),
        Field("ms", "latency_ms", required=False),
    ),
    needed=("why",),
)
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)


def day(n):
    return MONDAY + timedelta(days=n)


def delivery(n, *headers, n_rows=10, **refused):
    """What a day brought: a file per header, each with the same shares refused."""
    files = [
        FileColumns(f"day{n}-{k}.csv", columns_of(LAYOUT, header.split()), refused, n_rows)
        for k, header in enumerate(headers)
    ]
    return Delivery(day(n), files)


def states(*deliveries):
    return {each.column: each for each in followed(deliveries, changed_type_share=0.5)}


def said(*deliveries):
    found = changes(list(states(*deliveries).values()))
    return {each.column: each.status.value for each in found}


def test_columns_of_a_file_are_those_it_has_and_those_its_layout_names():
    assert columns_of(LAYOUT, ["user", "item", "why", "mood", ""]) == {
        "user": Status.KNOWN,
        "item": Status.KNOWN,
        "why": Status.KNOWN,
        "mood": Status.ADDED,
        "ms": Status.MISSING_OPTIONAL,
    }


def test_columns_of_json_are_those_that_are_used():
    (layout,) = SOURCES["xapi"].layouts

    assert set(columns_of(layout, ()).values()) == {Status.KNOWN}


@pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))
def test_every_layout_keeps_what_it_does_not_name_where_its_table_has_room(source, tmp_path):
    for layout in _layouts(source, tmp_path):
        if EXTRAS in layout.table.column_names:
            assert layout.rest == EXTRAS
        elif layout.rest:
            assert layout.rest in layout.table.column_names


def _layouts(source, folder):
    if not source.mapped:
        return source.layouts
    (folder / "a.csv").write_text("user_id,item_id,correct,seq_pos\n")
    return [layout_of_landed(source, folder / "a.csv")]


def test_first_delivery_is_what_later_ones_are_held_against():
    first = delivery(0, "user item why mood")

    assert said(first) == {}
    assert said(first, delivery(1, "user item why mood")) == {}
    assert states(first)["mood"].status is Status.ADDED


def test_column_that_comes_is_added_by_the_delivery_that_brought_it_only():
    first, second = delivery(0, "user item why ms"), delivery(1, "user item why ms mood")

    assert said(first, second) == {"mood": "added"}
    found = states(first, second, delivery(2, "user item why ms mood"))["mood"]
    assert (found.first_seen_at, found.last_seen_at, found.changed_at) == (day(1), day(2), day(1))
    assert said(first, second, delivery(2, "user item why ms mood")) == {}


def test_column_that_goes_is_missing_and_once_back_is_as_before():
    whole, less = "user item why ms", "user item why"
    gone = [delivery(0, whole), delivery(1, less)]

    assert said(*gone) == {"ms": "missing_optional"}
    assert states(*gone)["ms"].last_seen_at == day(0)
    assert states(*gone)["ms"].file == "day1-0.csv"
    assert said(*gone, delivery(2, whole)) == {"ms": "known"}


def test_column_in_one_of_the_files_of_a_delivery_is_there():
    both = ("user item why ms", "user item why")

    assert said(delivery(0, *both), delivery(1, *both)) == {}
    assert states(delivery(0, *both))["ms"].file == "day0-0.csv"


def test_optional_column_that_never_came_is_missing_and_no_change():
    found = states(delivery(0, "user item why"))["ms"]

    assert (found.status, found.first_seen_at) == (Status.MISSING_OPTIONAL, None)
    assert said(delivery(0, "user item why"), delivery(1, "user item why")) == {}


def test_type_changed_where_many_rows_are_refused_for_what_was_fine():
    header = "user item why ms"
    fine, broken = delivery(0, header, ms=0.5), delivery(1, header, ms=0.6)

    assert said(fine, broken) == {"ms": "type_changed"}
    assert states(fine, broken)["ms"].refused_share == pytest.approx(0.6)
    assert said(fine, delivery(1, header, ms=0.5)) == {}
    assert said(fine, broken, delivery(2, header)) == {"ms": "known"}


def test_type_that_was_never_right_has_not_changed():
    header = "user item why ms"

    assert said(delivery(0, header, ms=0.9), delivery(1, header, ms=0.9)) == {}


def test_refused_share_of_a_delivery_weighs_files_by_their_rows():
    small = FileColumns("a.csv", columns_of(LAYOUT, ["ms"]), {"ms": 1.0}, 10)
    large = FileColumns("b.csv", columns_of(LAYOUT, ["ms"]), {}, 90)
    empty = FileColumns("c.csv", columns_of(LAYOUT, ["ms"]), {}, 0)

    assert states(Delivery(MONDAY, [small, large, empty]))["ms"].refused_share == pytest.approx(0.1)


def test_required_column_that_lacks_is_said_until_it_is_back():
    known = followed([delivery(0, "user item why")], changed_type_share=0.5)

    found = lacking(known, ["user", "when"], file="bad.csv", at=day(1))

    told = {each.column: (each.status, each.file) for each in changes(found)}
    assert told == dict.fromkeys(("user", "when"), (Status.MISSING_REQUIRED, "bad.csv"))
    assert changes(lacking([], ["user"], file="bad.csv", at=day(1)))[0].first_seen_at is None


@given(
    st.lists(
        st.lists(st.sets(st.sampled_from(["user", "item", "ms", "mood", "why"]), min_size=1)),
        min_size=1,
        max_size=6,
    )
)
def test_states_tell_of_any_deliveries_who_was_there_first_and_last(days):
    told = [delivery(n, *map(" ".join, files)) for n, files in enumerate(days) if files]

    for name, found in states(*told).items():
        having = [n for n, files in enumerate(days) if any(name in file for file in files)]
        assert found.first_seen_at == (day(having[0]) if having else None)
        assert found.last_seen_at == (day(having[-1]) if having else None)
        here = bool(having) and day(having[-1]) == told[-1].at
        assert (found.status in (Status.KNOWN, Status.ADDED)) == here
        assert found.changed_at <= told[-1].at


def test_stops_keep_the_first_error_of_each_source_and_raise_only_if_none_goes_on():
    stops = Stops()
    for source, file in (("a", "1.csv"), ("a", "2.csv"), ("b", "3.csv")):
        with stops.met(source, file):
            raise BadFile(file, "it is cut off", "land it again", [source])

    assert {source: (each.file, each.columns) for source, each in stops.items()} == {
        "a": ("1.csv", ("a",)),
        "b": ("3.csv", ("b",)),
    }
    stops.raise_if_all({"a", "b", "c"})
    with pytest.raises(BadFile, match=r"1\.csv: it is cut off"):
        stops.raise_if_all({"a", "b"})
    Stops().raise_if_all(set())


def test_stops_pass_on_what_is_no_fault_of_a_file():
    stops = Stops()
    with stops.met("nobody", "x.csv"):
        raise UsageError("no source 'nobody'")
    assert stops["nobody"].columns == ()
    with pytest.raises(ZeroDivisionError), stops.met("a", "1.csv"):
        raise ZeroDivisionError
    assert "a" not in stops


def test_stopped_sources_are_told_in_one_line():
    assert str(SourceStopped(["a: x"])).startswith("a source is stopped, the others were")
    assert str(SourceStopped(["a: x", "b: y"])).endswith("carried through: a: x | b: y")
