"""Functions of Bicep that work on arrays and objects, also with lambdas."""

from collections.abc import Mapping
from functools import cmp_to_key

from deepkt_irt.azure.bicep.functions import (
    FUNCTIONS,
    Function,
    a_list,
    a_number,
    a_text,
    an_object,
    as_text,
    function,
)
from deepkt_irt.azure.bicep.values import Closure, Refused, Value, has_unknown, kind_of, same


def has(items: list[Value], item: Value) -> bool:
    """Whether an array has an item."""
    return any(same(each, item) for each in items)


def merged(left: dict[str, Value], right: dict[str, Value]) -> dict[str, Value]:
    """Two objects as one: objects within are merged too, all else the second gives."""
    whole = dict(left)
    for key, value in right.items():
        both = isinstance(value, dict) and isinstance(whole.get(key), dict)
        whole[key] = merged(whole[key], value) if both else value
    return whole


@function("concat", 1, None)
def _concat(*values: Value) -> Value:
    if isinstance(values[0], list):
        return [item for each in values for item in a_list(each)]
    if any(isinstance(each, list | dict) for each in values):
        raise Refused("joins either arrays or texts")
    return "".join(as_text(each) for each in values)


@function("union", 2, None)
def _union(*values: Value) -> Value:
    if isinstance(values[0], dict):
        whole: dict[str, Value] = {}
        for each in values:
            whole = merged(whole, an_object(each))
        return whole
    items: list[Value] = []
    for each in values:
        items += [item for n, item in enumerate(a_list(each)) if not has(items + each[:n], item)]
    return items


@function("intersection", 2, None)
def _intersection(first: Value, *others: Value) -> Value:
    if isinstance(first, dict):
        shared = [an_object(each) for each in others]
        return {
            key: value
            for key, value in first.items()
            if all(key in each and same(each[key], value) for each in shared)
        }
    return [item for item in a_list(first) if all(has(a_list(each), item) for each in others)]


@function("contains", 2, 2)
def _contains(where: Value, what: Value) -> bool:
    if isinstance(where, dict):
        return as_text(what).lower() in {key.lower() for key in where}
    return has(where, what) if isinstance(where, list) else as_text(what) in a_text(where)


@function("empty", 1, 1)
def _empty(value: Value) -> bool:
    """What Azure gives is taken for something."""
    if not (value is None or isinstance(value, str | list | dict)):
        raise Refused(f"needs a text, array or object, got {kind_of(value)}")
    return not value


@function("length", 1, 1)
def _length(value: Value) -> int:
    if not isinstance(value, str | list | dict):
        raise Refused(f"needs a text, array or object, got {kind_of(value)}")
    return len(value)


def _row(value: Value) -> Value:
    return value if isinstance(value, str) else a_list(value)


@function("first", 1, 1)
def _first(value: Value) -> Value:
    row = _row(value)
    return row[0] if row else ("" if isinstance(row, str) else None)


@function("last", 1, 1)
def _last(value: Value) -> Value:
    row = _row(value)
    return row[-1] if row else ("" if isinstance(row, str) else None)


@function("take", 2, 2)
def _take(value: Value, count: Value) -> Value:
    return _row(value)[: max(a_number(count), 0)]


@function("skip", 2, 2)
def _skip(value: Value, count: Value) -> Value:
    return _row(value)[max(a_number(count), 0) :]


@function("array", 1, 1)
def _array(value: Value) -> list[Value]:
    return value if isinstance(value, list) else [value]


@function("flatten", 1, 1)
def _flatten(value: Value) -> list[Value]:
    return [item for each in a_list(value) for item in a_list(each)]


@function("items", 1, 1)
def _items(value: Value) -> list[Value]:
    """Sorted by key, as ARM does it."""
    return [{"key": key, "value": each} for key, each in sorted(an_object(value).items())]


@function("objectKeys", 1, 1)
def _object_keys(value: Value) -> list[Value]:
    return sorted(an_object(value))


@function("shallowMerge", 1, 1)
def _shallow_merge(value: Value) -> dict[str, Value]:
    return {key: item for each in a_list(value) for key, item in an_object(each).items()}


# --- with lambdas


def _closure(value: Value, *arities: int) -> Closure:
    if not isinstance(value, Closure) or value.arity not in arities:
        raise Refused(f"needs a lambda with {' or '.join(map(str, arities))} parameters")
    return value


def _holds(value: Value) -> bool:
    if has_unknown(value):
        raise Refused(f"{value} is known only while the deployment runs")
    if not isinstance(value, bool):
        raise Refused(f"the lambda must give true or false, not {kind_of(value)}")
    return value


@function("map", 2, 2)
def _map(items: Value, change: Value) -> list[Value]:
    run = _closure(change, 1, 2)
    return [run(each, at) for at, each in enumerate(a_list(items))]


@function("filter", 2, 2)
def _filter(items: Value, test: Value) -> list[Value]:
    run = _closure(test, 1, 2)
    return [each for at, each in enumerate(a_list(items)) if _holds(run(each, at))]


@function("reduce", 3, 3)
def _reduce(items: Value, start: Value, step: Value) -> Value:
    run, value = _closure(step, 2, 3), start
    for at, each in enumerate(a_list(items)):
        value = run(value, each, at)
    return value


@function("sort", 2, 2)
def _sort(items: Value, before: Value) -> list[Value]:
    run = _closure(before, 2)

    def order(left: Value, right: Value) -> int:
        return int(_holds(run(right, left))) - int(_holds(run(left, right)))

    return sorted(a_list(items), key=cmp_to_key(order))


@function("toObject", 2, 3)
def _to_object(items: Value, key: Value, value: Value = None) -> dict[str, Value]:
    name = _closure(key, 1)
    content = Closure(1, lambda each: each) if value is None else _closure(value, 1)
    return {a_text(name(each)): content(each) for each in a_list(items)}


@function("mapValues", 2, 2)
def _map_values(value: Value, change: Value) -> dict[str, Value]:
    run = _closure(change, 1)
    return {key: run(each) for key, each in an_object(value).items()}


@function("groupBy", 2, 2)
def _group_by(items: Value, key: Value) -> dict[str, list[Value]]:
    run = _closure(key, 1)
    groups: dict[str, list[Value]] = {}
    for each in a_list(items):
        groups.setdefault(a_text(run(each)), []).append(each)
    return groups


PURE_FUNCTIONS: Mapping[str, Function] = FUNCTIONS  # those of texts and numbers too
