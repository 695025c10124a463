"""Markdown and HTML to plain text in sections; what is no content (scripts, links' targets) goes.

A reader of its own for what teachers write: headings, paragraphs, lists, tables, code. Nothing is
fetched, and nothing in a file is run.
"""

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import override
from urllib.parse import unquote

_UNSEEN = frozenset({"script", "style", "head", "template", "noscript", "nav", "svg"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "br", "center", "dd", "div", "dl", "dt"}
    | {"fieldset", "figure", "footer", "form", "header", "hr", "li", "main", "ol", "p", "pre"}
    | {"section", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)
_INLINE = frozenset(
    {"a", "abbr", "b", "body", "cite", "code", "del", "em", "font", "html", "i", "img", "ins"}
    | {"kbd", "mark", "meta", "q", "s", "small", "span", "strong", "sub", "sup", "u", "var"}
    | {"h1", "h2", "h3", "h4", "h5", "h6"}
)
_NAMES = "|".join(sorted(_UNSEEN | _BLOCKS | _INLINE))
_TAG = re.compile(rf"</?(?:{_NAMES})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_NO_TAG = re.compile(rf"<(?!/?(?:{_NAMES})[\s/>]|!)", re.IGNORECASE)
_HEADING = re.compile(r"h([1-6])")
_LATEX_IMAGE = re.compile(r"\.latex\?(.*)$")  # a formula drawn by a server, its text in the URL

_FENCE = re.compile(r"^ {0,3}(```|~~~)")
_ATX = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-+)\s*$")
_RULE = re.compile(r"^ {0,3}([-*_])(\s*\1){2,}\s*$")
_IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]*\)")
_LINK = re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])")
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_MARKS = re.compile(r"^\s*(?:>\s*)*(?:[-*+]\s+|\d+[.)]\s+)?")
_TABLE_RULE = re.compile(r"^\s*\|?[\s:|-]*-[\s:|-]*\|?\s*$")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """Text under one heading.

    Attributes:
        headings: From the outermost to its own; empty before the first one.
        text: Plain text, paragraphs with one empty line between.
    """

    headings: tuple[str, ...]
    text: str


@dataclass
class _Outline:
    """Collects paragraphs under the headings they stand below."""

    sections: list[Section] = field(default_factory=list)
    _headings: list[tuple[int, str]] = field(default_factory=list)
    _paragraphs: list[str] = field(default_factory=list)

    def paragraph(self, text: str) -> None:
        tidy = " ".join(text.split())
        if tidy:
            self._paragraphs.append(tidy)

    def heading(self, level: int, text: str) -> None:
        self._close()
        kept = [each for each in self._headings if each[0] < level]
        title = " ".join(text.split())
        self._headings = [*kept, (level, title)] if title else kept

    def done(self) -> list[Section]:
        self._close()
        return self.sections

    def _close(self) -> None:
        if self._paragraphs:
            headings = tuple(title for _, title in self._headings)
            self.sections.append(Section(headings, "\n\n".join(self._paragraphs)))
        self._paragraphs = []


