"""Resolves a bundle for one target: variables, overrides, development mode, references.

Follows the Databricks CLI's order: the target is laid over the tree; variables get their values;
`${bundle.…}`, `${workspace.…}` and `${var.…}` are filled in; development mode renames; last come
`${resources.…}`, so that they carry the new names.
"""

import copy
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepkt_irt.bundle.document import Tree, merged, read_bundle
from deepkt_irt.errors import UsageError

_REFERENCE = re.compile(r"\$\{([a-zA-Z][\w.\[\]-]*)\}")
_ROUNDS = 11  # as many as the CLI makes before it gives up
_UNDERSCORED = ("schemas", "registered_models", "model_serving_endpoints")
_LABELLED = ("jobs", "pipelines", "sql_warehouses", "clusters", "dashboards", "alerts")


@dataclass(frozen=True)
class Resolved:
    """A bundle as one target deploys it.

    Attributes:
        target: Name of the target.
        tree: Everything, with no reference left but those in `missing`.
        missing: References that lead nowhere, with the place they stand in.
        placeholders: Variables without a value, for which their name in <> was put.
    """

    target: str
    tree: Tree
    missing: tuple[tuple[str, str], ...] = ()
    placeholders: tuple[str, ...] = ()

    @property
    def resources(self) -> Tree:
        """Resources by kind and key."""
        found: Tree = self.tree.get("resources", {})
        return found


@dataclass(frozen=True)
class Choices:
    """What the person who deploys brings along.

    Attributes:
        variables: Values given on the command line; they win.
        user: User name, as the workspace knows it.
        placeholders: Put a placeholder where a variable has no value, rather than stop.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    user: str = "developer@example.com"
    placeholders: bool = False

    @property
    def short_name(self) -> str:
        """The user name's first part, letters, digits and underscores only."""
        return re.sub(r"\W", "_", self.user.partition("@")[0], flags=re.ASCII)


def resolve(folder: Path, target: str | None, choices: Choices) -> Resolved:
    """The bundle in a folder as a target deploys it.

    Args:
        folder: Where `databricks.yml` is.
        target: Name of the target; None takes the default one.
        choices: Variables and user.

    Raises:
        BadFile: If a file is no bundle file.
        UsageError: If the target or a variable's value is missing.
    """
    tree = copy.deepcopy(read_bundle(folder))
    name, chosen = _target(tree.pop("targets", {}), target)
    overrides = chosen.pop("variables", {})
    tree = merged(tree, chosen)
    tree["bundle"] = {**tree.get("bundle", {}), "target": name}
    tree["workspace"] = _workspace(tree, name, choices)
    stored = folder / ".databricks" / "bundle" / name / "variable-overrides.json"
    given = json.loads(stored.read_text()) if stored.is_file() else {}
    declared = tree.get("variables", {})
    values, unset = _variables(declared, overrides, given, choices)
    missing: list[tuple[str, str]] = []
    early = {"bundle": tree["bundle"], "workspace": tree["workspace"], "var": values}
    tree["variables"] = {
        key: {**(each or {}), "value": values[key]} for key, each in declared.items()
    }
    tree = _filled(tree, lambda path: _early(early, path), missing)
    if tree.get("mode") == "development":
        _develop(tree["resources"], choices.short_name)
    tree = _filled(tree, lambda path: _late(tree, path), missing)
    return Resolved(name, tree, tuple(dict.fromkeys(missing)), tuple(unset))


def _target(targets: Tree, wanted: str | None) -> tuple[str, Tree]:
    defaults = [name for name, each in targets.items() if (each or {}).get("default")]
    name = wanted or (defaults or ["(none)"])[0]
    if name not in targets:
        raise UsageError(f"no target {name!r}; there are: {', '.join(targets)}")
    return name, dict(targets[name] or {})


def _workspace(tree: Tree, target: str, choices: Choices) -> Tree:
    root = f"/Workspace/Users/{choices.user}/.bundle/{tree['bundle'].get('name')}/{target}"
    given = {"root_path": root, **tree.get("workspace", {})}
    user = {"userName": choices.user, "short_name": choices.short_name}
    return {**given, "current_user": user}


