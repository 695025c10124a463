"""What the site has beside docs/, and where links between files of the repository lead on it.

The same Markdown is read on a forge, where links lead to files of the repository, and on the site,
where a page stands for each of them: README.md is the first page, a module of the package has its
page of the API reference, any other text file one that shows it. No MkDocs here.
"""

import ast
import posixpath
import re
from pathlib import Path

ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
PACKAGE = "src/deepkt_irt/"
_LINK = re.compile(r"(?ms)^( *)```.*?^\1```$|`[^`\n]+`|\]\((?P<to>[^)\s]+)")
_ELSEWHERE = re.compile(r"[a-z]+:|#|/")
_LANGUAGES = {".py": "python", ".yml": "yaml", ".sql": "sql", ".sh": "sh", ".toml": "toml"}


def place_of(path: str) -> str:
    """Where a file of the repository lies on the site, as a path of its Markdown or its own."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.startswith(PACKAGE) and path.endswith(".py"):
        return _api_place(path.removeprefix(PACKAGE))
    return f"files/{path}.md"


def origin_of(place: str) -> str:
    """The file of the repository that a page with links comes from."""
    return {page: path for path, page in ROOT_PAGES.items()}.get(place, f"docs/{place}")


def with_site_links(markdown: str, place: str, root: Path) -> str:
    """Markdown whose links lead to the site's pages; one that leads nowhere stays as it is.

    Args:
        markdown: As in the repository.
        place: Of its page on the site.
        root: Of the repository.
    """

    def rewritten(found: re.Match[str]) -> str:
        target = _target(found["to"], origin_of(place), root)
        if target is None:
            return found[0]
        path, anchor = target
        return f"]({posixpath.relpath(place_of(path), posixpath.dirname(place) or '.')}{anchor}"

    return _LINK.sub(rewritten, markdown)


def linked_files(markdown: str, place: str, root: Path) -> set[str]:
    """Files of the repository that are linked and have no other page than one of their own."""
    targets = (_target(found["to"], origin_of(place), root) for found in _LINK.finditer(markdown))
    paths = {target[0] for target in targets if target is not None}
    return {path for path in paths if place_of(path).startswith("files/")}


def file_page(path: str, root: Path) -> str:
    """Markdown that shows a text file."""
    file = root / path
    language = _LANGUAGES.get(file.suffix, "text")
    return f"# {path}\n\n````{language}\n{file.read_text(encoding='utf-8')}\n````\n"


def api_pages(root: Path) -> dict[str, str]:
    """Markdown of the API reference by place: a page a module, and one that lists them."""
    modules = public_modules(root)
    pages = {_api_place(name): f"# {dotted(name)}\n\n::: {dotted(name)}\n" for name in modules}
    lines = ["# API reference", "", "Made from the docstrings.", ""]
    for room, names in by_room(modules).items():
        lines += ["", f"## {room}", "", "| module | what it is |", "|---|---|"]
        for name in names:
            about = _summary(root / PACKAGE / name)
            lines.append(f"| [{dotted(name)}]({_api_place(name).removeprefix('api/')}) | {about} |")
    pages["api/index.md"] = "\n".join([*lines, ""])
    return pages


def public_modules(root: Path) -> list[str]:
    """Modules of the package that say what they are, as paths below it."""
    found = sorted(
        path.relative_to(root / PACKAGE).as_posix() for path in (root / PACKAGE).rglob("*.py")
    )
    public = (name for name in found if not re.search(r"(^|/)_(?!_init__)", name))
    return [name for name in public if _summary(root / PACKAGE / name)]


def by_room(modules: list[str]) -> dict[str, list[str]]:
    """Modules by the folder of the package that they lie in; first those of none."""
    rooms: dict[str, list[str]] = {"deepkt_irt": []}
    for name in modules:
        folder = name.split("/")[0] if "/" in name else ""
        rooms.setdefault(f"deepkt_irt.{folder}".rstrip("."), []).append(name)
    return rooms


def api_navigation(root: Path) -> list[object]:
    """The API reference as MkDocs' navigation has it."""
    rooms = by_room(public_modules(root))
    sections: list[object] = [
        {room: [{_short(name): _api_place(name)} for name in names]}
        for room, names in rooms.items()
    ]
    return ["api/index.md", *sections]


def dotted(name: str) -> str:
    """Import name of a module, given as a path below the package."""
    return f"deepkt_irt.{name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


def _short(name: str) -> str:
    return posixpath.basename(name.removesuffix("/__init__.py")).removesuffix(".py")


def _api_place(name: str) -> str:
    return f"api/{name.removesuffix('__init__.py').removesuffix('.py').rstrip('/')}.md"


def _summary(path: Path) -> str:
    """First line of a module's docstring; empty if it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n")[0].replace("|", "\\|")


def _target(to: str | None, origin: str, root: Path) -> tuple[str, str] | None:
    """File of the repository that a link leads to, and its anchor; None if it leads elsewhere."""
    if to is None or _ELSEWHERE.match(to):
        return None
    link, _, anchor = to.partition("#")
    path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))
    if not (root / path).is_file():
        return None
    return path, f"#{anchor}" if anchor else ""
