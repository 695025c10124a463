from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adf_documents import (
    activity,
    choice,
    factory,
    fail,
    loop,
    pipeline,
    reference,
    setting,
    wait,
)
from deepkt_irt.azure.factory.emulator import run_pipeline
from deepkt_irt.azure.factory.publishing import literal_defaults
from deepkt_irt.azure.factory.world import World
from deepkt_irt.errors import UsageError

NOON = datetime(2026, 8, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(storage=tmp_path, now=lambda: NOON, global_parameters={"job_id": "7"})


def run(world, *activities, given=None, more=(), **declared):
    documents = factory(pipeline("main", *activities, **declared), *more)
    return run_pipeline(documents, "main", given or {}, world=world)


def statuses(result):
    return {each.name: each.status for each in result.activities}


# order and outcome


def test_run_follows_depends_on_not_the_order_of_writing(world):
    result = run(world, wait("b", after={"a": "Succeeded"}), wait("a"), wait("c"))

    assert result.order == ["a", "b", "c"]
    assert result.status == "Succeeded"


@pytest.mark.parametrize(
    ("first", "condition", "second"),
    [
        ("wait", "Succeeded", "Succeeded"),
        ("wait", "Failed", "Skipped"),
        ("wait", "Completed", "Succeeded"),
        ("wait", "Skipped", "Skipped"),
        ("fail", "Succeeded", "Skipped"),
        ("fail", "Failed", "Succeeded"),
        ("fail", "Completed", "Succeeded"),
        ("fail", ["Skipped", "Failed"], "Succeeded"),
    ],
)
def test_dependency_condition_decides_whether_it_starts(world, first, condition, second):
    made = {"wait": wait, "fail": fail}[first]("a")

    assert statuses(run(world, made, wait("b", after={"a": condition})))["b"] == second


def test_skipped_activity_skips_what_waits_for_it_but_not_what_waits_for_skipping(world):
    result = run(
        world,
        fail("a"),
        wait("b", after={"a": "Succeeded"}),
        wait("c", after={"b": "Succeeded"}),
        wait("d", after={"c": "Skipped"}),
        wait("e", after={"b": "Completed"}),
    )

    assert statuses(result) == {
        "a": "Failed",
        "b": "Skipped",
        "c": "Skipped",
        "d": "Succeeded",
        "e": "Skipped",
    }


def test_all_dependencies_must_hold(world):
    result = run(world, wait("a"), fail("b"), wait("c", after={"a": "Succeeded", "b": "Succeeded"}))

    assert statuses(result)["c"] == "Skipped"


@pytest.mark.parametrize(
    ("activities", "status"),
    [
        ([fail("a"), wait("handle", after={"a": "Failed"})], "Succeeded"),
        ([fail("a"), wait("ok", after={"a": "Succeeded"})], "Failed"),
        (
            [
                fail("a"),
                wait("ok", after={"a": "Succeeded"}),
                wait("handle", after={"a": "Failed"}),
            ],
            "Failed",
        ),
        (
            [wait("a"), wait("b", after={"a": "Succeeded"}), wait("c", after={"b": "Failed"})],
            "Succeeded",
        ),
        (
            [fail("a"), wait("b", after={"a": "Succeeded"}), wait("c", after={"b": "Failed"})],
            "Failed",
        ),
        ([fail("a"), wait("b", after={"a": "Completed"})], "Succeeded"),
        ([wait("a"), fail("b", after={"a": ["Failed", "Skipped"]})], "Succeeded"),
    ],
    ids=["caught", "next", "if_else", "unused_handler", "skipped_chain", "finally", "fail_path"],
)
def test_pipeline_status_comes_from_leaves_and_parents_of_skipped_ones(world, activities, status):
    assert run(world, *activities).status == status


def test_inactive_activity_does_nothing_and_counts_as_marked(world):
    result = run(
        world,
        fail("a", state="Inactive"),
        fail("b", state="Inactive", onInactiveMarkAs="Failed"),
        wait("c", after={"b": "Failed"}),
    )

    assert statuses(result) == {"a": "Succeeded", "b": "Failed", "c": "Succeeded"}


def test_failed_activity_gives_its_error_to_the_handler(world):
    result = run(
        world,
        fail("a", message="@concat('no ', 'luck')"),
        setting("b", "v", "@activity('a').error.message", after={"a": "Failed"}),
        variables={"v": "String"},
    )

    assert result.of("b")[0].output == {"name": "v", "value": "no luck"}
    assert result.of("a")[0].error["errorCode"] == "E1"


# parameters and variables


def test_default_is_literal_even_if_it_looks_like_an_expression(world):
    declared = {"when": ("String", "@utcNow()")}

    result = run(
        world,
        setting("a", "v", "@pipeline().parameters.when"),
        parameters=declared,
        variables={"v": "String"},
    )

    assert result.of("a")[0].output["value"] == "@utcNow()"
    problems = list(literal_defaults(pipeline("p", parameters=declared)))
    assert problems == [("parameters.when", "default '@utcNow()' is not evaluated")]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "parameter n has no value"),
        ({"n": 1, "m": 2}, "there is no parameter m"),
        ({"n": "1"}, "parameter n is '1', not of type Int"),
        ({"n": True}, "parameter n is True, not of type Int"),
    ],
)
def test_parameters_must_be_the_declared_ones(world, given, problem):
    with pytest.raises(UsageError, match=problem):
        run(world, wait("a"), given=given, parameters={"n": "Int"})


