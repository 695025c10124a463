"""What Data Factory refuses when a pipeline or trigger is published, found without running it.

Names, references and nesting; the fields of the documents are looked at in factory_types.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from deepkt_irt.azure.factory.documents import Document, Factory, binding_problems, fits, texts
from deepkt_irt.azure.factory.expressions import ExpressionError, Json, is_expression, references

# containers, and where their activities stand; Switch has more in its cases
_INNER = {
    "IfCondition": ("ifTrueActivities", "ifFalseActivities"),
    "Switch": ("defaultActivities",),
    "ForEach": ("activities",),
    "Until": ("activities",),
}
_NOT_WITHIN = {
    "IfCondition": _INNER.keys(),
    "Switch": _INNER.keys(),
    "ForEach": {"ForEach", "Until"},
    "Until": {"ForEach", "Until"},
}
_ACTIONS = {"SetVariable", "AppendVariable"}

Problems = Iterator[tuple[str, str]]  # place and what is wrong there


def blocks(activity: Document) -> dict[str, list[Document]]:
    """Lists of activities within a container, by place; empty for other activities."""
    properties = activity.get("typeProperties", {})
    found = {key: properties.get(key, []) for key in _INNER.get(activity["type"], ())}
    if activity["type"] == "Switch":
        for case in properties.get("cases", []):
            found[f"cases.{case['value']}"] = case.get("activities", [])
    return found


def own_properties(activity: Document) -> Document:
    """An activity's typeProperties without the activities in it."""
    lists = {*_INNER.get(activity["type"], ()), "cases"} if activity["type"] in _INNER else set()
    properties = activity.get("typeProperties", {})
    return {key: value for key, value in properties.items() if key not in lists}


def every_activity(activities: list[Document]) -> Iterator[Document]:
    """The activities of a list, and those within them."""
    for activity in activities:
        yield activity
        for block in blocks(activity).values():
            yield from every_activity(block)


def upstream(activities: list[Document]) -> dict[str, set[str]]:
    """What each activity of a list waits for, directly or not; itself too if it is in a circle."""
    waits = {
        each["name"]: {d["activity"] for d in each.get("dependsOn", [])} for each in activities
    }
    above: dict[str, set[str]] = {}
    for name, direct in waits.items():
        found, rest = set[str](), list(direct)
        while rest:
            one = rest.pop()
            if one not in found:
                found.add(one)
                rest += waits.get(one, ())
        above[name] = found
    return above


@dataclass(frozen=True)
class _Place:
    """Where a list of activities stands: what its expressions may name."""

    activities: frozenset[str] = frozenset()
    item: bool = False
    inside: str = ""
    parallel: bool = False


