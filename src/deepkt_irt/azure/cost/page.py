"""Shows estimates: as a table for people, as Markdown for docs/cost.md, as plain data."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepkt_irt.azure.cost.assumptions import Assumptions
from deepkt_irt.azure.cost.estimate import RESOURCES, Estimate
from deepkt_irt.azure.cost.prices import Prices

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Expected:
    """What the brief of the project expected a resource to cost, USD a month, and what differs."""

    low: float
    high: float
    reason: str

    def place(self, dollars: float) -> str:
        """Where an amount lies: below, within or above."""
        if dollars < self.low:
            return "below"
        return "above" if dollars > self.high else "within"

    def __str__(self) -> str:
        return f"${self.low:,.0f}-{self.high:,.0f}"


TOTAL = "Total"
EXPECTED = {
    "Databricks": Expected(
        500,
        2_000,
        "No cluster stays up: tasks of minutes run serverless or on one small node, so what is "
        "paid is the SQL warehouse, by the hours that people and alerts keep it awake.",
    ),
    "GPU training": Expected(
        500,
        1_500,
        "One small T4 node is up for a few hours a week, in place of larger cards (the V100 types "
        "are retired); it grows with the responses kept, and is counted at the speed of one core, "
        "since nobody has timed the card.",
    ),
    "ADLS": Expected(
        20,
        50,
        "A response is a few hundred bytes in compressed tables, so the old versions of tables "
        "that are replaced daily, and the requests, cost more than the data.",
    ),
    "Azure OpenAI": Expected(
        30,
        100,
        "It follows the students explained a night; gpt-5.4-mini costs a third of what GPT-4o did "
        "for input and less than half for output, and batches halve it again.",
    ),
    "Data Factory": Expected(
        50,
        200,
        "Copying costs next to nothing; in the managed network each hour of waiting for a job is "
        "billed like compute, so it follows the length of the runs, above all of training.",
    ),
    TOTAL: Expected(
        1_100,
        3_850,
        "Compute that stops when idle takes most of the estimate away, and the private network, "
        "logs and NAT gateway, which it did not list, add an amount that no size changes much.",
    ),
}


def text_table(estimates: Mapping[str, Estimate]) -> str:
    """Dollars by resource for several sizes, beside what the brief expected; aligned."""
    rows = [["USD a month", *estimates, "expected"]]
    rows += [
        [name, *map(dollars, amounts), str(EXPECTED.get(name, ""))]
        for name, amounts in _amounts(estimates)
    ]
    return _aligned(rows) + _notes_text(estimates)


def text_lines(size: str, estimate: Estimate) -> str:
    """Every line of one estimate; aligned."""
    rows = [[size, "", "quantity", "unit", "price", "USD a month"]]
    rows += [
        [e.resource, e.item, amount(e.quantity), e.unit, f"{e.price:g}", dollars(e.dollars)]
        for e in estimate.lines
    ]
    rows.append([TOTAL, "", "", "", "", dollars(estimate.total)])
    return _aligned(rows, left=(0, 1, 3)) + _notes_text({size: estimate})


def markdown(
    estimates: Mapping[str, Estimate], used: Mapping[str, Assumptions], prices: Prices
) -> str:
    """The generated part of docs/cost.md.

    Args:
        estimates: By size.
        used: The assumptions behind each.
        prices: The prices behind all.
    """
    dated = (
        f"Prices of {prices.date} for {prices.region}; {len(prices.unchecked)} of the "
        f"{len(prices.prices)} were not held against the provider's list."
    )
    parts = [
        "## USD a month",
        dated,
        _grid([["resource", *estimates], *_summed(estimates)]),
        *_notes_list(estimates),
        "## Beside the estimate of the brief",
        _grid(
            [["resource", "expected", *estimates, "what changes, and why"], *_compared(estimates)]
        ),
        "## Formulas",
        *(f"**{name}**: {_formula(of)}" for name, of in RESOURCES.items()),
        "## Assumptions",
        _grid([["name", *used, "what it is"], *_assumed(used)]),
        "## Quantities",
        _grid([["resource", "item", *estimates, "unit", "price"], *_quantities(estimates)]),
        "## Prices",
        _grid([["name", "USD", "for one", "where from", "checked"], *_priced(prices)]),
    ]
    return "\n\n".join(parts) + "\n"


def plain(
    estimates: Mapping[str, Estimate], used: Mapping[str, Assumptions], prices: Prices
) -> dict[str, Any]:
    """The same as data for JSON: amounts in USD a month, not rounded."""
    return {
        "prices": {"date": str(prices.date), "currency": prices.currency, "region": prices.region}
        | {"file": prices.name, "unchecked": prices.unchecked},
        "sizes": {
            size: {
                "total": estimate.total,
                "resources": estimate.by_resource,
                "lines": [vars(line) | {"dollars": line.dollars} for line in estimate.lines],
                "notes": estimate.notes,
                "assumptions": used[size].model_dump(),
            }
            for size, estimate in estimates.items()
        },
    }


def dollars(value: float) -> str:
    """An amount: cents below 10, whole dollars from there."""
    return f"{value:,.2f}" if value < 9.995 else f"{value:,.0f}"


def amount(value: float) -> str:
    """A quantity to three digits, or to whole numbers from 100."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def _amounts(estimates: Mapping[str, Estimate]) -> Iterator[tuple[str, list[float]]]:
    sums = {size: {**each.by_resource, TOTAL: each.total} for size, each in estimates.items()}
    for name in (*RESOURCES, TOTAL):
        yield name, [each[name] for each in sums.values()]


def _summed(estimates: Mapping[str, Estimate]) -> Iterator[list[str]]:
    for name, amounts in _amounts(estimates):
        yield [name, *map(dollars, amounts)]


def _priced(prices: Prices) -> Iterator[list[str]]:
    for key, each in prices.prices.items():
        checked = "yes" if each.checked else "no"
        yield [f"`{key}`", f"{each.amount:g}", each.unit, each.source, checked]


def _compared(estimates: Mapping[str, Estimate]) -> Iterator[list[str]]:
    for name, amounts in _amounts(estimates):
        if name in EXPECTED:
            expected = EXPECTED[name]
            placed = [f"{dollars(each)}, {expected.place(each)}" for each in amounts]
            yield [name, str(expected), *placed, expected.reason]


def _assumed(used: Mapping[str, Assumptions]) -> Iterator[list[str]]:
    for name, field in Assumptions.model_fields.items():
        values = [getattr(each, name) for each in used.values()]
        shown = [str(v).lower() if isinstance(v, bool) else f"{v:,.10g}" for v in values]
        yield [f"`{name}`", *shown, field.description or ""]


def _quantities(estimates: Mapping[str, Estimate]) -> Iterator[list[str]]:
    for same in zip(*(each.lines for each in estimates.values()), strict=True):
        first = same[0]
        counts = [amount(line.quantity) for line in same]
        yield [first.resource, first.item, *counts, first.unit, f"{first.price:g}"]


def _formula(function: object) -> str:
    return " ".join((inspect.getdoc(function) or "").split())


def _notes_list(estimates: Mapping[str, Estimate]) -> list[str]:
    notes = [f"- {size}: {note}." for size, each in estimates.items() for note in each.notes]
    return ["\n".join(["What would not run as it is counted:", "", *notes])] if notes else []


def _notes_text(estimates: Mapping[str, Estimate]) -> str:
    return "".join(f"\n{size}: {note}" for size, each in estimates.items() for note in each.notes)


def _grid(rows: Rows) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def _aligned(rows: Rows, left: Sequence[int] = (0,)) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
