"""The jobs of a resolved bundle as the rules ask for them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deepkt_irt.bundle.document import Tree


@dataclass(frozen=True)
class JobTask:
    """One task of a job, with the job it stands in."""

    job_key: str
    job: Tree
    task: Tree

    @property
    def key(self) -> str:
        """The task's key."""
        return str(self.task.get("task_key"))

    @property
    def where(self) -> str:
        """How a finding names it."""
        return f"jobs.{self.job_key}.{self.key}"

    @property
    def wheel_task(self) -> Tree | None:
        """What it calls in the wheel; None for another kind of task."""
        found: Tree | None = self.task.get("python_wheel_task")
        return found

    @property
    def dependencies(self) -> list[str]:
        """Keys of the tasks it waits for."""
        return [str(each.get("task_key")) for each in self.task.get("depends_on", [])]


def tasks_of(resources: Tree) -> Iterator[JobTask]:
    """Every task of every job."""
    for key, job in resources.get("jobs", {}).items():
        for task in job.get("tasks", []):
            yield JobTask(key, job, task)


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """An acyclic graph without the edges that a longer way implies."""

    def ancestors(name: str) -> set[str]:
        parents = graph.get(name, set())
        return parents.union(*(ancestors(parent) for parent in parents))

    return {
        name: {
            parent
            for parent in parents
            if not any(parent in ancestors(other) for other in parents - {parent})
        }
        for name, parents in graph.items()
    }
