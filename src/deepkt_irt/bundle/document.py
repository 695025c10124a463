"""Reads `databricks.yml` with what it includes into one tree, as the Databricks CLI does."""

import posixpath
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from deepkt_irt.errors import BadFile

Tree = dict[str, Any]

ROOT_FILE = "databricks.yml"
_TOP_LEVEL = {
    *("artifacts", "bundle", "experimental", "include", "permissions", "presets", "resources"),
    *("run_as", "scripts", "sync", "targets", "variables", "workspace"),
}
# lists whose members are merged by a field rather than appended
_KEYED = {
    "tasks": "task_key",
    "job_clusters": "job_cluster_key",
    "environments": "environment_key",
    "parameters": "name",
    "grants": "principal",
}


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once; the safe loader takes the last one silently."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - as inherited
    ) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key.value} stands twice, again in line {line}"
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_bundle(folder: Path) -> Tree:
    """The whole configuration, targets not yet applied.

    Raises:
        BadFile: If a file is missing, no YAML, or holds what no bundle file may.
    """
    tree = _read(folder, folder / ROOT_FILE)
    for pattern in tree.get("include", []):
        files = sorted(folder.glob(pattern))
        if not files:
            raise BadFile(ROOT_FILE, f"include {pattern} matches no file", "correct the pattern")
        for path in files:
            tree = merged(tree, _read(folder, path))
    return tree


def _read(folder: Path, path: Path) -> Tree:
    name = str(path.relative_to(folder))
    try:
        content = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a safe loader's child
    except OSError as error:
        raise BadFile(str(path), str(error.strerror), "run this where the bundle is") from error
    except yaml.YAMLError as error:
        problem = " ".join(str(error).split())
        raise BadFile(name, f"no YAML of one document: {problem}", "mend it") from error
    if not isinstance(content, dict):
        raise BadFile(name, "holds no mapping", "start it with a key such as resources")
    unknown = content.keys() - _TOP_LEVEL
    if unknown:
        raise BadFile(name, f"unknown key {', '.join(sorted(unknown))}", "see the bundle reference")
    _rebase(content.get("resources") or {}, path.parent.relative_to(folder))
    return content


def _rebase(node: Any, folder: Path) -> None:  # noqa: ANN401 - any YAML value
    """Make local wheel paths relative to the root; they are written relative to their file."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, str) and value.startswith("../"):
            node[key] = f"./{posixpath.normpath(folder / value)}"
        elif isinstance(value, dict | list):
            _rebase(value, folder)


def merged(base: Any, over: Any, *, key: str = "") -> Any:  # noqa: ANN401 - any YAML value
    """One tree over another: mappings merge, keyed lists by their field, other lists append."""
    if isinstance(base, dict) and isinstance(over, dict):
        both = {k: merged(base[k], v, key=k) if k in base else v for k, v in over.items()}
        return {**base, **both}
    if isinstance(base, list) and isinstance(over, list):
        field = _KEYED.get(key)
        if field is None or not all(isinstance(each, dict) for each in (*base, *over)):
            return [*base, *over]
        by_field: dict[Any, Any] = {}
        for each in (*base, *over):
            name = each.get(field)
            by_field[name] = merged(by_field[name], each) if name in by_field else each
        return list(by_field.values())
    return over