class _Html(HTMLParser):
    """Reads HTML as a browser would show it, without layout."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.outline = _Outline()
        self.properties: dict[str, str] = {}
        self._text: list[str] = []
        self._unseen: list[str] = []
        self._level = 0  # of the heading being read; 0: none

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "html" and given.get("lang"):
            self.properties.setdefault("locale", given["lang"])
        elif tag == "meta" and given.get("name"):
            self.properties[given["name"].casefold()] = given.get("content", "")
        if tag in _UNSEEN:
            self._unseen.append(tag)
        elif tag == "img":
            self.handle_data(f" {_image_text(given)} ")
        elif heading := _HEADING.fullmatch(tag):
            self._flush()
            self._level = int(heading.group(1))
        elif tag in _BLOCKS:
            self._flush()

    @override
    def handle_endtag(self, tag: str) -> None:
        if self._unseen and tag == self._unseen[-1]:
            self._unseen.pop()
        elif _HEADING.fullmatch(tag) and self._level:
            self.outline.heading(self._level, "".join(self._text))
            self._text, self._level = [], 0
        elif tag in _BLOCKS:
            self._flush()

    @override
    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._text.append(data)
        elif self.lasttag == "title" and data.strip():
            self.properties.setdefault("title", " ".join(data.split()))

    @override
    def parse_marked_section(self, i: int, report: bool = True) -> int:
        # a comment to a browser, whatever it names; the library breaks where it names nothing
        return self.parse_bogus_comment(i, report)

    def finish(self) -> list[Section]:
        self.close()
        self._flush()
        return self.outline.done()

    def _flush(self) -> None:
        if not self._level:
            self.outline.paragraph("".join(self._text))
            self._text = []


def html_sections(text: str) -> tuple[dict[str, str], list[Section]]:
    """Properties (`meta` elements and the language) and sections of an HTML page."""
    reader = _Html()
    reader.feed(text)
    sections = reader.finish()
    return reader.properties, sections


def plain(text: str) -> str:
    """Text of which some may be HTML, as plain text in paragraphs; formulas keep their LaTeX."""
    if not _TAG.search(text):
        paragraphs = re.split(r"\n\s*\n", unescape(text).strip())
        return "\n\n".join(" ".join(part.split()) for part in paragraphs)
    # a `<` that begins no tag, as in `a < b`
    _, sections = html_sections(_NO_TAG.sub("&lt;", text))
    parts = [part for each in sections for part in (*each.headings[-1:], each.text)]
    return "\n\n".join(parts)


def markdown_sections(text: str) -> tuple[dict[str, str], list[Section]]:
    """Properties (`name: value` lines between two lines of `---` on top) and sections."""
    properties, body = _front_matter(text)
    outline, paragraph, fenced = _Outline(), list[str](), ""
    for line in _COMMENT.sub("", body).splitlines():
        fence = _FENCE.match(line)
        if fenced or fence:  # inside a fence nothing is markup
            if fence and fenced in ("", fence.group(1)):
                fenced = "" if fenced else fence.group(1)
                _end(outline, paragraph)
            else:
                paragraph.append(line)
            continue
        _take_line(line, outline, paragraph)
    _end(outline, paragraph)
    return properties, outline.done()


def _take_line(line: str, outline: _Outline, paragraph: list[str]) -> None:
    """One line of Markdown outside fences."""
    heading, underline = _ATX.match(line), _SETEXT.match(line)
    if heading:
        _end(outline, paragraph)
        outline.heading(len(heading.group(1)), _inline(heading.group(2)))
    elif underline and len(paragraph) == 1:
        outline.heading(1 if underline.group(1)[0] == "=" else 2, paragraph.pop())
    elif not line.strip() or _RULE.match(line) or (_TABLE_RULE.match(line) and "|" in line):
        _end(outline, paragraph)
    else:
        marks = _MARKS.match(line)
        if marks and marks.group().strip():  # a list's entry or a quotation begins
            _end(outline, paragraph)
        paragraph.append(_inline(line[marks.end() if marks else 0 :]))


def _end(outline: _Outline, paragraph: list[str]) -> None:
    outline.paragraph(" ".join(paragraph))
    paragraph.clear()


def _inline(text: str) -> str:
    """A line without the marks of emphasis, links, images, code and table cells."""
    parts = re.split(r"(`+[^`]+`+)", text)  # code is kept as it is
    return "".join(p.strip("`") if p.startswith("`") else _prose(p) for p in parts)


def _prose(text: str) -> str:
    text = _LINK.sub(r"\1", _IMAGE.sub(r"\1", text))
    text = _EMPHASIS.sub(r"\2", text)
    if "|" in text.strip()[:1]:
        text = "; ".join(cell.strip() for cell in text.strip().strip("|").split("|"))
    if _TAG.search(text):
        text = plain(text).replace("\n\n", " ")
    return re.sub(r"\\([\\`*_{}\[\]()#+.!|~-])", r"\1", text)


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    found = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|$)", text, re.DOTALL)
    if not found:
        return {}, text.removeprefix("\ufeff")
    pairs = (line.partition(":") for line in found.group(1).splitlines() if ":" in line)
    values = {name.strip().casefold(): value.strip().strip("\"'") for name, _, value in pairs}
    return values, text[found.end() :]


def _image_text(given: dict[str, str]) -> str:
    """What an image says in words: its formula, or its alternative text."""
    formula = _LATEX_IMAGE.search(given.get("src", ""))
    return unquote(formula.group(1)) if formula else given.get("alt", "")
