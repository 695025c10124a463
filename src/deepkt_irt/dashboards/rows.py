"""Rows that the dashboards are made of: figures, filters, texts, one wide widget."""

import re

from deepkt_irt.dashboards.connecting import marts
from deepkt_irt.dashboards.measures import Unit, measure
from deepkt_irt.dashboards.widgets import COLUMNS, FILTER, Dataset, Field, Row, Scale, Widget

NUMBER, TIME = Scale.QUANTITATIVE, Scale.TEMPORAL
LOW = 2  # height of figures and filters
_ONLY_ROW = "`value`"  # of a dataset that is one measure
_FORMATS = {
    Unit.SHARE: "percent",
    Unit.USD: "currency",
    Unit.FIGURE: "figure",
    Unit.HOURS: "span",
}


def datasets_of(names: tuple[str, ...]) -> tuple[Dataset, ...]:
    """A dataset for each measure, under its name."""
    return tuple(Dataset(each.name, each.title, each.query) for each in map(measure, names))


def counted(name: str, title: str, names: tuple[str, ...], by: tuple[str, ...]) -> Dataset:
    """Rows of a mart with measures over them, so that filters of a page narrow the figures, too.

    Args:
        name: Of the dataset.
        title: For people.
        names: Measures of one mart.
        by: Columns that filters narrow the rows by.

    Raises:
        ValueError: If the measures are of several marts.
    """
    shown = tuple(map(measure, names))
    (mart,) = {each.mart for each in shown}
    (view,) = (each for each in marts() if each.name == mart)
    spoken = {word for each in shown for word in re.findall(r"\w+", each.expression)}
    known = {column.rpartition(" ")[2] for column in by}
    columns = [*by, *(c for c in view.column_names if c in spoken - known)]
    query = f"SELECT {', '.join(columns)}\nFROM {{{mart}}}"
    return Dataset(name, title, query, tuple((each.title, each.expression) for each in shown))


def counter_row(*counters: Widget) -> Row:
    """Figures side by side."""
    return Row(LOW, tuple((COLUMNS // len(counters), each) for each in counters))


def figure(name: str) -> Widget:
    """A measure as one figure, on a page without filters."""
    return _counter(name, name, _ONLY_ROW)


def narrowed(name: str, dataset: str) -> Widget:
    """A measure as one figure over the rows of a dataset that `counted` made."""
    return _counter(name, dataset, f"MEASURE(`{measure(name).title}`)")


def _counter(name: str, dataset: str, expression: str) -> Widget:
    shown = measure(name)
    value = Field(shown.title, expression, NUMBER, _FORMATS.get(shown.unit, ""))
    return Widget(f"counter_{name}", "counter", shown.title, dataset, (("value", value),),
                  aggregated=expression != _ONLY_ROW)  # fmt: skip


def filter_of(
    name: str, title: str, narrows: tuple[str, ...], column: str, kind: str = FILTER
) -> Widget:
    """A filter of datasets by one of their columns: by several of its values, or by one."""
    field = ("field", Field(title, f"`{column}`"))
    return Widget(name, kind, title, fields=(field,), narrows=narrows)


def filter_row(
    name: str, title: str, narrows: tuple[str, ...], column: str, kind: str = FILTER
) -> Row:
    """The same, on a row of its own."""
    return whole_row(LOW, filter_of(name, title, narrows, column, kind))


def text_row(name: str, text: str) -> Row:
    """A text on a row of its own."""
    return whole_row(1, Widget(name, "", text))


def whole_row(height: int, widget: Widget) -> Row:
    """One widget over the whole width."""
    return Row(height, ((COLUMNS, widget),))


def columns(*fields: Field) -> tuple[tuple[str, Field], ...]:
    """Fields of a table, in order."""
    return tuple(("column", field) for field in fields)
