"""What must hold of the sheets of a Tableau workbook, as far as can be told without Tableau."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element

from deepkt_irt.dashboards.workbook import TAKEN, VERSION

_ORDERED = re.compile(r"\b(first|topmost|lowest|highest)\b")
_REFERRED = re.compile(r"\[([^\]]+)\]\.(\[[^\]]+\])")


def of_sheets(root: Element) -> Iterator[str]:
    """What is wrong with a workbook's sheets; nothing if all is well.

    Args:
        root: The workbook.
    """
    if root.get("version") != VERSION or root.find("./*/ManifestByVersion") is None:
        yield f"workbook: it is written for release {VERSION}, and says so by its version"
    sources = {
        source.get("name", ""): {column.get("name") for column in source.findall("column")}
        for source in root.findall("./datasources/datasource")
    }
    sheets = root.findall("./worksheets/worksheet")
    for sheet in sheets:
        yield from _of_sheet(sheet, sources)
    names = [sheet.get("name", "") for sheet in sheets]
    windows = [window.get("name", "") for window in root.iter("window")]
    for name in sorted(set(names) ^ set(windows)):
        yield f"sheet {name}: each sheet has a window, and each window a sheet"
    marks = Counter(each.get("uuid") for each in root.iter("simple-id"))
    for mark in (mark for mark, count in marks.items() if count > 1):
        yield f"workbook: several sheets have the identifier {mark}"


def _of_sheet(sheet: Element, sources: Mapping[str, set[str | None]]) -> Iterator[str]:
    where = f"sheet {sheet.get('name')}"
    taken = set[tuple[str, str]]()
    for needed in sheet.iter("datasource-dependencies"):
        source = needed.get("datasource", "")
        if source not in sources:
            yield f"{where}: there is no data source {source}"
            continue
        columns = {column.get("name") for column in needed.findall("column")}
        for name in sorted(map(str, columns - sources[source])):
            yield f"{where}: {source} has no column {name}"
        for instance in needed.findall("column-instance"):
            taken.add((source, instance.get("name", "")))
            yield from _of_instance(where, instance, columns)
    told = [text for part in sheet.iter("alt-text") for text in part.itertext()]
    if _ORDERED.search(" ".join(told)) and sheet.find("table/view/computed-sort") is None:
        yield f"{where}: its words speak of an order, and it has none"
    for referred in _references(sheet):
        if referred not in taken:
            yield f"{where}: it does not say what {referred[0]}.{referred[1]} is"


def _of_instance(where: str, instance: Element, columns: set[str | None]) -> Iterator[str]:
    """A field that is taken is declared, and its name says how it is taken."""
    column, name = instance.get("column", ""), instance.get("name")
    if column not in columns:
        yield f"{where}: it takes {column}, which it does not declare"
    ways = {how: (before, after, scale) for how, before, after, scale in TAKEN.values()}
    before, after, scale = ways.get(instance.get("derivation", ""), ("", "", ""))
    if name != f"[{before}:{column.strip('[]')}:{after}]" or instance.get("type") != scale:
        yield f"{where}: {name} is not {instance.get('derivation')} of {column}"


def _references(sheet: Element) -> Iterator[tuple[str, str]]:
    """Fields that shelves, marks and filters name: their data source and what it is taken as."""
    for part in sheet.iter():
        named = (part.get("column", ""), part.get("using", ""))
        texts = list(named) if part.tag != "column-instance" else []
        if part.tag in ("rows", "cols", "column"):
            texts.append(part.text or "")
        for text in texts:
            yield from _REFERRED.findall(text)
