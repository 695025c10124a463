"""Runs pipelines of a data factory on this machine: order, conditions, loops, parameters.

Follows the service where its documents are clear, and is stricter where they are not. Nothing
waits: neither retries, nor Wait, nor timeouts. What activities do is in `activities`.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from deepkt_irt.azure.factory.activities import WORK, perform
from deepkt_irt.azure.factory.conditions import (
    FAILED,
    SKIPPED,
    SUCCEEDED,
    failure,
    in_order,
    starts,
)
from deepkt_irt.azure.factory.documents import (
    Document,
    Factory,
    bind,
    fits,
    open_dataset,
    open_service,
)
from deepkt_irt.azure.factory.expression_times import format_time, parse_span
from deepkt_irt.azure.factory.expressions import ExpressionError, Json, Names, resolve
from deepkt_irt.azure.factory.publishing import (
    blocks,
    own_properties,
    pipeline_problems,
    trigger_problems,
)
from deepkt_irt.azure.factory.runs import ActivityRun, PipelineRun, Trigger
from deepkt_irt.azure.factory.world import ActivityFailed, Task, World
from deepkt_irt.errors import UsageError

_FOREVER = 1000  # rounds after which an Until is taken for endless
_LATE = {"Until": "expression", "Filter": "condition"}  # evaluated with what comes later


def run_pipeline(
    factory: Factory,
    name: str,
    parameters: Mapping[str, Json],
    *,
    world: World,
    trigger: Trigger | None = None,
) -> PipelineRun:
    """Run a pipeline.

    Args:
        factory: All documents.
        name: The pipeline.
        parameters: Values of its parameters; others have their defaults.
        world: What it meets.
        trigger: What starts it; a person, by default.

    Raises:
        UsageError: If the service would refuse the pipeline or the parameters, or if it does what
            is not emulated.
    """
    if name not in factory.pipelines:
        raise UsageError(f"there is no pipeline {name}; there are: {', '.join(factory.pipelines)}")
    for where, problem in pipeline_problems(factory, name, world.global_parameters):
        raise UsageError(f"pipeline {name}: {where}: {problem}")
    started = trigger or Trigger("Manual", "Manual", world.now())
    if name in started.parents:
        raise UsageError(f"pipeline {name} calls itself: {' > '.join(started.parents)}")
    properties = factory.pipelines[name]["properties"]
    values = bind(f"pipeline {name}", properties.get("parameters", {}), parameters)
    system = _system(name, started)
    system |= {"parameters": values, "globalParameters": dict(world.global_parameters)}
    run = _Run(factory, world, system, replace(started, parents=(*started.parents, name)))
    activities = properties.get("activities", [])
    message = run.block(activities, _Scope(ChainMap()))
    return PipelineRun(
        pipeline=name,
        run_id=system["RunId"],
        status=FAILED if message else SUCCEEDED,
        parameters=values,
        activities=tuple(run.runs),
        children=tuple(run.children),
        message=message,
    )


def _system(name: str, trigger: Trigger) -> Document:
    """System values of a run; its id is the same at every repetition."""
    time = format_time(trigger.time)
    run_id = str(uuid5(NAMESPACE_URL, "/".join([trigger.name, *trigger.parents, name, time])))
    return {
        "DataFactory": "emulated",
        "Pipeline": name,
        "RunId": run_id,
        "GroupId": run_id,
        "TriggerId": trigger.name,
        "TriggerName": trigger.name,
        "TriggerType": trigger.type,
        "TriggerTime": time,
        **trigger.caller,
    }


def fire_trigger(
    factory: Factory, name: str, scheduled: datetime, *, world: World
) -> tuple[PipelineRun, ...]:
    """Run the pipelines of a trigger as at a scheduled time (UTC).

    Raises:
        UsageError: As run_pipeline, or if the service would refuse the trigger.
    """
    for where, problem in trigger_problems(factory, name):
        raise UsageError(f"trigger {name}: {where}: {problem}")
    properties = factory.triggers[name]["properties"]
    start = world.now()
    known = {
        "scheduledTime": format_time(scheduled, "yyyy-MM-ddTHH:mm:ssK"),
        "startTime": format_time(start),
    }
    names: Names = {"trigger": lambda: known, "utcNow": world.now}
    trigger = Trigger(name, properties["type"], start)
    return tuple(
        run_pipeline(
            factory,
            each["pipelineReference"]["referenceName"],
            resolve(each.get("parameters", {}), names),
            world=world,
            trigger=trigger,
        )
        for each in properties.get("pipelines", [])
    )


@dataclass(frozen=True)
class _Scope:
    """What expressions see where an activity stands; `item` holds the loop's, if there is one."""

    outcomes: ChainMap[str, Json]
    item: tuple[Json, ...] = ()
    iteration: int | None = None

    def inner(self, iteration: int | None = None, item: tuple[Json, ...] = ()) -> "_Scope":
        number = self.iteration if iteration is None else iteration
        return _Scope(self.outcomes.new_child(), item or self.item, number)


