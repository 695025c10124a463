"""MkDocs calls these while it builds the site: pages from beside docs/, links, formulas."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pymdownx.slugs import slugify

import site_pages
from site_math import Formulas, fence


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Formulas, anchors as forges make them, and the parts of the navigation that are many."""
    config.markdown_extensions.append(Formulas())
    config.mdx_configs["pymdownx.superfences"] = {
        "custom_fences": [{"name": "math", "class": "math", "format": fence}]
    }
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    root = _root(config)
    decisions = sorted((root / "docs" / "decisions").glob("*.md"))
    many: dict[str, list[object]] = {
        "decisions": [f"decisions/{path.name}" for path in decisions],
        "api": site_pages.api_navigation(root),
    }
    config.nav = _expanded(config.nav, many)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that come from outside docs/."""
    root = _root(config)
    made = {
        place: (root / path).read_text(encoding="utf-8")
        for path, place in site_pages.ROOT_PAGES.items()
    }
    texts = {each.src_uri: each.content_string for each in files.documentation_pages()} | made
    linked: set[str] = set()
    for place, text in texts.items():
        linked |= site_pages.linked_files(text, place, root)
    made |= {site_pages.place_of(path): site_pages.file_page(path, root) for path in linked}
    made |= site_pages.api_pages(root)
    for place, text in made.items():
        # a file that a page links to is shown, but is no part of the documentation
        part = place.startswith("files/")
        level = InclusionLevel.NOT_IN_NAV if part else InclusionLevel.INCLUDED
        files.append(File.generated(config, place, content=text, inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Let links between files of the repository lead to the site's pages."""
    place = page.file.src_uri
    if place.startswith(("api/", "files/")):
        return markdown
    return site_pages.with_site_links(markdown, place, _root(config))


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def _expanded(entry: object, many: dict[str, list[object]]) -> object:
    """A part of the navigation, with the pages that a name stands for."""
    match entry:
        case dict():
            return {title: _expanded(to, many) for title, to in entry.items()}
        case list():
            return [_expanded(each, many) for each in entry]
        case str():
            return many.get(entry, entry)
    return entry
