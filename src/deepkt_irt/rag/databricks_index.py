"""Search in Databricks Vector Search, through databricks-sdk.

A delta-sync index follows the table of embeddings by its change data feed, when the task asks it
to. The vectors are ours, so a question is embedded here and sent with its text. The index is made
by the task and not by the bundle, because its table must be there first.
"""

import json
import time
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from deepkt_irt.errors import BackendUnavailable
from deepkt_irt.rag.embedders import Embedder, Vectors, embedded_question
from deepkt_irt.rag.index import (
    CHUNK_COLUMNS,
    PROPERTY_OF_FILTER,
    Chunk,
    Filters,
    Hit,
    Mode,
    refuse_useless_question,
)
from deepkt_irt.rag.workspace import asking

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.service.vectorsearch import QueryVectorIndexResponse, VectorIndex

KEY, VECTOR = "chunk_id", "embedding"
_QUERY_TYPE: dict[Mode, str] = {"lexical": "FULL_TEXT", "vector": "ANN", "hybrid": "HYBRID"}
_SEARCHED = ["title", "text"]
_POLL_SECONDS = 15.0


@dataclass(frozen=True)
class VectorSearch:
    """Where an index lives, and how long to wait for it.

    Attributes:
        client: Of the workspace.
        endpoint: Vector Search endpoint.
        index: Full name, `catalog.schema.name`.
        wait_minutes: For the endpoint and the index to be ready.
        poll_seconds: Between two looks.
    """

    client: "WorkspaceClient"
    endpoint: str
    index: str
    wait_minutes: float = 60.0
    poll_seconds: float = _POLL_SECONDS

    def bring_up_to_date(self, source_table: str, *, dimension: int, n_rows: int) -> None:
        """Make endpoint and index where there are none, sync, and wait until all rows are in.

        An index over another table, or of vectors of another length, is deleted and made anew.

        Args:
            source_table: Full name of the table of embeddings, with its change data feed on.
            dimension: Length of its vectors.
            n_rows: Rows it has.

        Raises:
            BackendUnavailable: If the workspace refuses, or it takes too long.
        """
        self._ensure_endpoint()
        found = self._found()
        if found is not None and not _fits(found, source_table, dimension):
            self.delete()
            found = None
        if found is None:
            self._create(source_table, dimension)  # which syncs by itself
            self._wait_until_ready(n_rows)
            return
        self._wait_until_ready(None)
        with asking(f"sync {self.index}"):
            self.client.vector_search_indexes.sync_index(self.index)
        self._wait_until_ready(n_rows)

    def delete(self) -> None:
        """Delete the index, if it is there."""
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 - an extra

        with asking(f"delete {self.index}"):
            try:
                self.client.vector_search_indexes.delete_index(self.index)
            except NotFound:
                return

    def _ensure_endpoint(self) -> None:
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 - an extra
        from databricks.sdk.service.vectorsearch import EndpointType  # noqa: PLC0415

        endpoints = self.client.vector_search_endpoints
        with asking(f"make the endpoint {self.endpoint} ready"):
            try:
                endpoints.get_endpoint(self.endpoint)
            except NotFound:
                endpoints.create_endpoint(self.endpoint, EndpointType.STANDARD)
            wait = timedelta(minutes=self.wait_minutes)
            endpoints.wait_get_endpoint_vector_search_endpoint_online(self.endpoint, timeout=wait)

    def _found(self) -> "VectorIndex | None":
        from databricks.sdk.errors import NotFound  # noqa: PLC0415 - an extra

        with asking(f"describe {self.index}"):
            try:
                return self.client.vector_search_indexes.get_index(self.index)
            except NotFound:
                return None

    def _create(self, source_table: str, dimension: int) -> None:
        from databricks.sdk.service import vectorsearch as api  # noqa: PLC0415 - an extra

        with asking(f"create {self.index}"):
            self.client.vector_search_indexes.create_index(
                name=self.index,
                endpoint_name=self.endpoint,
                primary_key=KEY,
                index_type=api.VectorIndexType.DELTA_SYNC,
                delta_sync_index_spec=api.DeltaSyncVectorIndexSpecRequest(
                    source_table=source_table,
                    pipeline_type=api.PipelineType.TRIGGERED,
                    embedding_vector_columns=[
                        api.EmbeddingVectorColumn(embedding_dimension=dimension, name=VECTOR)
                    ],
                ),
            )

    def _wait_until_ready(self, n_rows: int | None) -> None:
        """Wait until the index answers and, if a number is given, has so many rows."""
        end = time.monotonic() + 60 * self.wait_minutes
        while True:
            found = self._found()
            status = found.status if found else None
            if status and status.ready and n_rows in (None, status.indexed_row_count):
                return
            if time.monotonic() >= end:
                has = f"it has {status.indexed_row_count} rows" if status else "it is not there"
                says = f", it says {status.message!r}" if status and status.message else ""
                wanted = "" if n_rows is None else f" of {n_rows}"
                raise BackendUnavailable(
                    f"index {self.index} is not ready after {self.wait_minutes:g} minutes: "
                    f"{has}{wanted}{says}; run the task again, or raise content.wait_minutes"
                )
            time.sleep(self.poll_seconds)


