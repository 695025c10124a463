"""A Tableau workbook with a few sheets over the data sources, for a start.

Written in the form that Tableau's published schema describes, of release 2026.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, register_namespace

from deepkt_irt.dashboards import tableau
from deepkt_irt.dashboards.connecting import guid, marts
from deepkt_irt.dashboards.measures import measure
from deepkt_irt.tables.contract import View

VERSION = "26.1"
PATH = f"{tableau.FOLDER}/deepkt.twb"
_USER = "http://www.tableausoftware.com/xml/user"
# how a sheet takes a field: name of it for Tableau, its prefix and suffix, its scale
TAKEN = {
    "each": ("None", "none", "nk", "nominal"),
    "mean": ("Avg", "avg", "qk", "quantitative"),
    "sum": ("Sum", "sum", "qk", "quantitative"),
    "different": ("CountD", "ctd", "qk", "quantitative"),
    "figure": ("User", "usr", "qk", "quantitative"),
    "day": ("Day-Trunc", "tdy", "qk", "quantitative"),
}


@dataclass(frozen=True)
class Pill:
    """A field as a sheet takes it."""

    field: str
    how: str = "each"

    @property
    def name(self) -> str:
        """What the sheet calls it."""
        _, before, after, _ = TAKEN[self.how]
        return f"[{before}:{self.field}:{after}]"


@dataclass(frozen=True)
class Sort:
    """A field of a shelf, sorted by a value that the sheet shows."""

    field: Pill
    by: Pill
    down: bool = True


@dataclass(frozen=True)
class Sheet:
    """A sheet.

    Attributes:
        title: What it shows.
        mart: View that it asks.
        rows: Fields that rows are made of, from the left.
        columns: Fields that columns are made of, from the top.
        mark: What stands for a value.
        shown: Values by what shows them: text or color.
        where: Column that must be true.
        does: What to do about it.
        sort: How a field of a shelf stands; else fields stand by their names.
    """

    title: str
    mart: str
    rows: tuple[Pill, ...]
    columns: tuple[Pill, ...]
    mark: str
    shown: tuple[tuple[str, Pill], ...] = ()
    where: str = ""
    does: str = ""
    sort: Sort | None = None

    @property
    def pills(self) -> tuple[Pill, ...]:
        """Every field that it takes."""
        narrowed = (Pill(self.where),) if self.where else ()
        return (*self.rows, *self.columns, *(pill for _, pill in self.shown), *narrowed)


def sheets() -> tuple[Sheet, ...]:
    """All of them, in order."""
    each = Pill
    return (
        Sheet("Who needs help, and on what", "student_today",
              (each("class"), each("student"), each("skill"), each("why"), each("next_item")), (),
              "Text",
              (("text", Pill("mastery", "mean")), ("color", Pill("n_signs", "mean"))), "needs_help",
              "In each class, help the topmost first: most signs.",
              Sort(each("student"), Pill("n_signs", "mean"))),
        Sheet("What classes know", "class_skill_mastery", (each("class"),), (each("skill"),),
              "Square", (("color", Pill("mean_mastery", "mean")),
                         ("text", Pill("mean_mastery", "mean"))),
              does="Teach again what is pale."),
        Sheet("Items that need attention", "item_watchlist",
              (each("status"), each("item"), each("skill"), each("suggested_action")), (), "Text",
              (("text", Pill("n_responses", "sum")),), "needs_attention", "Mend act before watch."),
        Sheet("Items by status", "item_watchlist", (each("status"),),
              (Pill("item_id", "different"),), "Bar", does="Look at what grows."),
        Sheet("Success rate of each task", "operations", (each("task"),),
              (_figure("success_rate"),), "Bar", does="Look at the topmost first: least success.",
              sort=Sort(each("task"), _figure("success_rate"), down=False)),
        Sheet("Cost of language models by day", "llm_usage", (_figure("cost_usd"),),
              (Pill("day", "day"),), "Bar", (("color", each("model")),)),
    )  # fmt: skip


def _figure(name: str) -> Pill:
    return Pill(tableau.figure(measure(name)), "figure")


def files() -> dict[str, str]:
    """The text of the workbook's file, by its path in the repository."""
    register_namespace("user", _USER)
    return {PATH: tableau.as_text(_workbook())}


def _workbook() -> Element:
    root = Element("workbook", {
        "original-version": VERSION, "source-build": "0.0.0 (0000.0.0.0)",
        "source-platform": "win", "version": VERSION,
    })  # fmt: skip
    manifest = SubElement(root, "document-format-change-manifest")
    SubElement(manifest, "ManifestByVersion")
    views = {view.name: view for view in marts()}
    asked = dict.fromkeys(sheet.mart for sheet in sheets())
    SubElement(root, "datasources").extend(_source(views[name]) for name in asked)
    SubElement(root, "worksheets").extend(
        _worksheet(sheet, views[sheet.mart]) for sheet in sheets()
    )
    SubElement(root, "windows").extend(_window(sheet) for sheet in sheets())
    explained = SubElement(root, "explain-data", {
        "enabled-for-viewer": "false", "extreme-values-enabled-for-all": "false",
    })  # fmt: skip
    SubElement(explained, "explanation-types")
    return root