def _variables(
    declared: Tree, overrides: Tree, stored: Tree, choices: Choices
) -> tuple[dict[str, Any], list[str]]:
    """Values by the CLI's precedence, and the variables that have none."""
    unknown = (choices.variables.keys() | overrides.keys() | stored.keys()) - declared.keys()
    if unknown:
        raise UsageError(f"variable {sorted(unknown)[0]} is given but not declared")
    values: dict[str, Any] = {}
    unset = []
    for name, each in declared.items():
        sources: tuple[tuple[Mapping[str, Any], str], ...] = (
            (choices.variables, name),
            ({} if each.get("type") == "complex" else os.environ, f"BUNDLE_VAR_{name}"),
            (stored, name),
            (overrides, name),
            (each, "default"),
        )
        found = [source[key] for source, key in sources if key in source]
        if found:
            values[name] = _unwrapped(found[0])
        elif choices.placeholders:
            values[name] = f"<{name}>"
            unset.append(name)
        else:
            raise UsageError(f"variable {name} has no value; set BUNDLE_VAR_{name} or --var")
    return values, unset


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - any YAML value
    """A target may write a value bare or as `default:` beside a description."""
    if isinstance(value, dict) and "default" in value:
        return value["default"]
    return value


def _early(roots: Tree, path: str) -> tuple[bool, Any]:
    """Value of a reference that needs no resource; other kinds stay for later."""
    root = path.partition(".")[0]
    if root in roots:
        return _at(roots, path)
    return True, f"${{{path}}}"


def _late(tree: Tree, path: str) -> tuple[bool, Any]:
    """Value of a reference to a resource, computed fields included."""
    parts = path.split(".")
    if parts[0] != "resources" or len(parts) != 4:
        return _at(tree, path)
    _, kind, key, name = parts
    resource = tree.get("resources", {}).get(kind, {}).get(key)
    if resource is None:
        return False, None
    if name in resource:
        return True, resource[name]
    full = [resource.get(each) for each in ("catalog_name", "schema_name", "name")]
    computed = {
        ("registered_models", "full_name"): ".".join(map(str, full)),
        ("volumes", "volume_path"): "/Volumes/" + "/".join(map(str, full)),
        ("jobs", "id"): f"<id of {key}>",
        ("sql_warehouses", "id"): f"<id of {key}>",
    }
    return (kind, name) in computed, computed.get((kind, name))


def _at(tree: Tree, path: str) -> tuple[bool, Any]:
    value: Any = tree
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    return True, value


def _filled(
    tree: Tree, find: Callable[[str], tuple[bool, Any]], missing: list[tuple[str, str]]
) -> Tree:
    """The tree with references replaced, again and again until none changes."""
    for _ in range(_ROUNDS):
        found: list[tuple[str, str]] = []
        again = _walked(tree, "", find, found)
        if again == tree:
            missing.extend(found)
            return tree
        tree = again
    raise UsageError(f"references lead in a circle: {_some_reference(tree)}")


def _walked(
    node: Any,  # noqa: ANN401 - any YAML value
    where: str,
    find: Callable[[str], tuple[bool, Any]],
    missing: list[tuple[str, str]],
) -> Any:  # noqa: ANN401 - any YAML value
    if isinstance(node, dict):
        return {k: _walked(v, f"{where}.{k}".lstrip("."), find, missing) for k, v in node.items()}
    if isinstance(node, list):
        return [_walked(v, f"{where}[{n}]", find, missing) for n, v in enumerate(node)]
    if not isinstance(node, str):
        return node

    def value_of(path: str) -> Any:  # noqa: ANN401 - any YAML value
        known, value = find(path)
        if not known:
            missing.append((where, path))
        return value if known else f"${{{path}}}"

    whole = _REFERENCE.fullmatch(node)
    if whole:
        return value_of(whole.group(1))
    return _REFERENCE.sub(lambda each: str(value_of(each.group(1))), node)


def _some_reference(tree: Tree) -> str:
    found = _REFERENCE.search(json.dumps(tree, default=str))
    return found.group(0) if found else "?"


def _develop(resources: Tree, short_name: str) -> None:
    """What development mode does to names, tags and schedules; volumes and scopes keep theirs."""
    for kind in _UNDERSCORED:
        for each in resources.get(kind, {}).values():
            each["name"] = f"dev_{short_name}_{each['name']}"
    for kind in _LABELLED:
        for each in resources.get(kind, {}).values():
            field_name = "display_name" if "display_name" in each else "name"
            each[field_name] = f"[dev {short_name}] {each[field_name]}"
    for each in resources.get("experiments", {}).values():
        folder, _, last = each["name"].rpartition("/")
        each["name"] = f"{folder}/[dev {short_name}] {last}"
    for job in resources.get("jobs", {}).values():
        job["tags"] = {**job.get("tags", {}), "dev": short_name}
        job.setdefault("max_concurrent_runs", 4)
        for trigger in ("schedule", "trigger", "continuous"):
            if trigger in job:
                job[trigger].setdefault("pause_status", "PAUSED")