@dataclass(frozen=True)
class _Check:
    factory: Factory
    pipeline: Document
    global_parameters: Mapping[str, Json] | None

    def block(self, activities: list[Document], place: _Place) -> Problems:
        names = [each["name"] for each in activities]
        above = upstream(activities)
        for activity in activities:
            for each in activity.get("dependsOn", []):
                if each["activity"] not in names:
                    yield activity["name"], f"depends on {each['activity']}, which is not beside it"
        try:
            TopologicalSorter(above).prepare()
        except CycleError as error:
            yield error.args[1][0], "dependsOn runs in a circle"
        for activity in activities:
            seen = replace(place, activities=place.activities | above[activity["name"]])
            yield from self.activity(activity, seen)

    def activity(self, activity: Document, place: _Place) -> Problems:
        name, kind = activity["name"], activity["type"]
        if kind in _NOT_WITHIN.get(place.inside, ()):
            yield name, f"{kind} cannot stand in {place.inside}"
        if kind in _ACTIONS:
            yield from self.variable(activity, place)
        yield from self.named(activity)
        yield from self.expressions(activity, place)
        sequential = activity.get("typeProperties", {}).get("isSequential", False)
        inner = replace(
            place,
            inside=kind,
            item=place.item or kind == "ForEach",
            parallel=place.parallel or (kind == "ForEach" and not sequential),
        )
        for block in blocks(activity).values():
            yield from self.block(block, inner)

    def variable(self, activity: Document, place: _Place) -> Problems:
        properties, name = activity["typeProperties"], activity["name"]
        variable = properties.get("variableName")
        declared = self.pipeline.get("variables", {})
        if variable not in declared:
            yield name, f"there is no variable {variable}"
            return
        kind, value = declared[variable]["type"], properties.get("value")
        used = {each for _, text in texts(value) for each in _readable(text)}
        if ("variable", variable) in used:
            yield name, f"variable {variable} cannot be set from itself"
        if activity["type"] == "AppendVariable" and kind != "Array":
            yield name, f"variable {variable} is no Array to append to"
        if activity["type"] == "SetVariable":
            if place.parallel:
                yield name, "iterations that run at once would overwrite each other's variable"
            if not _dynamic(value) and not fits(value, kind):
                yield name, f"variable {variable} is of type {kind}, {value!r} is not"

    def named(self, activity: Document) -> Problems:
        """Datasets, linked services and pipelines that an activity calls by name."""
        there: dict[str, Mapping[str, Document]] = {
            "DatasetReference": self.factory.datasets,
            "LinkedServiceReference": self.factory.linked_services,
            "PipelineReference": self.factory.pipelines,
        }
        for where, found in _objects({**activity, "typeProperties": own_properties(activity)}):
            kind, name = found.get("type"), found.get("referenceName")
            if kind not in there or name is None:
                continue
            if name not in there[kind]:
                yield (
                    activity["name"],
                    f"{where}: there is no {kind.removesuffix('Reference')} {name}",
                )
            elif kind != "PipelineReference":
                target = there[kind][name]["properties"]
                for problem in _binding(target, found.get("parameters", {})):
                    yield activity["name"], f"{where}: {name}: {problem}"
        called = activity.get("typeProperties", {}).get("pipeline", {}).get("referenceName")
        if activity["type"] == "ExecutePipeline" and called in self.factory.pipelines:
            target = self.factory.pipelines[called]["properties"]
            for problem in _binding(target, activity["typeProperties"].get("parameters", {})):
                yield activity["name"], f"{called}: {problem}"

    def expressions(self, activity: Document, place: _Place) -> Problems:
        own = {**activity, "typeProperties": own_properties(activity)}
        own = {key: own[key] for key in own.keys() - {"name", "type", "description", "dependsOn"}}
        inner = {e["name"] for block in blocks(activity).values() for e in block}
        for where, text in texts(own):
            seen = place
            if activity["type"] == "Until" and where == "typeProperties.expression":
                seen = replace(place, activities=place.activities | inner)  # asked after them
            if activity["type"] == "Filter" and where == "typeProperties.condition":
                seen = replace(place, item=True)
            for problem in self.text(text, seen):
                yield activity["name"], f"{where}: {problem}"

    def text(self, text: str, place: _Place) -> Iterator[str]:
        try:
            found = references(text)
        except ExpressionError as error:
            yield str(error)
            return
        known: dict[str, Callable[[str], bool]] = {
            "activity": lambda name: name in place.activities,
            "parameter": lambda name: name in {"", "*", *self.pipeline.get("parameters", {})},
            "variable": lambda name: name in self.pipeline.get("variables", {}),
            "globalParameter": self._global,
            "pipeline": lambda name: name in _SYSTEM,
            "item": lambda _: place.item,
        }
        for kind, name in sorted(found):
            if kind not in known or not known[kind](name):
                hint = " before it" if kind == "activity" else ""
                yield f"{text!r}: there is no {kind} {name}".rstrip() + hint

    def _global(self, name: str) -> bool:
        return self.global_parameters is None or name in {"", "*", *self.global_parameters}


_SYSTEM = {
    *("DataFactory", "Pipeline", "RunId", "TriggerId", "TriggerName", "TriggerTime"),
    *("TriggerType", "GroupId", "TriggeredByPipelineName", "TriggeredByPipelineRunId"),
    *("parameters", "globalParameters"),
}


