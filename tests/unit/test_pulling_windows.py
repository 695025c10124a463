"""Windows: what the names of landed files say, and that nothing falls between two pulls."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.pulling.connection import NumberWatermark, TimeWatermark
from deepkt_irt.pulling.windows import (
    Window,
    first_number,
    last_instant,
    last_number,
    spans,
    time_window,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - with the zone


def put(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


@given(since=INSTANTS, seconds=st.integers(1, 10**8), micros=st.integers(0, 999_999))
def test_watermark_is_where_a_named_file_ends(tmp_path_factory, since, seconds, micros):
    until = since + timedelta(seconds=seconds, microseconds=micros)
    folder = tmp_path_factory.mktemp("landing")
    put(folder, f"2026-03-01/{Window(since, until).file_name('quizzes')}")

    assert last_instant(folder, "quizzes") == until


def test_watermark_heeds_neither_other_connections_nor_unfinished_files(tmp_path):
    put(
        tmp_path,
        "2026-03-01/quizzes_n0_n10.csv",
        "2026-03-02/quizzes_n10_n25.csv",
        "2026-03-02/quizzes-b_n0_n99.csv",
        "2026-03-02/_quizzes_n25_n40.csv.part",
        "quizzes_20260301T000000000000Z_20260302T000000000000Z.csv",
        "responses.csv",
    )

    assert last_number(tmp_path, "quizzes") == 25
    assert last_instant(tmp_path, "quizzes") == datetime(2026, 3, 2, tzinfo=UTC)
    assert last_number(tmp_path, "quiz") is None
    assert last_number(tmp_path / "none", "quizzes") is None


@given(
    low=st.integers(0, 10**6),
    width=st.integers(1, 10**6),
    before=st.integers(0, 50),
    after=st.integers(1, 50),
    n=st.integers(1, 200),
    is_time=st.booleans(),
)
def test_parts_cover_the_window_without_gap_or_overlap(low, width, before, after, n, is_time):
    def mark(x):
        return START + timedelta(microseconds=x) if is_time else x

    least, greatest = low + before, low + before + width - 1
    window = Window(mark(low), mark(greatest + after))

    parts = window.parts(n, low=mark(least), high=mark(greatest))

    assert 1 <= len(parts) <= n
    assert (parts[0].since, parts[-1].until) == (window.since, window.until)
    assert all(a.until == b.since for a, b in itertools.pairwise(parts))
    assert all(each.since < each.until for each in parts)


def test_a_pull_begins_before_the_last_ended_and_leaves_what_has_not_settled():
    kind = TimeWatermark(kind="time", start=START, overlap_seconds=3_600, settle_seconds=60)
    hour, now = timedelta(hours=1), START + timedelta(days=2)
    settled = now - timedelta(seconds=60)

    assert time_window(kind, None, now) == Window(START, settled)
    assert time_window(kind, START + timedelta(days=1), now) == Window(
        START + timedelta(days=1) - hour, settled
    )
    assert time_window(kind, START + hour / 2, now) == Window(START, settled)  # not before start
    assert time_window(kind, settled, now) is None
    assert time_window(kind, None, START) is None


def test_numbers_begin_at_the_start_and_then_the_overlap_back():
    kind = NumberWatermark(kind="number", start=5, overlap=3)

    assert [first_number(kind, last) for last in (None, 100, 6)] == [5, 97, 5]


@pytest.mark.parametrize(("days", "n"), [(1, 3), (2, 2), (400, 1)])
def test_spans_follow_each_other_to_the_end(days, n):
    window = Window(START, START + timedelta(days=2, hours=1))

    found = list(spans(window, days))

    assert len(found) == n
    assert [found[0].since, found[-1].until] == [window.since, window.until]
    assert all(a.until == b.since for a, b in itertools.pairwise(found))