def test_system_values_and_clock_are_those_of_the_run(world):
    value = (
        "@{pipeline().Pipeline} @{pipeline().TriggerType} @{pipeline().globalParameters.job_id} "
        "@{utcNow('HH:mm')} @{pipeline().TriggerTime}"
    )

    first, again = (run(world, setting("a", "v", value), variables={"v": "String"}) for _ in "12")

    assert first.of("a")[0].output["value"] == "main Manual 7 12:00 2026-08-02T12:00:00.0000000Z"
    assert first.run_id == again.run_id


def test_append_variable_adds_to_an_array(world):
    appends = [activity(n, "AppendVariable", variableName="v", value=n) for n in ("a", "b")]

    result = run(world, *appends, variables={"v": ("Array", [1])})

    assert result.of("b")[0].output["value"] == [1, "a", "b"]


def test_set_variable_of_another_type_fails_the_activity(world):
    result = run(world, setting("a", "v", "@add(1, 2)"), variables={"v": "String"})

    assert result.of("a")[0].error["message"] == "v is of type String, not 3"


def test_expression_without_value_fails_the_activity_only(world):
    result = run(
        world,
        setting("a", "v", "@activity('b').output.nothing", after={"b": "Succeeded"}),
        wait("b"),
        wait("c", after={"a": "Failed"}),
        variables={"v": "String"},
    )

    assert result.status == "Succeeded"
    assert "there is no 'nothing'" in result.of("a")[0].error["message"]


# containers


def test_if_condition_runs_one_branch(world):
    for value, expected in (("@equals(1, 1)", ["if", "yes"]), ("@equals(1, 2)", ["if", "no"])):
        assert run(world, choice("if", value, [wait("yes")], [wait("no")])).order == expected


def test_if_condition_fails_on_what_is_no_boolean_and_with_its_branch(world):
    wrong = run(world, choice("if", "@string(true)", [wait("yes")]))
    failed = run(world, choice("if", "@equals(1, 1)", [fail("yes")]))

    assert wrong.message == "if: 'True' is neither true nor false"
    assert failed.message == "if: an inner activity failed: yes: went wrong"


def test_branch_that_handles_its_failure_succeeds(world):
    branch = [fail("a"), wait("b", after={"a": "Failed"})]

    assert run(world, choice("if", "@equals(1, 1)", branch)).status == "Succeeded"


@pytest.mark.parametrize(("on", "expected"), [("x", ["s", "first"]), ("z", ["s", "other"])])
def test_switch_runs_its_case_or_the_default(world, on, expected):
    cases = [{"value": "x", "activities": [wait("first")]}, {"value": "y", "activities": []}]
    made = activity(
        "s", "Switch", on=f"@concat('{on}')", cases=cases, defaultActivities=[wait("other")]
    )

    assert run(world, made).order == expected


