"""Markdown and HTML to sections of plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepkt_irt.rag.markup import Section, html_sections, markdown_sections, plain

MARKDOWN = """---
title: "Sets"
Skills: union; subset
---
Before any heading.

# Operations ##
A *union* holds `a_b` and [more](http://example.org).
Still the __same__ paragraph.
- one
- two

> quoted \\* star

| a | b |
|---|---|
| 1 | 2 |

## In code
```sql
# no heading
SELECT 1
```
Laws
====
![A Venn diagram](venn.png) of <b>two</b> sets.
***
End.
<!-- not
shown -->
"""


def test_markdown_becomes_sections_under_their_headings():
    properties, sections = markdown_sections(MARKDOWN)

    assert properties == {"title": "Sets", "skills": "union; subset"}
    assert sections == [
        Section((), "Before any heading."),
        Section(
            ("Operations",),
            "A union holds a_b and more. Still the same paragraph.\n\none\n\ntwo\n\nquoted * star"
            "\n\na; b\n\n1; 2",
        ),
        Section(("Operations", "In code"), "# no heading SELECT 1"),
        Section(("Laws",), "A Venn diagram of two sets.\n\nEnd."),
    ]


def test_html_becomes_sections_and_what_nobody_reads_goes():
    page = """<html lang="de"><head><title>Page</title><meta name="skills" content="union">
    <style>p {}</style></head><body><p>Start<script>alert(1)</script><h1>A &amp; B</h1>
    <p>One<br>two <em>three</em></p><h3>Deep</h3><ul><li>x<li>y</ul><h2>Up</h2><p>z"""

    properties, sections = html_sections(page)

    assert properties == {"locale": "de", "skills": "union", "title": "Page"}
    assert sections == [
        Section((), "Start"),
        Section(("A & B",), "One\n\ntwo three"),
        Section(("A & B", "Deep"), "x\n\ny"),
        Section(("A & B", "Up"), "z"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\n words ", "two words"),
        ("if a < b & c > d", "if a < b & c > d"),
        ("R<S and S<T", "R<S and S<T"),
        ("a &lt; b", "a < b"),
        ("<p>x < 1</p><p>y</p>", "x < 1\n\ny"),
        ('<img src="http://x.example/gif.latex?R_%7B1%7D"> is <b>a</b> set', "R_{1} is a set"),
        ('<img alt="a tree" src="tree.png">', "a tree"),
        ("one\n\n  two", "one\n\ntwo"),
        ("", ""),
        ("<p>a</p><![;>b", "a\n\nb"),
    ],
)
def test_text_that_may_be_html_becomes_plain(text, expected):
    assert plain(text) == expected


@given(st.text(alphabet="ab <>/#-`|*[]()\n&;=_!", max_size=60))
def test_no_text_is_too_odd_to_read(text):
    for read in (markdown_sections, html_sections):
        _, sections = read(text)
        assert all(section.text.strip() for section in sections)
    assert plain(plain(text)) is not None