def _readable(text: str) -> set[tuple[str, str]]:
    """References of a text; none if it cannot be read, which is reported elsewhere."""
    try:
        return references(text)
    except ExpressionError:
        return set()


def _dynamic(value: Json) -> bool:
    """Whether a value is found out only in a run."""
    return is_expression(value) or (isinstance(value, str) and (value[:1] == "@" or "@{" in value))


def _binding(target: Document, given: Mapping[str, Json]) -> Iterator[str]:
    """Problems of given parameters, as far as they can be seen without a run."""
    declared: Document = target.get("parameters", {})
    dynamic = {name for name, value in given.items() if _dynamic(value)}
    fixed = {name: value for name, value in given.items() if name not in dynamic}
    yield from (f"there is no parameter {name}" for name in sorted(dynamic - declared.keys()))
    rest = {name: each for name, each in declared.items() if name not in dynamic}
    yield from binding_problems(rest, fixed)


def _objects(value: Json, where: str = "") -> Iterator[tuple[str, Document]]:
    if isinstance(value, dict):
        yield where, value
        for key, each in value.items():
            yield from _objects(each, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _objects(each, f"{where}[{index}]")


def pipeline_problems(
    factory: Factory, name: str, global_parameters: Mapping[str, Json] | None = None
) -> Problems:
    """What the service refuses in a pipeline, as (activity or parameter, problem).

    Args:
        factory: All documents.
        name: The pipeline.
        global_parameters: Those of the factory; None leaves their names unchecked.
    """
    properties = factory.pipelines[name]["properties"]
    for kind in ("parameters", "variables"):
        for key, each in properties.get(kind, {}).items():
            if "defaultValue" in each and not fits(each["defaultValue"], each["type"]):
                yield key, f"default {each['defaultValue']!r} is not of type {each['type']}"
    activities = properties.get("activities", [])
    names = [each["name"] for each in every_activity(activities)]
    for twin in sorted({each for each in names if names.count(each) > 1}):
        yield twin, "the name stands twice in the pipeline"
    yield from _Check(factory, properties, global_parameters).block(activities, _Place())


def literal_defaults(document: Document) -> Problems:
    """Defaults that look like expressions, which the service takes, but hands on as mere text."""
    for kind in ("parameters", "variables"):
        for name, each in document["properties"].get(kind, {}).items():
            if isinstance(each, dict) and _dynamic(each.get("defaultValue")):
                yield f"{kind}.{name}", f"default {each['defaultValue']!r} is not evaluated"


def template_problems(kind: str, document: Document) -> Problems:
    """What the service refuses in the expressions of a dataset or a linked service.

    Args:
        kind: `dataset` or `linkedService`: what their expressions may name.
        document: The document.
    """
    properties = document["properties"]
    declared = properties.get("parameters", {})
    rest = {key: value for key, value in properties.items() if key not in _PLAIN}
    for where, text in texts(rest):
        try:
            found = references(text)
        except ExpressionError as error:
            yield where, str(error)
            continue
        for root, name in sorted(found):
            if root != kind:
                yield where, f"{text!r}: {root} cannot be used here"
            elif name not in {"", "*", *declared}:
                yield where, f"{text!r}: there is no parameter {name}"


_PLAIN = {"parameters", "description", "annotations", "folder", "type"}


def trigger_problems(factory: Factory, name: str) -> Problems:
    """What the service refuses in a trigger, as (pipeline, problem)."""
    for each in factory.triggers[name]["properties"].get("pipelines", []):
        called, given = each["pipelineReference"]["referenceName"], each.get("parameters", {})
        if called not in factory.pipelines:
            yield called, "there is no such pipeline"
            continue
        for problem in _binding(factory.pipelines[called]["properties"], given):
            yield called, problem
        for where, text in texts(given):
            try:
                found = references(text)
            except ExpressionError as error:
                yield called, str(error)
                continue
            for root, key in sorted(found):
                if root != "trigger" or key not in {"scheduledTime", "startTime", "outputs"}:
                    yield called, f"{where}: {text!r}: {root} {key} cannot be used here".rstrip()
