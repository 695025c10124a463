"""Work that does not depend on each other, at once: much of it waits for small Spark jobs."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_AT_ONCE = 4


def together[T](*works: Callable[[], T]) -> list[T]:
    """Do all of some work; what each gave, in the order asked.

    All of it is over when this returns or raises, so no write goes on behind a task that failed.

    Raises:
        Exception: The first that one of them raised, in the order asked.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [pool.submit(work) for work in works]
    return [each.result() for each in running]