def test_for_each_tries_all_items_and_fails_if_one_did(world):
    inner = choice("if", "@equals(item().n, 1)", [fail("bad", message="@concat('n', item().n)")])
    items = {"value": '@json(\'[{"n": 1}, {"n": 2}]\')', "type": "Expression"}

    result = run(world, loop("each", items, inner))

    assert [(i.iteration, i.status) for i in result.of("if")] == [(0, "Failed"), (1, "Succeeded")]
    assert result.message == ("each: an iteration failed: if: an inner activity failed: bad: n1")


def test_for_each_iteration_sees_its_own_activities(world):
    inner = [
        activity("keep", "AppendVariable", variableName="v", value="@item()"),
        setting("copy", "w", "@activity('keep').output.value", after={"keep": "Succeeded"}),
    ]

    result = run(
        world,
        loop("each", "@createArray('a', 'b')", *inner),
        variables={"v": "Array", "w": "Array"},
    )

    assert [each.output["value"] for each in result.of("copy")] == [["a"], ["a", "b"]]


def test_until_runs_until_its_expression_is_true(world):
    add = activity("add", "AppendVariable", variableName="v", value="x")
    until = activity(
        "until",
        "Until",
        expression={"value": "@greaterOrEquals(length(variables('v')), 3)", "type": "Expression"},
        activities=[add],
    )

    result = run(world, until, variables={"v": ("Array", [])})

    assert [each.iteration for each in result.of("add")] == [0, 1, 2]


def test_until_that_never_ends_is_refused(world):
    until = activity("until", "Until", expression="@equals(1, 2)", activities=[wait("a")])

    with pytest.raises(UsageError, match="did not end in 1000 rounds"):
        run(world, until)


def test_filter_keeps_items_and_counts(world):
    kept = activity("f", "Filter", items="@range(1, 4)", condition="@greater(item(), 2)")

    output = run(world, kept).of("f")[0].output

    assert (output["value"], output["ItemsCount"], output["FilteredItemsCount"]) == ([3, 4], 4, 2)


def test_execute_pipeline_hands_parameters_on_and_fails_with_it(world):
    child = pipeline(
        "child", fail("boom", message="@pipeline().parameters.text"), parameters={"text": "String"}
    )
    call = activity(
        "call",
        "ExecutePipeline",
        pipeline=reference("Pipeline", "child"),
        parameters={"text": "@concat('a', 'b')"},
        waitOnCompletion=True,
    )

    waiting = run(world, call, more=[child])
    call["typeProperties"]["waitOnCompletion"] = False
    going_on = run(world, call, more=[child])

    assert waiting.message == "call: pipeline child failed: boom: ab"
    assert waiting.children[0].parameters == {"text": "ab"}
    assert going_on.status == "Succeeded"
    assert going_on.children[0].status == "Failed"


def test_pipeline_that_calls_itself_is_refused(world):
    call = activity("call", "ExecutePipeline", pipeline=reference("Pipeline", "main"))

    with pytest.raises(UsageError, match="main calls itself"):
        run(world, call)


# retries and faults


def test_retry_repeats_the_work_and_counts_attempts(world):
    answers = iter([(500, None), (503, None), (200, {"id": 1})])
    call = activity(
        "web", "WebActivity", method="GET", url="https://hook.test/", policy={"retry": 2}
    )

    result = run(replace(world, web=lambda _: next(answers)), call)

    assert (result.status, result.of("web")[0].attempts) == ("Succeeded", 3)
    assert result.of("web")[0].output["id"] == 1


def test_fault_fails_the_named_activity_at_every_attempt(world):
    call = activity(
        "web", "WebActivity", method="GET", url="https://hook.test/", policy={"retry": 1}
    )

    result = run(replace(world, faults={"web"}), call)

    assert (result.status, result.of("web")[0].attempts) == ("Failed", 2)
    assert result.of("web")[0].inputs["url"] == "https://hook.test/"