@dataclass(frozen=True)
class DatabricksIndex:
    """Searches an index in Vector Search; an `Index`.

    In hybrid mode Vector Search fuses both rankings itself and does not tell the places in them.
    """

    place: VectorSearch
    embedder: Embedder

    def search(
        self, text: str, *, k: int, filters: Filters | None = None, mode: Mode = "hybrid"
    ) -> list[Hit]:
        """The best hits, as every `Index` gives them."""
        refuse_useless_question(text, k)
        wanted = filters or Filters()
        asked = None if mode == "lexical" else embedded_question(self.embedder, text)
        if asked is None and mode == "vector":
            return []
        query_type = _QUERY_TYPE[mode if asked is not None else "lexical"]
        by_words = query_type != _QUERY_TYPE["vector"]
        with asking(f"search {self.place.index}"):
            reply = self.place.client.vector_search_indexes.query_index(
                self.place.index,
                [*CHUNK_COLUMNS, VECTOR],
                filters_json=json.dumps(filters_sent(wanted)),
                num_results=k,
                query_type=query_type,
                query_text=text if by_words else None,
                query_columns=_SEARCHED if by_words else None,
                query_vector=None if asked is None else [float(value) for value in asked],
            )
            rows = [(row, Chunk.of(row)) for row in _rows(reply)]
        # held against the filters again: what a list means for an array column is the server's
        kept = [(row, chunk) for row, chunk in rows if wanted.accepts(chunk)]
        kept.sort(key=lambda pair: (-float(pair[0]["score"]), pair[1].chunk_id))
        return [
            Hit(
                chunk=chunk,
                score=float(row["score"]),
                lexical_rank=rank if query_type == _QUERY_TYPE["lexical"] else None,
                vector_rank=rank if query_type == _QUERY_TYPE["vector"] else None,
                similarity=_similarity(asked, row.get(VECTOR)),
            )
            for rank, (row, chunk) in enumerate(kept, start=1)
        ]


def filters_sent(filters: Filters) -> dict[str, list[str]]:
    """Filters as Vector Search takes them: any of the values, by column."""
    pairs = ((each.name, getattr(filters, each.name)) for each in fields(filters))
    return {PROPERTY_OF_FILTER[name]: list(values) for name, values in pairs if values}


def _fits(index: "VectorIndex", source_table: str, dimension: int) -> bool:
    """Whether an index is over that table and has vectors of that length."""
    spec = index.delta_sync_index_spec
    vectors = (spec.embedding_vector_columns or []) if spec else []
    lengths = [each.embedding_dimension for each in vectors]
    return spec is not None and spec.source_table == source_table and lengths == [dimension]


def _rows(reply: "QueryVectorIndexResponse") -> list[dict[str, Any]]:
    """Rows of an answer by column."""
    columns = (reply.manifest.columns if reply.manifest else None) or []
    names = [str(column.name) for column in columns]
    data = (reply.result.data_array if reply.result else None) or []
    return [dict(zip(names, values, strict=True)) for values in data]


def _similarity(asked: Vectors | None, stored: object) -> float | None:
    """Cosine of the question's vector and a stored one, both of length 1."""
    if asked is None or stored is None:
        return None
    values = json.loads(stored) if isinstance(stored, str) else stored
    return float(np.asarray(values, dtype=np.float32) @ asked)
