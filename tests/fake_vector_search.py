"""Vector Search of the fake workspace: endpoints, delta-sync indexes over given tables, queries.

Filters mean what their documentation says: any of the values, all columns. Scores are a stand-in,
but order by closeness and by words in common, as the real ones do.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROOT = r"/api/2\.0/vector-search"
Respond = Callable[..., Any]


@dataclass
class FakeVectorSearch:
    """State; `tables` are rows by full name, which a test fills and changes.

    Attributes:
        slow_polls: How often an endpoint or index is asked for before it is ready.
        stuck: An index of which no sync ends.
    """

    answer: Respond
    refusal: Respond
    tables: dict[str, list[dict]] = field(default_factory=dict)
    endpoints: dict[str, dict] = field(default_factory=dict)
    indexes: dict[str, dict] = field(default_factory=dict)
    queries: list[dict] = field(default_factory=list)
    slow_polls: int = 1
    stuck: bool = False

    def routes(self) -> Iterator[tuple[str, str, Respond]]:
        yield rf"{ROOT}/endpoints", "POST", self._create_endpoint
        yield rf"{ROOT}/endpoints", "GET", self._list_endpoints
        yield rf"{ROOT}/endpoints/([^/]+)", "GET", self._get_endpoint
        yield rf"{ROOT}/indexes", "POST", self._create_index
        yield rf"{ROOT}/indexes/([^/]+)", "GET", self._get_index
        yield rf"{ROOT}/indexes/([^/]+)", "DELETE", self._delete_index
        yield rf"{ROOT}/indexes/([^/]+)/sync", "POST", self._sync_index
        yield rf"{ROOT}/indexes/([^/]+)/query", "POST", self._query_index

    def _create_endpoint(self, *, query: dict, body: bytes) -> Any:
        made = json.loads(body) | {"polls": 0}
        self.endpoints[made["name"]] = made
        return self.answer(made | {"endpoint_status": {"state": "PROVISIONING"}})

    def _list_endpoints(self, *, query: dict, body: bytes) -> Any:
        return self.answer({"endpoints": [{"name": name} for name in self.endpoints]})

    def _get_endpoint(self, name: str, *, query: dict, body: bytes) -> Any:
        found = self.endpoints.get(name)
        if found is None:
            return self.refusal(404, "NOT_FOUND", f"endpoint {name} does not exist")
        found["polls"] += 1
        state = "ONLINE" if found["polls"] > self.slow_polls else "PROVISIONING"
        return self.answer({"name": name, "endpoint_status": {"state": state}})

    def _create_index(self, *, query: dict, body: bytes) -> Any:
        made = json.loads(body)
        if made["endpoint_name"] not in self.endpoints:
            return self.refusal(404, "NOT_FOUND", f"no endpoint {made['endpoint_name']}")
        source = made["delta_sync_index_spec"]["source_table"]
        if source not in self.tables:
            return self.refusal(400, "INVALID_PARAMETER_VALUE", f"no table {source}")
        self.indexes[made["name"]] = made | {"rows": [], "polls": 0}
        self._sync(made["name"])
        return self.answer(made)

    def _get_index(self, name: str, *, query: dict, body: bytes) -> Any:
        found = self.indexes.get(name)
        if found is None:
            return self.refusal(404, "RESOURCE_DOES_NOT_EXIST", f"index {name} does not exist")
        found["polls"] += 1
        ready = found["polls"] > self.slow_polls
        if ready and "pending" in found and not self.stuck:
            found["rows"] = found.pop("pending")
        described = {k: v for k, v in found.items() if k not in {"rows", "polls", "pending"}}
        status = {"ready": ready, "indexed_row_count": len(found["rows"]), "message": "as asked"}
        return self.answer(described | {"status": status})

    def _delete_index(self, name: str, *, query: dict, body: bytes) -> Any:
        if self.indexes.pop(name, None) is None:
            return self.refusal(404, "RESOURCE_DOES_NOT_EXIST", f"index {name} does not exist")
        return self.answer({})

    def _sync_index(self, name: str, *, query: dict, body: bytes) -> Any:
        if self.indexes[name]["polls"] <= self.slow_polls:
            return self.refusal(400, "BAD_REQUEST", f"index {name} is not ready to be synced")
        self._sync(name)
        return self.answer({})

    def _sync(self, name: str) -> None:
        spec = self.indexes[name]["delta_sync_index_spec"]
        self.indexes[name]["pending"] = [dict(row) for row in self.tables[spec["source_table"]]]

    def _query_index(self, name: str, *, query: dict, body: bytes) -> Any:
        asked = json.loads(body)
        self.queries.append(asked)
        if name not in self.indexes:
            return self.refusal(404, "RESOURCE_DOES_NOT_EXIST", f"index {name} does not exist")
        if asked["query_type"] == "HYBRID" and not {"query_text", "query_vector"} <= asked.keys():
            return self.refusal(400, "INVALID_PARAMETER_VALUE", "needs query_text and query_vector")
        wanted = json.loads(asked.get("filters_json") or "{}")
        rows = [row for row in self.indexes[name]["rows"] if _meets(row, wanted)]
        scored = [(_score(row, asked), row) for row in rows]
        best = sorted((p for p in scored if p[0] > 0), key=lambda p: -p[0])[: asked["num_results"]]
        columns = [*asked["columns"], "score"]
        data = [[*(row[c] for c in asked["columns"]), score] for score, row in best]
        manifest = {"column_count": len(columns), "columns": [{"name": c} for c in columns]}
        return self.answer({"manifest": manifest, "result": {"data_array": data}})


def _meets(row: dict, wanted: dict[str, list[str]]) -> bool:
    values = {c: row[c] if isinstance(row[c], list) else [row[c]] for c in wanted}
    return all(set(values[c]) & set(listed) for c, listed in wanted.items())


def _score(row: dict, asked: dict) -> float:
    score = 0.0
    if "query_vector" in asked:
        score += float(np.dot(row["embedding"], asked["query_vector"]))
    if "query_text" in asked:
        words = set(re.findall(r"\w+", asked["query_text"].lower()))
        text = " ".join(row[c] for c in asked["query_columns"]).lower()
        score += len(words & set(re.findall(r"\w+", text))) / 10
    return score
