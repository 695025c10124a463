"""All content there is, as chunks: questions, skills, hints, explanations, files of teachers."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepkt_irt.errors import BackendUnavailable, BadFile
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.runner import content_files
from deepkt_irt.rag.content import SUFFIXES, Passage, chunks_of, document_passages
from deepkt_irt.rag.index import Chunk
from deepkt_irt.sources.content import KINDS, Piece, Record, pieces
from deepkt_irt.tables.bronze import RAW_CONTENT
from deepkt_irt.tables.silver import ITEMS, SKILLS

if TYPE_CHECKING:
    from pyspark.sql import Row

READS = (ITEMS, SKILLS, RAW_CONTENT)


@dataclass(frozen=True)
class Catalogue:
    """What is known of skills and items that content is about.

    Attributes:
        skills: Rows of silver.skills by id.
        skills_of_item: Skill ids by item id.
    """

    skills: dict[str, "Row"]
    skills_of_item: dict[str, tuple[str, ...]]

    def title(self, skill_ids: tuple[str, ...], otherwise: str) -> str:
        """Names of skills, or what else there is to say."""
        names = [self.skills[each]["name"] for each in skill_ids if each in self.skills]
        return ", ".join(names) or otherwise

    @property
    def ids_by_name(self) -> dict[str, str]:
        """Skill id by id and by name in lower case; a name of two skills stands for the first."""
        found: dict[str, str] = {}
        for skill_id, row in sorted(self.skills.items()):
            found[skill_id.casefold()] = skill_id
            found.setdefault(row["name"].casefold(), skill_id)
        return found


def library_of(passages: Iterable[Passage], *, max_characters: int) -> list[Chunk]:
    """The chunks of all content, sorted by id."""
    chunks = chunks_of(passages, max_characters=max_characters)
    return sorted(chunks, key=lambda chunk: chunk.chunk_id)


def passages_of(ctx: JobContext) -> list[Passage]:
    """All content there is.

    Content does not grow with students or events, so it is brought to the driver.

    Raises:
        BadFile: If a file of a teacher cannot be read, naming it.
    """
    items = ctx.read(ITEMS).select("item_id", "skill_ids").collect()
    catalogue = Catalogue(
        skills={row["skill_id"]: row for row in ctx.read(SKILLS).collect()},
        skills_of_item={row["item_id"]: tuple(row["skill_ids"]) for row in items},
    )
    return [
        *_skills(ctx, catalogue),
        *_sources(ctx, catalogue),
        *_documents(ctx, catalogue),
    ]


def _skills(ctx: JobContext, catalogue: Catalogue) -> Iterator[Passage]:
    """What skills are and what comes before them; a name alone is no content."""
    for skill_id, row in sorted(catalogue.skills.items()):
        before = catalogue.title(tuple(row["prerequisite_ids"]), "")
        parts = [row["description"] or "", f"Builds on: {before}." if before else ""]
        yield Passage(
            source=row["source"],
            kind="skill",
            place=skill_id,
            title=row["name"],
            text="\n\n".join(filter(None, parts)),
            skill_ids=(skill_id,),
            locale=ctx.settings.content.locale,
        )


def _sources(ctx: JobContext, catalogue: Catalogue) -> Iterator[Passage]:
    """What the records of sources say."""
    raw = ctx.read(RAW_CONTENT)
    known = raw.filter(raw["kind"].isin(*KINDS)).filter("content_id IS NOT NULL")
    by_source: dict[str, list[Record]] = defaultdict(list)
    for row in known.orderBy("_source", "_batch_id", "_file", "_row").collect():
        record = Record(row["kind"], row["content_id"], json.loads(row["body"] or "{}"))
        by_source[row["_source"]].append(record)
    for source, records in by_source.items():
        for piece in pieces(records):
            yield _passage(ctx, catalogue, source, piece)


def _passage(ctx: JobContext, catalogue: Catalogue, source: str, piece: Piece) -> Passage:
    """A piece under ids that are qualified by its source, as silver has them."""
    item_id = f"{source}:{piece.item_id}" if piece.item_id else None
    skill_ids = tuple(f"{source}:{each}" for each in piece.skill_ids)
    if item_id is not None:
        skill_ids = catalogue.skills_of_item.get(item_id, ())
    return Passage(
        source=source,
        kind=piece.kind,
        place=piece.content_id,
        title=piece.title or catalogue.title(skill_ids, f"Question {piece.item_id}"),
        text=piece.text,
        item_id=item_id,
        skill_ids=skill_ids,
        grade=piece.grade,
        locale=piece.locale or ctx.settings.content.locale,
        licence=piece.licence,
    )


def _documents(ctx: JobContext, catalogue: Catalogue) -> Iterator[Passage]:
    """Sections of the files of teachers."""
    ids_by_name = catalogue.ids_by_name
    for name in content_files(ctx.content):
        if not name.lower().endswith(SUFFIXES):
            wanted = ", ".join(SUFFIXES)
            raise BadFile(f"content/{name}", "it is neither Markdown nor HTML", f"take {wanted}")
        try:
            content = (ctx.content / name).read_bytes()
        except OSError as error:
            problem = f"content/{name} cannot be read: {error.strerror}"
            raise BackendUnavailable(problem) from error
        yield from document_passages(
            name, content, skills=ids_by_name, locale=ctx.settings.content.locale
        )
