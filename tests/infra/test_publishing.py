from datetime import UTC, datetime
from pathlib import Path

import pytest

from adf_documents import (
    activity,
    choice,
    dataset,
    factory,
    loop,
    pipeline,
    reference,
    setting,
    wait,
)
from deepkt_irt.azure.factory.documents import read_factory
from deepkt_irt.azure.factory.emulator import fire_trigger, run_pipeline
from deepkt_irt.azure.factory.publishing import (
    pipeline_problems,
    template_problems,
    trigger_problems,
)
from deepkt_irt.azure.factory.world import World
from deepkt_irt.errors import BadFile, UsageError

NOON = datetime(2026, 8, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(storage=tmp_path, now=lambda: NOON, global_parameters={"job_id": "7"})


def run(world, *activities, given=None, more=(), **declared):
    documents = factory(pipeline("main", *activities, **declared), *more)
    return run_pipeline(documents, "main", given or {}, world=world)


# what is refused before anything runs

V = {"v": "String", "list": "Array"}
REFUSED = {
    "text": ([setting("a", "v", "@concat(")], "a value expected"),
    "parameter": ([setting("a", "v", "@pipeline().parameters.x")], "no parameter x"),
    "global": ([setting("a", "v", "@pipeline().globalParameters.x")], "no globalParameter x"),
    "system": ([setting("a", "v", "@pipeline().Trigger")], "no pipeline Trigger"),
    "variable": ([setting("a", "v", "@variables('x')")], "no variable x"),
    "set": ([setting("a", "x", "1")], "no variable x"),
    "type": ([setting("a", "v", 1)], "of type String, 1 is not"),
    "self": ([setting("a", "v", "@concat(variables('v'), '1')")], "cannot be set from itself"),
    "append": ([activity("a", "AppendVariable", variableName="v", value="x")], "no Array"),
    "beside": ([wait("a"), setting("b", "v", "@string(activity('a'))")], "no activity a before it"),
    "inner": (
        [
            choice("if", "@equals(1, 1)", [wait("x")]),
            setting("b", "v", "@string(activity('x'))", after={"if": "Succeeded"}),
        ],
        "no activity x before it",
    ),
    "item": ([setting("a", "v", "@item()")], "no item"),
    "item_in_if": ([choice("if", "@equals(1, 1)", [setting("a", "v", "@item()")])], "no item"),
    "trigger": ([setting("a", "v", "@trigger().scheduledTime")], "no trigger scheduledTime"),
    "depends": ([wait("a", after={"x": "Succeeded"})], "depends on x, which is not beside it"),
    "circle": (
        [wait("a", after={"b": "Succeeded"}), wait("b", after={"a": "Succeeded"})],
        "in a circle",
    ),
    "twins": ([wait("a"), choice("if", "@equals(1, 1)", [wait("a")])], "stands twice"),
    "if_in_if": (
        [choice("a", "@equals(1, 1)", [choice("b", "@equals(1, 1)")])],
        "IfCondition cannot stand in IfCondition",
    ),
    "loop_in_if": (
        [choice("a", "@equals(1, 1)", [loop("b", "@range(1, 2)", wait("c"))])],
        "ForEach cannot stand in IfCondition",
    ),
    "loop_in_loop": (
        [loop("a", "@range(1, 2)", loop("b", "@range(1, 2)", wait("c")))],
        "ForEach cannot stand in ForEach",
    ),
    "race": (
        [loop("a", "@range(1, 2)", setting("b", "v", "x"), sequential=False)],
        "overwrite each other's variable",
    ),
    "dataset": (
        [activity("a", "Lookup", dataset=reference("Dataset", "x"), source={"type": "JsonSource"})],
        "there is no Dataset x",
    ),
    "service": (
        [
            activity(
                "a", "DatabricksJob", jobId="1", linkedServiceName=reference("LinkedService", "x")
            )
        ],
        "there is no LinkedService x",
    ),
    "pipeline": (
        [activity("a", "ExecutePipeline", pipeline=reference("Pipeline", "x"))],
        "there is no Pipeline x",
    ),
}


@pytest.mark.parametrize(("activities", "problem"), REFUSED.values(), ids=REFUSED)
def test_pipeline_the_service_would_not_publish_is_not_run(world, activities, problem):
    with pytest.raises(UsageError, match=problem):
        run(world, *activities, variables=V)


def test_activity_of_a_kind_that_is_not_emulated_is_refused(world):
    with pytest.raises(UsageError, match="Script is not emulated"):
        run(world, activity("a", "Script"))


def test_upstream_of_a_container_is_in_reach_within_it(world):
    documents = factory(
        pipeline(
            "main",
            wait("a"),
            choice(
                "if", "@equals(1, 1)", [setting("b", "v", "@activity('a').Status")],
                after={"a": "Succeeded"},
            ),
            variables=V,
        )
    )  # fmt: skip

    assert list(pipeline_problems(documents, "main")) == []


# triggers


def trigger(**parameters):
    call = {"pipelineReference": reference("Pipeline", "main"), "parameters": parameters}
    return {"name": "daily", "properties": {"type": "ScheduleTrigger", "pipelines": [call]}}


def test_trigger_hands_its_scheduled_time_on(world):
    main = pipeline("main", wait("a"), parameters={"at": "String"})
    documents = factory(main, triggers=[trigger(at="@trigger().scheduledTime")])

    (found,) = fire_trigger(documents, "daily", datetime(2026, 8, 2, 2, tzinfo=UTC), world=world)

    assert found.parameters == {"at": "2026-08-02T02:00:00Z"}


@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({}, "parameter at has no value"),
        ({"at": 1}, "not of type String"),
        ({"at": "x", "to": "y"}, "no parameter to"),
        ({"at": "@trigger().when"}, "trigger when cannot be used here"),
        ({"at": "@pipeline().RunId"}, "pipeline RunId cannot be used here"),
        ({"at": "@trigger("}, "character"),
    ],
)
def test_trigger_the_service_would_not_publish_is_found(parameters, problem):
    main = pipeline("main", wait("a"), parameters={"at": "String"})

    (found,) = trigger_problems(factory(main, triggers=[trigger(**parameters)]), "daily")

    assert problem in found[1]


# files


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is no JSON"),
        ('{"name": "a", "name": "a", "properties": {}}', "the key name stands twice"),
        ('{"name": "b", "properties": {}}', "is called 'b'"),
        ('{"name": "a"}', "has no properties"),
        ('{"name": "a", "type": "x", "properties": {}}', "has name, type beside properties"),
    ],
)
def test_read_factory_refuses_files_that_are_no_documents(tmp_path, text, problem):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "a.json").write_text(text)

    with pytest.raises(BadFile, match=problem):
        read_factory(tmp_path)


# datasets and linked services


def test_template_may_name_its_own_parameters_only():
    made = dataset("d", "Json", "lake", parameters=("file",), location="@{dataset().file}.json")
    made["properties"]["typeProperties"]["more"] = ["@dataset().folder", "@item()", "@concat("]

    found = dict(template_problems("dataset", made))

    assert found.keys() == {f"typeProperties.more[{n}]" for n in range(3)}
    assert found["typeProperties.more[0]"].endswith("there is no parameter folder")
    assert found["typeProperties.more[1]"].endswith("item cannot be used here")
