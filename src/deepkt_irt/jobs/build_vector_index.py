"""Task build_vector_index: content to chunks, chunks to vectors, vectors to the index."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from deepkt_irt.errors import BadFile
from deepkt_irt.jobs.content_index import vector_search
from deepkt_irt.jobs.content_library import READS, library_of, passages_of
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.jobs.retrieval_evaluation import evaluate_retrieval
from deepkt_irt.jobs.task import Metrics, task
from deepkt_irt.rag.embedders import Embedder, Vectors, embedded, remote_embedder
from deepkt_irt.rag.index import CHUNK_COLUMNS, Chunk
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold_content import (
    CONTENT_EMBEDDINGS,
    CONTENT_LIBRARY,
    RETRIEVAL_EVALUATIONS,
)

_WRITES = (CONTENT_LIBRARY, CONTENT_EMBEDDINGS, RETRIEVAL_EVALUATIONS)
_FEW = 1_000  # rows that are replaced by their keys; more, and the whole table is


@task(reads=(*READS, *_WRITES), writes=_WRITES, reads_content=True, extra="rag")
def build_vector_index(ctx: JobContext) -> Metrics:
    """Bring the content library, its embeddings and the index in step with all content.

    Safe to run again: unchanged content keeps its id and its vector, and only rows that differ are
    written. `lsa` is fitted anew when much is new to it; then all is embedded anew. A file of a
    teacher that cannot be read, and an embedding that is zero or not finite, stop the task before
    anything is written. How well each kind of search finds material on questions that are held out
    goes to gold.retrieval_evaluations, if there are enough of them.
    """
    passages = passages_of(ctx)
    chunks = library_of(passages, max_characters=ctx.settings.content.max_characters)
    old = ctx.read(CONTENT_EMBEDDINGS).toPandas()
    new, n_embedded = _embedded(ctx, chunks, old)
    known = ctx.read(CONTENT_LIBRARY).toPandas()
    added_at = dict(zip(known["chunk_id"], known["added_at"], strict=True))
    library = new.assign(added_at=[added_at.get(each, _now(ctx)) for each in new["chunk_id"]])
    _write(ctx, CONTENT_LIBRARY, library, known)
    changed = _write(ctx, CONTENT_EMBEDDINGS, new, old)
    if ctx.settings.content.index == "databricks" and len(new):
        table = ctx.full_name(CONTENT_EMBEDDINGS)
        ctx.progress(f"syncing the index of {table}")
        dimension = len(new["embedding"].iloc[0])
        place = vector_search(ctx.full_name, ctx.settings.content)
        place.bring_up_to_date(table, dimension=dimension, n_rows=len(new))
    kinds = new["kind"].value_counts().to_dict()
    return {
        "chunks": float(len(new)),
        **{f"chunks_{kind}": float(n) for kind, n in sorted(kinds.items())},
        "embedded": float(n_embedded),
        "rows_changed": float(changed),
        **evaluate_retrieval(ctx, passages, new),
    }


def _embedded(
    ctx: JobContext, chunks: Sequence[Chunk], old: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    """Rows of the embeddings without what was there before, and how many texts were embedded."""
    if not chunks:
        return pd.DataFrame(columns=list(CONTENT_EMBEDDINGS.column_names)), 0
    embedder = _embedder(ctx, chunks, old)
    same = old[(old["embedder"] == embedder.name) & (old["embedder_version"] == embedder.version)]
    columns = (same["content_hash"], same["embedding"], same["embedded_at"])
    known = {each: (vector, at) for each, vector, at in zip(*columns, strict=True)}
    texts = {c.content_hash: _text(c) for c in chunks if c.content_hash not in known}
    vectors: Sequence[Vectors] = list(embedded(embedder, list(texts.values()))) if texts else []
    known |= {each: (vector, _now(ctx)) for each, vector in zip(texts, vectors, strict=True)}
    rows = [
        {
            **asdict(chunk),
            "skill_ids": list(chunk.skill_ids),
            "embedder": embedder.name,
            "embedder_version": embedder.version,
            "embedding": known[chunk.content_hash][0],
            "embedded_at": known[chunk.content_hash][1],
        }
        for chunk in chunks
    ]
    return pd.DataFrame(rows), len(texts)


def _text(chunk: Chunk) -> str:
    """What is embedded of a chunk."""
    return f"{chunk.title}\n{chunk.text}"


def _embedder(ctx: JobContext, chunks: Sequence[Chunk], old: pd.DataFrame) -> Embedder:
    """What embeds in this run; lsa stays as it was fitted as long as it knows the content."""
    settings = ctx.settings.content
    if settings.embedder != Lsa.name:
        return remote_embedder(settings)
    fitted = _fitted_before(ctx, chunks, old)
    if fitted is None:
        fitted = Lsa.fitted([_text(chunk) for chunk in chunks], dimension=settings.dimension)
        fitted.save(ctx.embedders)
        ctx.progress(f"fitted lsa {fitted.version} on {len(chunks):,} chunks")
    _drop_others(ctx.embedders, {fitted.version, *old["embedder_version"]})
    return fitted


def _fitted_before(ctx: JobContext, chunks: Sequence[Chunk], old: pd.DataFrame) -> Lsa | None:
    """The lsa the library is embedded by; None if it is to be fitted anew."""
    rows = old[old["embedder"] == Lsa.name]
    if rows.empty:
        return None
    # what was embedded first is what it was fitted on
    seen = set(rows.loc[rows["embedded_at"] == rows["embedded_at"].min(), "content_hash"])
    unseen = [chunk for chunk in chunks if chunk.content_hash not in seen]
    if len(unseen) > ctx.settings.content.refit_share * len(chunks):
        ctx.progress(f"lsa was not fitted on {len(unseen):,} of {len(chunks):,} chunks")
        return None
    try:
        lsa = Lsa.load(ctx.embedders, rows["embedder_version"].iloc[0])
    except BadFile as error:
        ctx.progress(str(error))
        return None
    if lsa.dimension != ctx.settings.content.dimension:
        return None
    known = np.abs(lsa.embed([_text(chunk) for chunk in unseen])).sum(axis=1) > 0
    return lsa if known.all() else None


def _drop_others(folder: Path, versions: set[str]) -> None:
    """Keep the fitted embedders of this run and of the table as it still is."""
    kept = {f"lsa-{version}.npz" for version in versions}
    for path in folder.glob("lsa-*.npz"):
        if path.name not in kept:
            path.unlink()


def _now(ctx: JobContext) -> pd.Timestamp:
    """The instant of the run, as pandas has the instants of tables: UTC without saying so."""
    return pd.Timestamp(ctx.as_of).tz_convert("UTC").tz_localize(None)


def _write(ctx: JobContext, table: Table, new: pd.DataFrame, old: pd.DataFrame) -> int:
    """Write the rows that differ in one transaction; returns how many those are.

    Rows that stay are not touched, so that the change feed holds what changed and no more.
    """
    before, after = _by_id(table, old), _by_id(table, new)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if ctx.version(table) is not None and not changed:
        return 0
    if ctx.version(table) is None or len(changed) > _FEW or not before.keys() - changed:
        ctx.overwrite(table, ctx.frame(table, new))
        return len(changed)
    listed = ", ".join(f"'{key}'" for key in sorted(changed))
    rows = ctx.frame(table, new[new["chunk_id"].isin(changed)])
    ctx.replace(table, rows, where=f"chunk_id IN ({listed})")
    return len(changed)


def _by_id(table: Table, rows: pd.DataFrame) -> dict[str, tuple[object, ...]]:
    """Rows as values that can be compared."""
    names = [*CHUNK_COLUMNS, *(n for n in table.column_names if n not in CHUNK_COLUMNS)]
    return {
        row["chunk_id"]: tuple(_comparable(row[name]) for name in names)
        for row in rows.to_dict("records")
    }


def _comparable(value: object) -> object:
    if isinstance(value, (list, np.ndarray)):
        return tuple(value)
    return None if value is None or value != value else value  # noqa: PLR0124 - nan alone differs