def _source(view: View) -> Element:
    """The data source, with the table as the one object of its model."""
    root = tableau.datasource(view)
    root.attrib |= {"name": tableau.name_of(view), "version": VERSION}
    name = f"{view.name}_{guid('object', view.name).replace('-', '').upper()}"
    for record in root.iter("metadata-record"):
        SubElement(record, "object-id").text = f"[{name}]"
    objects = SubElement(SubElement(root, "object-graph"), "objects")
    within = SubElement(objects, "object", {"caption": tableau.title(view.name), "id": name})
    properties = SubElement(within, "properties", {"context": ""})
    properties.extend(root.findall("./connection/relation"))
    return root


def _worksheet(sheet: Sheet, view: View) -> Element:
    root = Element("worksheet", {"name": sheet.title})
    options = SubElement(root, "layout-options")
    for part in ("title", "alt-text"):
        text = f"{sheet.title}. {sheet.does}".strip(" .") + "."
        formatted = SubElement(SubElement(options, part), "formatted-text")
        SubElement(formatted, "run").text = text if part == "alt-text" else sheet.title
    table = SubElement(root, "table")
    table.append(_view(sheet, view))
    SubElement(table, "style")
    table.append(_panes(sheet, view))
    SubElement(table, "rows").text = _shelf(view, sheet.rows)
    SubElement(table, "cols").text = _shelf(view, sheet.columns)
    root.append(_identified("worksheet", sheet))
    return root


def _view(sheet: Sheet, view: View) -> Element:
    """What the sheet asks: fields, how it takes them, and which rows count."""
    root, source = Element("view"), tableau.name_of(view)
    link = {"caption": tableau.title(view.name), "name": source}
    SubElement(SubElement(root, "datasources"), "datasource", link)
    needed = SubElement(root, "datasource-dependencies", {"datasource": source})
    declared = tableau.fields(view)
    needed.extend(declared[name] for name in dict.fromkeys(pill.field for pill in sheet.pills))
    for pill in dict.fromkeys(sheet.pills):
        how, _, _, scale = TAKEN[pill.how]
        SubElement(needed, "column-instance", {
            "column": f"[{pill.field}]", "derivation": how, "name": pill.name, "pivot": "key",
            "type": scale,
        })  # fmt: skip
    root.extend(_chosen(sheet, source))
    if sheet.sort:
        SubElement(root, "computed-sort", {
            "column": f"[{source}].{sheet.sort.field.name}",
            "direction": "DESC" if sheet.sort.down else "ASC",
            "using": f"[{source}].{sheet.sort.by.name}",
        })  # fmt: skip
    if sheet.where:
        column = f"[{source}].{Pill(sheet.where).name}"
        SubElement(SubElement(root, "slices"), "column").text = column
    SubElement(root, "aggregation", {"value": "true"})
    return root


def _chosen(sheet: Sheet, source: str) -> Iterator[Element]:
    """The filter of a sheet that shows rows for which a column is true."""
    if sheet.where:
        column = f"[{source}].{Pill(sheet.where).name}"
        chosen = Element("filter", {"class": "categorical", "column": column})
        SubElement(chosen, "groupfilter", {
            "function": "member", "level": Pill(sheet.where).name, "member": "true",
            f"{{{_USER}}}ui-domain": "database", f"{{{_USER}}}ui-enumeration": "inclusive",
            f"{{{_USER}}}ui-marker": "enumerate",
        })  # fmt: skip
        yield chosen


def _panes(sheet: Sheet, view: View) -> Element:
    root = Element("panes")
    pane = SubElement(root, "pane")
    SubElement(SubElement(pane, "view"), "breakdown", {"value": "auto"})
    SubElement(pane, "mark", {"class": sheet.mark})
    if sheet.shown:
        encodings = SubElement(pane, "encodings")
        for what, pill in sheet.shown:
            column = f"[{tableau.name_of(view)}].{pill.name}"
            SubElement(encodings, what, {"column": column})
    return root


def _shelf(view: View, pills: tuple[Pill, ...]) -> str:
    """Fields one within the other, from the outermost."""
    names = [f"[{tableau.name_of(view)}].{pill.name}" for pill in pills]
    nested = names.pop() if names else ""
    for name in reversed(names):
        nested = f"({name} / {nested})"
    return nested


def _window(sheet: Sheet) -> Element:
    root = Element("window", {"class": "worksheet", "name": sheet.title})
    cards = SubElement(root, "cards")
    edges = {"left": ("pages", "filters", "marks"), "top": ("columns", "rows", "title")}
    for edge, names in edges.items():
        strips = SubElement(cards, "edge", {"name": edge})
        together = SubElement(strips, "strip", {"size": "160"}) if edge == "left" else None
        for name in names:
            strip = SubElement(strips, "strip", {"size": "31"}) if together is None else together
            SubElement(strip, "card", {"type": name})
    root.append(_identified("window", sheet))
    return root


def _identified(kind: str, sheet: Sheet) -> Element:
    return Element("simple-id", {"uuid": f"{{{guid(kind, sheet.title).upper()}}}"})
