"""Rows that the dashboards are made of: figures, filters, texts, one wide widget."""

from deepkt_irt.dashboards.measures import Unit, measure
from deepkt_irt.dashboards.widgets import COLUMNS, FILTER, Dataset, Field, Row, Scale, Widget

NUMBER, TIME = Scale.QUANTITATIVE, Scale.TEMPORAL
LOW = 2  # height of figures and filters
_FORMATS = {
    Unit.SHARE: "percent",
    Unit.USD: "currency",
    Unit.FIGURE: "figure",
    Unit.HOURS: "span",
}


def datasets_of(names: tuple[str, ...]) -> tuple[Dataset, ...]:
    """A dataset for each measure, under its name."""
    return tuple(Dataset(each.name, each.title, each.query) for each in map(measure, names))


def counter_row(names: tuple[str, ...]) -> Row:
    """Measures side by side, each as one figure."""
    width = COLUMNS // len(names)
    return Row(LOW, tuple((width, _counter(name)) for name in names))


def _counter(name: str) -> Widget:
    shown = measure(name)
    value = Field(shown.title, "`value`", NUMBER, _FORMATS.get(shown.unit, ""))
    return Widget(f"counter_{name}", "counter", shown.title, name, (("value", value),))


def filter_of(name: str, title: str, narrows: tuple[str, ...], column: str) -> Widget:
    """A filter of datasets by one of their columns."""
    field = ("field", Field(title, f"`{column}`"))
    return Widget(name, FILTER, title, fields=(field,), narrows=narrows)


def filter_row(name: str, title: str, narrows: tuple[str, ...], column: str) -> Row:
    """The same, on a row of its own."""
    return whole_row(LOW, filter_of(name, title, narrows, column))


def text_row(name: str, text: str) -> Row:
    """A text on a row of its own."""
    return whole_row(1, Widget(name, "", text))


def whole_row(height: int, widget: Widget) -> Row:
    """One widget over the whole width."""
    return Row(height, ((COLUMNS, widget),))


def columns(*fields: Field) -> tuple[tuple[str, Field], ...]:
    """Fields of a table, in order."""
    return tuple(("column", field) for field in fields)
