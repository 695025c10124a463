"""Passages of content to chunks: cut at sentence borders, with an identity that means the text.

A chunk's id says where it stands and what it says, so unchanged content keeps its id, and an id
that was cited never comes to mean other words.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from deepkt_irt.errors import BadFile
from deepkt_irt.rag.index import Chunk, Kind
from deepkt_irt.rag.markup import Section, html_sections, markdown_sections, plain

DOCUMENTS = "documents"
SUFFIXES = (".md", ".markdown", ".html", ".htm")

_ID_DIGITS = 24
_PROPERTIES = frozenset({"title", "skills", "grade", "locale", "licence"})
# the end of a sentence with what closes after it; not after one letter, as in `e.g. ` or `J. Smith`
_SENTENCE_END = re.compile(r"""(?<!\b\w)[.!?]["')\]]*(?=\s+["'(\[]?[^\sa-z])""")


@dataclass(frozen=True)
class Passage:
    """Content as its source gives it, of any length.

    Attributes:
        source: Source system, or `documents`.
        kind: What it is.
        place: What names it within its source, such as a file and its section.
        title: Short text for people.
        text: Plain text or HTML; without any it is passed over.
        item_id: Question it belongs to, qualified by source; None if to none.
        skill_ids: Skills it is about, qualified by source.
        grade: As the source says; None if it does not.
        locale: IETF tag.
        licence: As the source states it; None if it does not.
    """

    source: str
    kind: Kind
    place: str
    title: str
    text: str
    item_id: str | None = None
    skill_ids: tuple[str, ...] = ()
    grade: str | None = None
    locale: str = "en"
    licence: str | None = None


def chunks_of(passages: Iterable[Passage], *, max_characters: int) -> list[Chunk]:
    """Chunks of some passages, in their order; the same text at the same place counts once.

    Args:
        passages: With plain text or HTML.
        max_characters: A longer text is cut; a single sentence that is longer, between words.
    """
    found: dict[str, Chunk] = {}
    for passage in passages:
        title = " ".join(plain(passage.title).split())
        for text in _pieces(plain(passage.text), max_characters):
            chunk = _chunk(passage, title, text)
            found.setdefault(chunk.chunk_id, chunk)
    return list(found.values())


def _chunk(passage: Passage, title: str, text: str) -> Chunk:
    content_hash = _sha256(title, text)
    identity = _sha256(passage.source, passage.kind, passage.place, content_hash)
    return Chunk(
        chunk_id=identity[:_ID_DIGITS],
        source=passage.source,
        kind=passage.kind,
        item_id=passage.item_id,
        skill_ids=tuple(sorted(set(passage.skill_ids))),
        grade=passage.grade,
        locale=passage.locale,
        licence=passage.licence,
        title=title,
        text=text,
        content_hash=content_hash,
    )


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _pieces(text: str, limit: int) -> Iterator[str]:
    """A text in pieces of at most so many characters, without overlap.

    Paragraphs stay whole where they fit; longer ones are cut after sentences.
    """
    piece = ""
    for separator, part in _parts(text, limit):
        joined = f"{piece}{separator}{part}" if piece else part
        if len(joined) > limit:
            yield piece
            joined = part
        piece = joined
    if piece:
        yield piece


def _parts(text: str, limit: int) -> Iterator[tuple[str, str]]:
    """Paragraphs, sentences or words, each no longer than the limit, with what joins it before."""
    for paragraph in filter(None, text.split("\n\n")):
        if len(paragraph) <= limit:
            yield "\n\n", paragraph
            continue
        for number, sentence in enumerate(_sentences(paragraph)):
            before = " " if number else "\n\n"
            if len(sentence) <= limit:
                yield before, sentence
            else:
                yield from ((" ", part) for part in _cut(sentence, limit))


def _sentences(paragraph: str) -> Iterator[str]:
    start = 0
    for end in (*(found.end() for found in _SENTENCE_END.finditer(paragraph)), len(paragraph)):
        if sentence := paragraph[start:end].strip():
            yield sentence
        start = end


def _cut(sentence: str, limit: int) -> Iterator[str]:
    """A sentence cut between words; a longer word is cut in itself."""
    while len(sentence) > limit:
        end = sentence.rfind(" ", 1, limit + 1)
        end = end if end > 0 else limit
        yield sentence[:end].rstrip()
        sentence = sentence[end:].lstrip()
    if sentence:
        yield sentence


def document_passages(
    name: str, content: bytes, *, skills: Mapping[str, str], locale: str
) -> list[Passage]:
    """Passages of a Markdown or HTML file of a teacher, one for each section.

    Properties stand on top of Markdown between two lines `---`, or in `meta` elements: title,
    skills (names or ids, with `;` between), grade, locale, licence.

    Args:
        name: Path below the folder of content, with `/`.
        content: Bytes of the file, UTF-8.
        skills: Id by name and by id of every skill, in lower case.
        locale: Where the file does not say.

    Raises:
        BadFile: If it is no UTF-8, has no text, or names a skill that nobody knows.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is no UTF-8"
        raise BadFile(name, where, "save it as UTF-8") from error
    is_html = PurePosixPath(name).suffix.lower() in (".html", ".htm")
    properties, sections = (html_sections if is_html else markdown_sections)(text)
    if not sections:
        raise BadFile(name, "it has no text below its headings", "write some, or take it out")
    if not is_html:
        _refuse_unknown(name, properties)
    title = properties.get("title") or PurePosixPath(name).stem.replace("_", " ")
    return [
        Passage(
            source=DOCUMENTS,
            kind="document",
            place=f"{name}#{'/'.join(section.headings)}",
            title=_title(title, section),
            text=section.text,
            skill_ids=_skill_ids(name, properties.get("skills", ""), skills),
            grade=properties.get("grade") or None,
            locale=properties.get("locale") or locale,
            licence=properties.get("licence") or None,
        )
        for section in sections
    ]


def _refuse_unknown(name: str, properties: Mapping[str, str]) -> None:
    """A property with a slip in its name would be lost without a word."""
    for unknown in sorted(properties.keys() - _PROPERTIES):
        known = ", ".join(sorted(_PROPERTIES))
        raise BadFile(name, f"no property {unknown!r} on top", f"there are {known}")


def _title(document: str, section: Section) -> str:
    """The document's title and the headings below it, without repeating any."""
    return ": ".join(dict.fromkeys((document, *section.headings)))


def _skill_ids(name: str, listed: str, skills: Mapping[str, str]) -> tuple[str, ...]:
    wanted = [each.strip() for each in listed.split(";") if each.strip()]
    for skill in wanted:
        if skill.casefold() not in skills:
            problem = f"skills: no skill {skill!r}"
            raise BadFile(name, problem, "write a name or an id of silver.skills")
    return tuple(skills[skill.casefold()] for skill in wanted)
