"""The pages name only what there is: links, options, sources, tables, tasks, folders, scripts.

That each command and each make verb are in step is in test_house_rules.py; the page of tables
is in test_docs.py and test_registry.py.
"""

import re
import shlex

import pytest
import typer

from conftest import REPOSITORY
from deepkt_irt.cli import app
from deepkt_irt.governance.access import masked_view
from deepkt_irt.jobs.pipeline import TASKS
from deepkt_irt.settings import Settings
from deepkt_irt.sources.catalogue import SOURCES
from deepkt_irt.tables.registry import TABLES, views
from doc_pages import PAGES, blocks, indented_code, outside_blocks, text_of

COMMANDS = typer.main.get_command(app).commands
DECISIONS = sorted((REPOSITORY / "docs" / "decisions").glob("*.md"))


def code_in(page: str) -> list[str]:
    """What stands in backticks or on lines of fenced blocks, as one string each."""
    lines = (line.strip() for block in blocks(page) for line in block.code.splitlines())
    return [*re.findall(r"`([^`\n]+)`", outside_blocks(page)), *filter(None, lines)]


def commands_in(page: str) -> list[list[str]]:
    """Words of each `deepkt ...`, without a trailing comment and the brackets of optional parts."""
    typed = [code for code in code_in(page) if code.startswith("deepkt ")]
    return [shlex.split(re.sub(r"[\[\]]", " ", code), comments=True)[1:] for code in typed]


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_resolve(page):
    links = re.findall(r"\]\(([^)#\s]+)", text_of(page))
    own = [link for link in links if not re.match(r"[a-z]+:", link)]

    assert [link for link in own if not (REPOSITORY / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_code_of_a_page_is_fenced_with_its_language(page):
    """An indented block has no language: neither a reader's colours nor a test would find it."""
    assert [block.code for block in blocks(page) if not block.language] == []
    assert indented_code(page) == []


@pytest.mark.parametrize("page", PAGES)
def test_deepkt_commands_of_a_page_take_the_options_they_are_given(page):
    wrong = []
    for words in commands_in(page):
        command = COMMANDS.get(words[0])
        params = command.params if command else []
        options = {opt for p in params for opt in (*p.opts, *p.secondary_opts)}
        given = {word.split("=")[0] for word in words[1:] if word.startswith("--")}
        wrong += [(words[0], option) for option in given - options]
        wrong += [words[0]] * (command is None)

    assert wrong == []


def test_readme_shows_how_to_run_own_files():
    starts = [words[:3] for words in commands_in("README.md")]

    assert ["run", "--source", "responses_csv"] in starts


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_options_beside_a_command_in_a_table_exist(page):
    rows = re.findall(r"(?m)^\| `deepkt ([\w-]+)([^|]*)\|(.*)\|$", text_of(page))
    unknown = [
        (name, option)
        for name, *cells in rows
        for option in re.findall(r"--[a-z-]+", " ".join(cells))
        if option not in {opt for p in COMMANDS[name].params for opt in p.opts}
    ]

    assert rows
    assert unknown == []


def test_sources_in_the_readme_are_those_there_are():
    readme = set(code_in("README.md"))
    named = readme | {word for words in commands_in("README.md") for word in words}

    assert set(SOURCES) - {"simulator"} - named == set()


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_a_page_are_registered(page):
    schemas = "|".join(sorted({table.layer.value for table in TABLES}))
    named = set(re.findall(rf"`(?:{schemas})\.\w+`", text_of(page)))

    masked = [view for table in TABLES if (view := masked_view(table))]
    declared = {each.qualified_name for each in (*TABLES, *masked, *views(Settings()))}
    assert {name.strip("`") for name in named} - declared == set()


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_settings_of_a_page_exist(page):
    named = re.findall(r"`(?:--set )?([a-z_]+)\.([a-z_0-9]+)(?:=[^`]*)?`", outside_blocks(page))
    fields = {
        part: set(type(value).model_fields) | {"py", "md", "toml"} for part, value in Settings()
    }

    assert [(part, name) for part, name in named if name not in fields.get(part, {name})] == []


@pytest.mark.parametrize("page", PAGES)
def test_paths_of_a_page_exist(page):
    roots = r"(?:src|tests|docs|benchmarks|scripts|sources|jobs|tables)/"
    named = [code for code in code_in(page) if re.fullmatch(rf"{roots}[\w./-]+", code)]
    folders = (REPOSITORY, REPOSITORY / "src" / "deepkt_irt")

    assert [path for path in named if not any((f / path).exists() for f in folders)] == []


def test_tree_of_the_development_guide_is_the_tree_of_the_package():
    tree = text_of("docs/development.md").split("src/deepkt_irt/\n")[1].split("\n```\n")[0]
    inside, beside = tree.split("\ntests/")
    named = set(re.findall(r"\b([a-z_]+)/", inside))
    package = REPOSITORY / "src" / "deepkt_irt"
    folders = {path.parent.name for path in package.glob("*/__init__.py")}

    assert named == folders
    assert all((package / name).exists() for name in re.findall(r"\b\w+\.py\b", inside))
    named_beside = re.findall(r"(?:^|[ \n])([a-z]+)/", beside)
    assert all((REPOSITORY / name).is_dir() for name in named_beside)


def test_tasks_of_the_commands_are_registered():
    lines = text_of("docs/commands.md").splitlines()
    row = next(line for line in lines if "each task by itself" in line)
    named = re.findall(r"`(\w+)`", row)

    assert named
    assert set(named) <= set(TASKS)


def test_decisions_are_numbered_in_order_as_their_titles_say():
    numbers = [int(path.name[:4]) for path in DECISIONS]
    titles = [path.read_text().splitlines()[0] for path in DECISIONS]

    assert numbers == list(range(1, len(DECISIONS) + 1))
    assert [t for n, t in zip(numbers, titles, strict=True) if not t.startswith(f"# {n}. ")] == []


def test_changelog_says_what_is_unreleased():
    assert re.search(r"(?m)^## \[?Unreleased", text_of("CHANGELOG.md"))
