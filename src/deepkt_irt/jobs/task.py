"""The task registry: what there is to run, what each task reads, writes, uses and trains.

Registering refuses a task without an operator docstring, one registered twice, and reads and
writes that leave no order to run in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from deepkt_irt.errors import UsageError
from deepkt_irt.tables.contract import Table

if TYPE_CHECKING:
    from deepkt_irt.jobs.context import JobContext

Metrics = dict[str, float]
TaskFunction = Callable[["JobContext"], Metrics]


@dataclass(frozen=True)
class Task:
    """One unit of work: function = file = console script = task key in the bundle."""

    name: str
    function: TaskFunction
    reads: tuple[Table, ...]
    writes: tuple[Table, ...]
    uses_models: tuple[str, ...]
    trains: tuple[str, ...]
    remembers: tuple[Table, ...] = ()
    reads_content: bool = False
    extra: str = ""
    prompts: tuple[str, ...] = ()

    @property
    def doc(self) -> str:
        """What the operator reads."""
        return (self.function.__doc__ or "").strip()

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return self.doc.splitlines()[0]


TASKS: dict[str, Task] = {}


def task(  # noqa: PLR0913 - what a task declares
    *,
    reads: tuple[Table, ...],
    writes: tuple[Table, ...],
    uses_models: tuple[str, ...] = (),
    trains: tuple[str, ...] = (),
    remembers: tuple[Table, ...] = (),
    reads_content: bool = False,
    extra: str = "",
    prompts: tuple[str, ...] = (),
) -> Callable[[TaskFunction], TaskFunction]:
    """Register a function as a task.

    Args:
        reads: Tables the function may read.
        writes: Tables it may write.
        uses_models: Registered models it may load.
        trains: Registered models it may add versions to.
        remembers: Tables it may read as an earlier run left them; no order follows from that.
        reads_content: Whether it reads the files of teachers, so that a changed one is work.
        extra: Optional dependencies it needs beside those of models.
        prompts: Prompts it registers; what a model is asked by them may leave traces.

    Raises:
        ValueError: If the function has no docstring or its name is taken.
    """

    def register(function: TaskFunction) -> TaskFunction:
        name = function.__name__
        if not (function.__doc__ or "").strip():
            raise ValueError(f"task {name} needs a docstring for whoever is on call")
        if name in TASKS and TASKS[name].function.__module__ != function.__module__:
            raise ValueError(f"task {name} is registered twice")
        TASKS[name] = Task(
            name=name,
            function=function,
            reads=reads,
            writes=writes,
            uses_models=uses_models,
            trains=trains,
            remembers=remembers,
            reads_content=reads_content,
            extra=extra,
            prompts=prompts,
        )
        return function

    return register


def lineage(tasks: dict[str, Task]) -> dict[str, set[str]]:
    """By task, the tasks that write a table or train a model it needs; not itself."""
    writers: dict[str, set[str]] = {}
    for each in tasks.values():
        for product in _products(each):
            writers.setdefault(product, set()).add(each.name)
    return {
        each.name: {
            writer
            for need in _needs(each)
            for writer in writers.get(need, set())
            if each.name not in writers.get(need, set())
        }
        for each in tasks.values()
    }


def run_order(tasks: dict[str, Task]) -> list[Task]:
    """The tasks in an order in which every table and model is written before it is read.

    A task may read what it writes itself. Tasks that are free of each other keep the order in
    which they were registered.

    Raises:
        UsageError: If reads and writes form a cycle.
    """
    graph = lineage(tasks)
    sorter = TopologicalSorter(graph)
    rank = {name: number for number, name in enumerate(tasks)}
    order: list[Task] = []
    try:
        sorter.prepare()
    except CycleError as error:
        raise UsageError(f"reads and writes form a cycle: {' > '.join(error.args[1])}") from error
    ready: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
        name = ready.pop(0)
        order.append(tasks[name])
        sorter.done(name)
    return order


def _needs(each: Task) -> list[str]:
    return [table.qualified_name for table in each.reads] + [f"model:{m}" for m in each.uses_models]


def _products(each: Task) -> list[str]:
    return [table.qualified_name for table in each.writes] + [f"model:{m}" for m in each.trains]
