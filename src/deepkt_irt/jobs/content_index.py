"""Opens what the content library is searched by, and keeps it in step with the library."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.jobs.reading import Read
from deepkt_irt.rag.databricks_index import DatabricksIndex, VectorSearch
from deepkt_irt.rag.embedders import Embedder, remote_embedder
from deepkt_irt.rag.index import Chunk, Index
from deepkt_irt.rag.local_index import LocalIndex
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.rag.workspace import open_workspace
from deepkt_irt.settings import ContentSettings
from deepkt_irt.tables.contract import Table
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_INDEX = "content_index"


@dataclass(frozen=True)
class ContentPlace:
    """Where the library is.

    Attributes:
        read: Reads a table.
        full_name: `catalog.schema.table` of a table.
        embedders: Folder of fitted embedders.
    """

    read: Read
    full_name: Callable[[Table], str]
    embedders: Path


def open_index(place: ContentPlace, settings: ContentSettings) -> Index:
    """The index that the settings name, with the embedder that the library was embedded by.

    Raises:
        NoData: If the library is empty.
        UsageError: If the settings name another embedder than the library was embedded by.
        BadFile: If the fitted embedder is not there.
        BackendUnavailable: If a workspace or a service does not answer.
    """
    rows = place.read(CONTENT_EMBEDDINGS)
    embedder = _embedder_of(rows, place, settings)
    if settings.index == "databricks":
        return DatabricksIndex(vector_search(place.full_name, settings), embedder)
    found = rows.toPandas()  # in any order: the index has its own
    chunks = [Chunk.of(row) for row in found.to_dict("records")]
    vectors = np.stack([np.asarray(each, dtype=np.float32) for each in found["embedding"]])
    return LocalIndex(chunks, vectors, embedder, settings)


def vector_search(full_name: Callable[[Table], str], settings: ContentSettings) -> VectorSearch:
    """The index in Vector Search, beside the table it follows.

    Raises:
        UsageError: If the table lies in a lake folder.
        BackendUnavailable: If no workspace is named.
    """
    schema = full_name(CONTENT_EMBEDDINGS).rpartition(".")[0]
    return VectorSearch(
        client=open_workspace(),
        endpoint=settings.endpoint,
        index=f"{schema}.{_INDEX}",
        wait_minutes=settings.wait_minutes,
    )


def _embedder_of(rows: "DataFrame", place: ContentPlace, settings: ContentSettings) -> Embedder:
    """The embedder of the library, checked against the settings."""
    first = rows.select("embedder", "embedder_version").first()
    if first is None:
        raise NoData(
            "the content library is empty: no source has text for people, and the folder content "
            "of the lake has no files; then run build_vector_index"
        )
    if first["embedder"] != settings.embedder:
        raise UsageError(
            f"content.embedder={settings.embedder}, but the library is embedded by "
            f"{first['embedder']}: run build_vector_index with the same settings"
        )
    if settings.embedder == Lsa.name:
        return Lsa.load(place.embedders, first["embedder_version"])
    found = remote_embedder(settings)
    if found.version != first["embedder_version"]:
        raise UsageError(
            f"the settings name embedder {found.version}, but the library is embedded by "
            f"{first['embedder_version']}: run build_vector_index with the same settings"
        )
    return found
