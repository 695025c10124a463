"""Progress for a person at a terminal, on standard error."""

import logging
import time

from rich.console import Console
from rich.markup import escape

from deepkt_irt.jobs.runner import LogReporter, Reporter
from deepkt_irt.jobs.task import Metrics, Task

screen = Console(stderr=True, highlight=False, soft_wrap=True)


class ScreenReporter:
    """Progress for a person: a line per task with its rows and seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def started(self, task: Task) -> None:
        screen.print(f"[bold]{task.name}[/bold]  [dim]{escape(task.summary)}[/dim]")

    def line(self, task: Task, text: str) -> None:  # noqa: ARG002 - the protocol's signature
        screen.print(f"    [dim]{escape(text)}[/dim]")

    def skipped(self, task: Task) -> None:
        screen.print(f"[bold]{task.name}[/bold]  [dim]up to date[/dim]")

    def finished(
        self,
        task: Task,  # noqa: ARG002 - the protocol's signature
        *,
        seconds: float,
        rows: int,
        metrics: Metrics,
    ) -> None:
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in metrics.items())
        screen.print(f"    {rows:,} rows in {seconds:.1f} s  [dim]{escape(figures)}[/dim]")

    @property
    def seconds(self) -> float:
        """Seconds since the reporter was made."""
        return time.monotonic() - self._begun


class SilentReporter(LogReporter):
    """Says nothing; failures are reported by the command itself."""

    def __init__(self) -> None:
        logging.getLogger("deepkt_irt").setLevel(logging.ERROR)


def reporter_of(*, quiet: bool) -> Reporter:
    """Who is told how a run goes."""
    return SilentReporter() if quiet else ScreenReporter()
