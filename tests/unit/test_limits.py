"""Pace and budget hold under many threads and against a clock that a test moves."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.rag.limits import WINDOW_SECONDS, Budget, Pace


class Clock:
    """A clock that runs only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pace(clock: Clock, *, requests: int = 600, tokens: int = 1_000_000) -> Pace:
    return Pace(
        requests_per_minute=requests, tokens_per_minute=tokens, clock=clock, sleep=clock.sleep
    )


@given(
    st.lists(st.tuples(st.integers(1, 3_000), st.floats(0, 0.49)), min_size=1, max_size=60),
    st.integers(6, 120),
    st.integers(600, 30_000),
)
def test_no_window_sees_more_requests_or_tokens_than_it_may(requested, requests, tokens):
    """Nor does a service, at which requests arrive a little later, some more than others."""
    clock = Clock()
    limit = pace(clock, requests=requests, tokens=tokens)
    started = [(limit.admit(size).at, size) for size, _ in requested]
    arrived = [(at + late, size) for (at, size), (_, late) in zip(started, requested, strict=True)]

    for first, _ in arrived:
        window = [size for at, size in arrived if first <= at < first + WINDOW_SECONDS]
        assert len(window) <= requests * WINDOW_SECONDS / 60
        assert sum(window) <= tokens * WINDOW_SECONDS / 60 or len(window) == 1
    assert all(earlier <= later for (earlier, _), (later, _) in pairwise(started))


def test_a_request_that_took_less_makes_room():
    clock = Clock()
    limit = pace(clock, tokens=600)  # 100 in a window
    ticket = limit.admit(90)
    limit.settle(ticket, 10)

    assert limit.admit(90).at == 100.0


def test_after_a_hold_nobody_starts_before_its_end():
    clock = Clock()
    limit = pace(clock)
    limit.hold(7.5)
    limit.hold(2.0)  # a shorter one does not shorten it

    assert limit.admit(1).at == 107.5


def test_budget_sets_aside_the_most_and_takes_what_it_was():
    budget = Budget(1.0)

    assert budget.reserve(0.6)
    assert not budget.reserve(0.6)
    budget.settle(0.6, 0.1)
    assert budget.reserve(0.6)
    assert budget.spent == pytest.approx(0.1)


def test_budget_is_never_exceeded_by_threads():
    budget, granted = Budget(10.0), []

    def spend() -> None:
        for _ in range(200):
            if budget.reserve(0.05):
                granted.append(1)
                budget.settle(0.05, 0.04)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert budget.spent <= 10.0
    assert budget.spent == pytest.approx(0.04 * len(granted))
    assert len(granted) >= 240
