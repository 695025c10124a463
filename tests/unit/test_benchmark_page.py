"""The page of benchmarks keeps every section that was not measured anew."""

import importlib.util
from datetime import date

import pytest

from conftest import REPOSITORY

_SPEC = importlib.util.spec_from_file_location("page", REPOSITORY / "benchmarks" / "page.py")
page = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(page)

DAY = date(2026, 1, 2)
FIRST = "## One thing\n\nMeasured on\none line.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"


def test_sections_of_a_page_are_those_it_was_made_of():
    sections = {
        "one": page.stamped(FIRST, "one", today=DAY),
        "two": page.stamped("## Another\n\nText.", "two", today=DAY),
    }

    again = page.sections_of(page.page_of(sections, ("two", "one", "never_measured")))

    assert again == sections
    assert list(again) == ["two", "one"]


def test_stamped_says_when_and_how_and_keeps_tables():
    found = page.stamped(FIRST, "one", today=DAY)

    assert "Measured 2026-01-02 with deepkt-irt" in found
    assert "`make bench ONLY=one`" in found
    assert "Measured on one line." in found
    assert "| 1 | 2 |" in found.splitlines()


def test_stamped_text_without_a_heading_is_refused():
    with pytest.raises(ValueError, match="heading"):
        page.stamped("Text only", "one", today=DAY)


def test_written_page_has_every_benchmark_once():
    written = page.sections_of((REPOSITORY / "docs" / "benchmarks.md").read_text())

    assert set(written) <= {path.stem for path in (REPOSITORY / "benchmarks").glob("*.py")}
