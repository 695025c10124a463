"""Formulas as MathML, made when the site is built: no script and no font is fetched to show them.

They are written as forges understand them, too: $`a`$ within a line, and a block fenced as `math`.
"""

import re
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor

_BEFORE_BACKTICKS = 195  # their priority is 190
_UNKNOWN = "<mi>\\"


def formula(latex: str, *, block: bool = False) -> str:
    """A formula as MathML.

    Raises:
        ValueError: If a brace is left open or a command is unknown, which would be shown as it is.
    """
    found = str(convert(latex.strip(), display="block" if block else "inline"))
    if latex.count("{") != latex.count("}") or _UNKNOWN in found:
        raise ValueError(f"no formula: {latex.strip()}")
    return found


def fence(source: str, *_: object, **__: object) -> str:
    """What stands in a fenced block, as pymdownx.superfences asks for it."""
    return f'<div class="formula">{formula(source, block=True)}</div>'


class Inline(InlineProcessor):
    """Puts MathML where a formula stands within a line."""

    def handleMatch(  # noqa: N802 - its name
        self,
        m: re.Match[str],
        data: str,  # noqa: ARG002 - as it is called
    ) -> tuple[str | Element, int, int]:
        """What takes the place of a match."""
        return self.md.htmlStash.store(formula(m[1])), m.start(0), m.end(0)


class Formulas(Extension):
    """Formulas within lines."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - its name
        """Take part in reading lines."""
        md.inlinePatterns.register(Inline(r"\$`([^`]+)`\$", md), "formula", _BEFORE_BACKTICKS)
