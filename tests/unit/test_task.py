"""The task registry: what it refuses and the order it derives."""

import pytest

from deepkt_irt.errors import UsageError
from deepkt_irt.jobs import task as tasks
from deepkt_irt.jobs.task import Task, run_order, task
from deepkt_irt.tables.contract import Column, Layer, Table


def table(name: str) -> Table:
    return Table(Layer.GOLD, name, "a table", (Column("id", "int", "key"),), ("id",))


A, B, C = table("a"), table("b"), table("c")


def make(name, reads=(), writes=(), uses=(), trains=()):
    return Task(name, lambda ctx: {}, reads, writes, uses, trains)


def named(*made):
    return {each.name: each for each in made}


def test_run_order_reader_registered_first_still_follows_its_writer():
    order = run_order(named(make("reader", reads=(A,)), make("writer", writes=(A,))))

    assert [each.name for each in order] == ["writer", "reader"]


def test_run_order_model_user_follows_its_trainer():
    order = run_order(named(make("score", uses=("sakt",)), make("train", trains=("sakt",))))

    assert [each.name for each in order] == ["train", "score"]


def test_run_order_free_tasks_keep_registration_order():
    order = run_order(named(make("z", writes=(A,)), make("y", writes=(B,)), make("x", writes=(C,))))

    assert [each.name for each in order] == ["z", "y", "x"]


def test_run_order_task_reading_what_it_writes_is_no_cycle():
    order = run_order(named(make("one", reads=(A,), writes=(A,)), make("two", reads=(A,))))

    assert [each.name for each in order] == ["one", "two"]


def test_run_order_cycle_is_refused_by_name():
    circle = named(make("one", reads=(A,), writes=(B,)), make("two", reads=(B,), writes=(A,)))

    with pytest.raises(UsageError, match=r"cycle: .*one"):
        run_order(circle)


def test_task_without_docstring_is_refused(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", {})

    with pytest.raises(ValueError, match="needs a docstring"):

        @task(reads=(), writes=())
        def silent(ctx):
            return {}


def test_task_registers_its_declaration(monkeypatch):
    monkeypatch.setattr(tasks, "TASKS", {})

    @task(reads=(A,), writes=(B,), trains=("sakt",))
    def speaking(ctx):
        """Copy a to b.

        Safe to run again.
        """
        return {}

    registered = tasks.TASKS["speaking"]
    assert (registered.reads, registered.writes, registered.trains) == ((A,), (B,), ("sakt",))
    assert registered.summary == "Copy a to b."