@dataclass
class _Attempt:
    """What is known of an activity while it runs."""

    inputs: Json = None
    output: Json = None
    error: dict[str, str] | None = None
    count: int = 1


@dataclass
class _Run:
    """One run of a pipeline: its state."""

    factory: Factory
    world: World
    system: Document
    trigger: Trigger
    runs: list[ActivityRun] = field(default_factory=list)
    children: list[PipelineRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        document = self.factory.pipelines[self.system["Pipeline"]]
        self.declared: Document = document["properties"].get("variables", {})
        self.variables = {name: each.get("defaultValue") for name, each in self.declared.items()}

    def names(self, scope: _Scope) -> Names:
        names: dict[str, Callable[..., Json]] = {
            "pipeline": lambda: self.system,
            "activity": lambda name: scope.outcomes[name],
            "variables": lambda name: self.variables[name],
            "utcNow": self.world.now,
        }
        if scope.item:
            names["item"] = lambda: scope.item[0]
        return names

    def block(self, activities: list[Document], scope: _Scope) -> str | None:
        """Run a list of activities; why it failed, None if it succeeded."""
        for activity in in_order(activities):
            name = activity["name"]
            run = ActivityRun(name, activity["type"], SKIPPED, iteration=scope.iteration)
            slot = len(self.runs)
            self.runs.append(run)  # before what is within it
            if starts(activity, scope.outcomes):
                run = self.runs[slot] = self.step(activity, scope, run)
            scope.outcomes[name] = {"ActivityName": name, "Status": run.status}
            found = {"output": run.output, "error": run.error}
            scope.outcomes[name] |= {k: v for k, v in found.items() if v is not None}
        return failure(activities, scope.outcomes)

    def step(self, activity: Document, scope: _Scope, run: ActivityRun) -> ActivityRun:
        """Run one activity."""
        if activity.get("state") == "Inactive":
            return replace(run, status=activity.get("onInactiveMarkAs", SUCCEEDED), output={})
        attempt = _Attempt()
        try:
            attempt.output = self.work(activity, scope, attempt)
        except ExpressionError as error:
            attempt.error = {"errorCode": "InvalidTemplate", "message": str(error)}
        except ActivityFailed as error:
            attempt.error = {"errorCode": error.code, "message": error.message}
        if attempt.error:
            attempt.error |= {"failureType": "UserError", "target": activity["name"]}
        return replace(
            run,
            status=FAILED if attempt.error else SUCCEEDED,
            inputs=attempt.inputs,
            output=attempt.output,
            error=attempt.error,
            attempts=attempt.count,
        )

    def work(self, activity: Document, scope: _Scope, attempt: _Attempt) -> Json:
        """What an activity gives; fills in what goes into it."""
        kind, names = activity["type"], self.names(scope)
        late = _LATE.get(kind)
        own = own_properties(activity).items()
        values = {key: value if key == late else resolve(value, names) for key, value in own}
        attempt.inputs = values
        control: dict[str, Callable[[Document, Document, _Scope], Json]] = {
            "IfCondition": self.choose,
            "Switch": self.switch,
            "ForEach": self.for_each,
            "Until": self.until,
            "SetVariable": self.set_variable,
            "AppendVariable": self.set_variable,
            "ExecutePipeline": self.execute,
            "Filter": self.filter,
            "Wait": lambda *_: {},
            "Fail": _fail,
        }
        if kind in control:
            return control[kind](activity, values, scope)
        if kind not in WORK:
            raise UsageError(f"activity {activity['name']}: {kind} is not emulated")
        task = self.task(activity, names, attempt)
        policy = resolve(activity.get("policy", {}), names)
        return self.tried(task, 1 + int(policy.get("retry", 0)), attempt)

    def task(self, activity: Document, names: Names, attempt: _Attempt) -> Task:
        """The work of an activity with its datasets and its linked service opened."""
        outside = ("inputs", "outputs", "linkedServiceName", "policy")
        found = {key: resolve(activity.get(key), names) for key in outside}
        values, service = attempt.inputs, found["linkedServiceName"]
        ends = {key: found[key] for key in ("inputs", "outputs") if found[key]}
        attempt.inputs = {**values, **ends}
        dataset = values.get("dataset")
        limit = (found["policy"] or {}).get("timeout", "0.12:00:00")
        return Task(
            name=activity["name"],
            type=activity["type"],
            properties=values,
            inputs=tuple(open_dataset(self.factory, each) for each in ends.get("inputs", [])),
            outputs=tuple(open_dataset(self.factory, each) for each in ends.get("outputs", [])),
            dataset=open_dataset(self.factory, dataset) if dataset else None,
            service=open_service(self.factory, service) if service else None,
            timeout=parse_span(limit),
        )

    def tried(self, task: Task, allowed: int, attempt: _Attempt) -> Json:
        """Do the work until it succeeds, as often as it may be tried."""
        while True:
            try:
                return perform(task, self.world)
            except ActivityFailed:
                if attempt.count >= allowed:
                    raise
                attempt.count += 1

    def choose(self, activity: Document, values: Document, scope: _Scope) -> Json:
        branch = "ifTrueActivities" if _decided(values["expression"]) else "ifFalseActivities"
        self.within(blocks(activity)[branch], scope.inner())
        return {}

    def switch(self, activity: Document, values: Document, scope: _Scope) -> Json:
        if not isinstance(values["on"], str):
            raise ActivityFailed("InvalidSwitch", f"{values['on']!r} is no text")
        lists = blocks(activity)
        self.within(lists.get(f"cases.{values['on']}", lists["defaultActivities"]), scope.inner())
        return {}

    def for_each(self, activity: Document, values: Document, scope: _Scope) -> Json:
        inner, failures = blocks(activity)["activities"], []
        for number, item in enumerate(_items(values)):  # all are tried
            failures.append(self.block(inner, scope.inner(number, (item,))))
        for found in filter(None, failures):
            raise ActivityFailed("ActionFailed", f"an iteration failed: {found}")
        return {}

    def until(self, activity: Document, values: Document, scope: _Scope) -> Json:
        for number in range(_FOREVER):
            inner = scope.inner(number)
            self.within(blocks(activity)["activities"], inner)
            if _decided(resolve(values["expression"], self.names(inner))):
                return {}
        raise UsageError(f"activity {activity['name']} did not end in {_FOREVER} rounds")

    def within(self, activities: list[Document], scope: _Scope) -> None:
        found = self.block(activities, scope)
        if found:
            raise ActivityFailed("ActionFailed", f"an inner activity failed: {found}")

    def filter(self, _: Document, values: Document, scope: _Scope) -> Json:
        items = _items(values)
        names = [self.names(scope.inner(item=(each,))) for each in items]
        pairs = zip(items, names, strict=True)
        kept = [each for each, known in pairs if _decided(resolve(values["condition"], known))]
        # the last is spelled in both ways by those who describe it
        counts = {"ItemsCount": len(items), "FilteredItemsCount": len(kept)}
        return {**counts, "Value": kept, "value": kept}

    def set_variable(self, activity: Document, values: Document, _: _Scope) -> Json:
        name, value = values["variableName"], values["value"]
        if values.get("setSystemVariable"):
            raise UsageError(f"activity {activity['name']}: return values are not emulated")
        kind = self.declared[name]["type"]
        if activity["type"] == "AppendVariable":
            value = [*(self.variables[name] or []), value]
        if not fits(value, kind):
            raise ActivityFailed("InvalidVariable", f"{name} is of type {kind}, not {value!r}")
        self.variables[name] = value
        return {"name": name, "value": value}

    def execute(self, _: Document, values: Document, __: _Scope) -> Json:
        called = values["pipeline"]["referenceName"]
        own = self.system["RunId"]
        caller = {
            "TriggeredByPipelineName": self.system["Pipeline"],
            "TriggeredByPipelineRunId": own,
        }
        # the number tells calls of one run apart
        name = f"{own}/{len(self.children)}"
        by = replace(self.trigger, name=name, type="PipelineActivity", caller=caller)
        given = values.get("parameters", {})
        run = run_pipeline(self.factory, called, given, world=self.world, trigger=by)
        self.children.append(run)
        if values.get("waitOnCompletion", False) and run.message:
            raise ActivityFailed("ActionFailed", f"pipeline {called} failed: {run.message}")
        return {"pipelineName": called, "pipelineRunId": run.run_id}


def _decided(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ActivityFailed("InvalidCondition", f"{value!r} is neither true nor false")
    return value


def _items(values: Document) -> list[Json]:
    if not isinstance(values["items"], list):
        raise ActivityFailed("InvalidItems", f"items are {values['items']!r}, not an array")
    return values["items"]


def _fail(_: Document, values: Document, __: _Scope) -> Json:
    raise ActivityFailed(str(values["errorCode"]), str(values["message"]))
