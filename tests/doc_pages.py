"""The pages as tests see them: fenced blocks, and the commands of a shell in them."""

import re
import shlex
import textwrap
from dataclasses import dataclass

from conftest import REPOSITORY

PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"))
)
SHELLS = {"sh", "bash", "console"}
_BLOCK = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^\1```$")
_ITEM = re.compile(r"(?:[*-]|\d+\.) ")
_HEREDOC = re.compile(r"<< ?'?(\w+)'?")


@dataclass(frozen=True)
class Block:
    """A fenced block; its code begins at the left margin."""

    page: str
    language: str
    code: str


@dataclass(frozen=True)
class Command:
    """One command of a shell, which may go over several lines, and the page it stands on."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words without a trailing comment."""
        return shlex.split(self.text, comments=True)


def text_of(page: str) -> str:
    """A page as it stands in the repository."""
    return (REPOSITORY / page).read_text()


def blocks(page: str) -> list[Block]:
    """Fenced blocks of a page, in order."""
    found = _BLOCK.findall(text_of(page))
    return [Block(page, language, textwrap.dedent(code)) for _, language, code in found]


def outside_blocks(page: str) -> str:
    """The rest of a page."""
    return _BLOCK.sub("", text_of(page))


def indented_code(page: str) -> list[str]:
    """Lines outside of blocks that Markdown takes for code because they are indented."""
    found, before, in_list = [], "", False
    for line in outside_blocks(page).splitlines():
        indent = len(line) - len(line.lstrip())
        begins = bool(line.strip()) and not before.strip()
        if begins and not indent:
            in_list = bool(_ITEM.match(line))
        if begins and indent >= (8 if in_list else 4):
            found.append(line)
        before = line
    return found


def commands(page: str) -> list[Command]:
    """Commands in the blocks of a page that are for a shell."""
    shell = [block.code for block in blocks(page) if block.language in SHELLS]
    return [Command(page, text) for code in shell for text in split(code)]


def split(code: str) -> list[str]:
    """Commands of a block, without lines that are comments alone."""
    found, held = [], []
    for line in code.splitlines():
        if not held and (not line.strip() or line.lstrip().startswith("#")):
            continue
        held.append(line)
        if _is_whole("\n".join(held)):
            found.append("\n".join(held))
            held = []
    assert not held, f"a command never ends: {held}"
    return found


def _is_whole(text: str) -> bool:
    document = _HEREDOC.search(text)
    if document:
        return text.splitlines()[-1] == document[1]
    try:
        words = shlex.split(text, comments=True)
    except ValueError:  # a quotation is still open
        return False
    return not text.endswith("\\") and not (words[0] == "for" and words[-1] != "done")
