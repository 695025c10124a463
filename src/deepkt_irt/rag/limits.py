"""Limits that many threads keep together: how fast a service is asked, and what a run may cost."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 10.0
"""Span that a rate holds over: services count in shorter spans than the minute they speak of."""

_LATE_SECONDS = 0.5  # one request may be on its way so much longer than another: seen at arrival


@dataclass
class Ticket:
    """Leave to start one request.

    Attributes:
        at: When it was given, in seconds of the clock.
        tokens: That it is counted with.
    """

    at: float
    tokens: int


class Pace:
    """Lets requests start so that no window of time sees more requests or tokens than it may.

    Args:
        requests_per_minute: At most.
        tokens_per_minute: At most; a request that is larger by itself waits for an empty window.
        clock: Seconds that never run backwards.
        sleep: Waits some seconds.
    """

    def __init__(
        self,
        *,
        requests_per_minute: int,
        tokens_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        share = WINDOW_SECONDS / 60
        self._max_requests = max(1, int(requests_per_minute * share))
        self._max_tokens = tokens_per_minute * share
        self._clock, self._sleep = clock, sleep
        self._started: deque[Ticket] = deque()
        self._held_until = 0.0
        self._lock = threading.Lock()

    def admit(self, tokens: int) -> Ticket:
        """Wait until a request may start.

        Args:
            tokens: It will take, in and out, as far as that is known before.
        """
        while True:
            with self._lock:
                now = self._clock()
                wait = self._wait(now, tokens)
                if wait <= 0:
                    ticket = Ticket(now, tokens)
                    self._started.append(ticket)
                    return ticket
            self._sleep(wait)

    def _wait(self, now: float, tokens: int) -> float:
        span = WINDOW_SECONDS + _LATE_SECONDS
        while self._started and now - self._started[0].at >= span:
            self._started.popleft()
        if now < self._held_until:
            return self._held_until - now
        counted = sum(each.tokens for each in self._started)
        is_full = len(self._started) >= self._max_requests
        is_full |= bool(self._started) and counted + tokens > self._max_tokens
        return self._started[0].at + span - now if is_full else 0.0

    def settle(self, ticket: Ticket, tokens: int) -> None:
        """Count a request with what it really took."""
        with self._lock:
            ticket.tokens = tokens

    def hold(self, seconds: float) -> None:
        """Let nothing start for a while: the service said so to one, and means all."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)


class Budget:
    """US dollars that a run may spend; what a request may cost at most is set aside before it.

    Args:
        limit: US dollars.
    """

    def __init__(self, limit: float) -> None:
        self._limit, self._spent, self._reserved = limit, 0.0, 0.0
        self._lock = threading.Lock()

    @property
    def spent(self) -> float:
        """US dollars that requests did cost."""
        return self._spent

    def reserve(self, most: float) -> bool:
        """Set aside what a request may cost at most; False if that is more than is left."""
        with self._lock:
            if self._spent + self._reserved + most > self._limit:
                return False
            self._reserved += most
            return True

    def settle(self, most: float, cost: float) -> None:
        """Give back what was set aside, and take what it did cost."""
        with self._lock:
            self._reserved -= most
            self._spent += cost
