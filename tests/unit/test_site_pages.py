"""Links between files of the repository lead to pages of the site, and the site has every page."""

import sys

import pytest
import yaml

from conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "scripts"))

import site_pages

NAVIGATION = yaml.safe_load((REPOSITORY / "mkdocs.yml").read_text())["nav"]


@pytest.mark.parametrize(
    ("place", "link", "leads_to"),
    [
        ("index.md", "docs/sources.md#when-a-source-changes", "sources.md#when-a-source-changes"),
        ("index.md", "CHANGELOG.md", "changelog.md"),
        ("index.md", "docs/images/azure.svg", "images/azure.svg"),
        ("sources.md", "../README.md", "index.md"),
        ("sources.md", "privacy.md", "privacy.md"),
        ("sources.md", "../pyproject.toml", "files/pyproject.toml.md"),
        ("mathematics/drift.md", "../../src/deepkt_irt/irt/drift.py", "../api/irt/drift.md"),
        ("concepts.md", "../src/deepkt_irt/irt/__init__.py", "api/irt.md"),
        ("sources.md", "absent.md", "absent.md"),
        ("sources.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("sources.md", "#rosters", "#rosters"),
    ],
)
def test_link_leads_to_the_page_of_its_file(place, link, leads_to):
    found = site_pages.with_site_links(f"see [it]({link}) there", place, REPOSITORY)

    assert found == f"see [it]({leads_to}) there"


@pytest.mark.parametrize(
    "code", ["`[it](../README.md)`", "```text\n[it](../README.md)\n```", "$`a](../README.md`$"]
)
def test_link_in_code_stays_as_it_is(code):
    assert site_pages.with_site_links(code, "sources.md", REPOSITORY) == code


def test_file_that_is_linked_and_has_no_page_gets_one():
    text = "[a](../pyproject.toml) [b](../README.md) [c](../src/deepkt_irt/cli.py) [d](absent.md)"

    assert site_pages.linked_files(text, "sources.md", REPOSITORY) == {"pyproject.toml"}
    page = site_pages.file_page("pyproject.toml", REPOSITORY)
    assert page.startswith("# pyproject.toml\n\n````toml\n[build-system]")


def test_every_module_of_the_package_has_a_page_in_the_reference():
    pages = site_pages.api_pages(REPOSITORY)

    assert pages["api/irt/drift.md"] == "# deepkt_irt.irt.drift\n\n::: deepkt_irt.irt.drift\n"
    listed = pages.pop("api/index.md")
    assert [place for place in pages if f"]({place.removeprefix('api/')})" not in listed] == []
    assert set(places(site_pages.api_navigation(REPOSITORY))) == {*pages, "api/index.md"}


def test_navigation_has_every_page_of_docs_once():
    pages = {
        path.relative_to(REPOSITORY / "docs").as_posix()
        for path in (REPOSITORY / "docs").rglob("*.md")
        if path.parent.name != "decisions"
    }
    named = places(NAVIGATION)

    assert sorted(named) == sorted({*pages, *site_pages.ROOT_PAGES.values(), "decisions", "api"})


def places(navigation: list) -> list[str]:
    """Pages of a navigation in order."""
    found = []
    for entry in navigation:
        to = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += places(to) if isinstance(to, list) else [to]
    return found
