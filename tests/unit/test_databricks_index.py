"""The Vector Search client, through the real databricks-sdk, against the fake workspace."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from databricks.sdk import WorkspaceClient

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.rag.databricks_index import DatabricksIndex, VectorSearch, filters_sent
from deepkt_irt.rag.embedders import DatabricksEndpoint, embedded
from deepkt_irt.rag.index import Filters
from deepkt_irt.rag.local_index import LocalIndex
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.settings import ContentSettings
from fake_workspace import FakeWorkspace, Fault, serving
from made_up_content import chunk

TABLE, INDEX, DIMENSION = "lake.gold.content_embeddings", "lake.gold.content_index", 16
CHUNKS = [
    chunk("union", "A union holds what is in either set.", skills=("sets",)),
    chunk("join", "A join pairs the rows of two tables.", skills=("joins", "tables")),
    chunk("key", "A key names each row of a table.", kind="hint", skills=("tables",), grade="9"),
]
TEXTS = [f"{each.title}\n{each.text}" for each in CHUNKS]


@pytest.fixture(scope="module")
def embedder():
    return Lsa.fitted(TEXTS, dimension=DIMENSION)


def rows(embedder, chunks=CHUNKS):
    vectors = embedded(embedder, [f"{each.title}\n{each.text}" for each in chunks])
    return [
        {**asdict(each), "skill_ids": list(each.skill_ids), "embedding": vector.tolist()}
        for each, vector in zip(chunks, vectors, strict=True)
    ]


@pytest.fixture
def workspace(embedder):
    with serving(FakeWorkspace()) as fake:
        fake.search.tables[TABLE] = rows(embedder)
        yield fake


@pytest.fixture
def place(workspace):
    client = WorkspaceClient(host=workspace.url, token="made-up", auth_type="pat")  # noqa: S106
    return VectorSearch(client, "content", INDEX, wait_minutes=0.05, poll_seconds=0.01)


def made(place):
    place.bring_up_to_date(TABLE, dimension=DIMENSION, n_rows=3)
    return place


def test_makes_endpoint_and_a_delta_sync_index_over_our_vectors_and_waits(place, workspace):
    made(place)

    assert workspace.search.endpoints["content"]["endpoint_type"] == "STANDARD"
    index = workspace.search.indexes[INDEX]
    assert (index["index_type"], index["primary_key"]) == ("DELTA_SYNC", "chunk_id")
    assert index["delta_sync_index_spec"] == {
        "source_table": TABLE,
        "pipeline_type": "TRIGGERED",
        "embedding_vector_columns": [{"embedding_dimension": DIMENSION, "name": "embedding"}],
    }
    assert len(index["rows"]) == 3


def test_syncs_an_index_that_is_there_and_takes_what_was_added_and_what_went(
    place, workspace, embedder
):
    made(place)
    more = [*CHUNKS[1:], chunk("set", "A set is a collection."), chunk("view", "A stored query.")]
    workspace.search.tables[TABLE] = rows(embedder, more)

    place.bring_up_to_date(TABLE, dimension=DIMENSION, n_rows=4)

    assert {row["title"] for row in workspace.search.indexes[INDEX]["rows"]} == {
        *("join", "key", "set", "view")
    }
    assert sum(call.endswith("/sync") for call in workspace.calls) == 1
    assert workspace.calls.count("POST /api/2.0/vector-search/indexes") == 1


def test_makes_the_index_anew_for_vectors_of_another_length(place, workspace, embedder):
    made(place)

    place.bring_up_to_date(TABLE, dimension=DIMENSION * 2, n_rows=3)

    assert sum(call.startswith("DELETE") for call in workspace.calls) == 1
    spec = workspace.search.indexes[INDEX]["delta_sync_index_spec"]
    assert spec["embedding_vector_columns"][0]["embedding_dimension"] == DIMENSION * 2


def test_deletes_and_does_not_mind_that_it_is_gone(place, workspace):
    made(place)

    place.delete()
    place.delete()

    assert workspace.search.indexes == {}


def test_says_what_it_waited_for_in_vain(place, workspace):
    made(place)
    workspace.search.stuck = True
    workspace.search.tables[TABLE] = workspace.search.tables[TABLE][:2]

    with pytest.raises(BackendUnavailable, match=r"has 3 rows of 2, it says 'as asked'; run the"):
        place.bring_up_to_date(TABLE, dimension=DIMENSION, n_rows=2)


def test_says_what_the_workspace_refused(place, workspace):
    del workspace.search.tables[TABLE]

    with pytest.raises(BackendUnavailable, match=rf"create {INDEX}: no table {TABLE}"):
        made(place)


@pytest.mark.parametrize("mode", ["lexical", "vector", "hybrid"])
def test_finds_what_the_local_index_finds_first_in_the_same_shape(place, embedder, mode):
    made(place)
    local = LocalIndex(
        CHUNKS, embedded(embedder, TEXTS), embedder, ContentSettings(dimension=DIMENSION)
    )

    here = local.search("which row of a table does a key name", k=2, mode=mode)
    there = DatabricksIndex(place, embedder).search(
        "which row of a table does a key name", k=2, mode=mode
    )

    assert there[0].chunk == here[0].chunk == CHUNKS[2]
    if mode == "lexical":
        assert (there[0].similarity, there[0].lexical_rank) == (None, 1)
    else:
        assert there[0].similarity == pytest.approx(here[0].similarity, abs=1e-5)
        assert there[0].vector_rank == (1 if mode == "vector" else None)


def test_sends_text_and_vector_for_hybrid_and_filters_as_json(place, workspace, embedder):
    made(place)
    wanted = Filters(kinds=("hint",), skill_ids=("tables", "sets"), grades=("9",))

    hits = DatabricksIndex(place, embedder).search("table of rows", k=5, filters=wanted)

    assert [hit.chunk for hit in hits] == [CHUNKS[2]]
    sent = workspace.search.queries[-1]
    assert (sent["query_type"], sent["query_text"]) == ("HYBRID", "table of rows")
    assert sent["query_columns"] == ["title", "text"]
    assert np.linalg.norm(sent["query_vector"]) == pytest.approx(1, abs=1e-6)
    assert sent["filters_json"] == (
        '{"kind": ["hint"], "skill_ids": ["tables", "sets"], "grade": ["9"]}'
    )
    assert filters_sent(Filters()) == {}


def test_a_hit_that_does_not_meet_the_filters_is_left_out(place, workspace, embedder, monkeypatch):
    made(place)
    monkeypatch.setattr("fake_vector_search._meets", lambda row, wanted: True)

    hits = DatabricksIndex(place, embedder).search(
        "row", k=5, filters=Filters(skill_ids=("joins",))
    )

    assert [hit.chunk.title for hit in hits] == ["join"]


def test_arrays_that_come_as_json_are_read(place, workspace, embedder):
    for row in workspace.search.tables[TABLE]:
        row["skill_ids"] = json.dumps(row["skill_ids"])
    made(place)

    hits = DatabricksIndex(place, embedder).search("join pairs rows of two", k=1, mode="lexical")

    assert hits[0].chunk == CHUNKS[1]


def test_a_workspace_that_fails_is_an_error_and_never_no_hits(place, workspace, embedder):
    made(place)
    workspace.faults.append(Fault("query", status=500))

    with pytest.raises(BackendUnavailable, match=rf"could not search {INDEX}: planted fault"):
        DatabricksIndex(place, embedder).search("row", k=1)


def test_refuses_an_empty_question(place, embedder):
    with pytest.raises(UsageError, match="the question is empty"):
        DatabricksIndex(place, embedder).search(" ", k=1)


def test_a_serving_endpoint_embeds_in_the_order_of_the_texts(place, workspace):
    workspace.embed = lambda texts: [[float(len(text)), 1.0, 0.0] for text in texts]
    endpoint = DatabricksEndpoint(place.client, "gte", 3)

    vectors = endpoint.embed([f"{'a' * n}" for n in range(1, 151)])

    assert vectors[:, 0].tolist() == list(range(1, 151))
    assert sum("invocations" in call for call in workspace.calls) == 3


def test_a_serving_endpoint_that_fails_stops_the_work(place, workspace):
    with pytest.raises(BackendUnavailable, match="embed at serving endpoint gte: endpoint gte"):
        embedded(DatabricksEndpoint(place.client, "gte", 3), ["a"])
