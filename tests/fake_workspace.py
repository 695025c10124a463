"""A small Databricks workspace on 127.0.0.1: the REST calls this project makes, and faults.

Speaks to the real databricks-sdk. What a call creates the next one finds; everything else is 404,
as in a workspace.
"""

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fake_vector_search import FakeVectorSearch
from local_server import listening

CATALOG = "/api/2.1/unity-catalog"


@dataclass
class Fault:
    """What goes wrong with calls whose `METHOD path` matches, `times` times.

    Attributes:
        status: Answered instead of doing anything; None does it after all.
        delay: Seconds before the answer.
    """

    call: str
    status: int | None = None
    times: int = 1
    delay: float = 0.0


@dataclass
class Answer:
    """Status, and a body as JSON or bytes; headers beside."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, message: str) -> Answer:
    return Answer({"error_code": code, "message": message}, status)


@dataclass
class FakeWorkspace:
    """State of the workspace; `calls` lists every request as `METHOD path`."""

    user: str = "jo.smith@example.org"
    calls: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    jobs: dict[int, dict] = field(default_factory=dict)
    runs: dict[int, dict] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    objects: dict[str, dict[str, dict]] = field(default_factory=dict)
    scopes: dict[str, dict[str, str]] = field(default_factory=dict)
    warehouses: list[str] = field(default_factory=list)
    shown: dict[str, list[str]] = field(default_factory=lambda: {"dashboards": [], "alerts": []})
    experiments: dict[str, str] = field(default_factory=dict)
    # runs under way, beside those started here: name and parameters
    active: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    failing_tasks: set[str] = field(default_factory=set)
    pending_polls: int = 1  # how often a run is asked for before it has ended
    # what a run does: job and parameters to whether each task succeeded; else only failing_tasks
    work: Callable[[dict, dict[str, str]], dict[str, bool]] | None = None
    # vectors that a serving endpoint gives for texts; None: there is no such endpoint
    embed: Callable[[list[str]], list[list[float]]] | None = None
    search: FakeVectorSearch = field(default_factory=lambda: FakeVectorSearch(Answer, refusal))
    url: str = ""

    _worker: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    def answer(self, method: str, path: str, query: dict, body: bytes) -> Answer:
        """Do what a call asks."""
        self.calls.append(f"{method} {path}")
        for fault in self.faults:
            if fault.times and re.search(fault.call, f"{method} {path}"):
                fault.times -= 1
                time.sleep(fault.delay)
                if fault.status:
                    return _fault(fault.status)
        for pattern, verb, act in self._routes():
            found = re.fullmatch(pattern, path)
            if found and verb == method:
                return act(*found.groups(), query=query, body=body)
        return refusal(404, "ENDPOINT_NOT_FOUND", f"no API for {method} {path}")

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Answer]]]:
        yield r"/api/2\.0/preview/scim/v2/Me", "GET", self._me
        yield r"/api/2\.2/jobs/create", "POST", self._create_job
        yield r"/api/2\.2/jobs/list", "GET", self._list_jobs
        yield r"/api/2\.2/jobs/get", "GET", self._get_job
        yield r"/api/2\.2/jobs/run-now", "POST", self._run_now
        yield r"/api/2\.2/jobs/runs/get", "GET", self._get_run
        yield r"/api/2\.2/jobs/runs/list", "GET", self._list_runs
        yield rf"{CATALOG}/(schemas|volumes|models)", "POST", self._create_object
        yield rf"{CATALOG}/(schemas|volumes|models)/(.+)", "GET", self._get_object
        yield r"/api/2\.0/secrets/scopes/create", "POST", self._create_scope
        yield r"/api/2\.0/secrets/scopes/list", "GET", self._list_scopes
        yield r"/api/2\.0/secrets/get", "GET", self._get_secret
        yield r"/api/2\.0/mlflow/experiments/create", "POST", self._create_experiment
        yield r"/api/2\.0/mlflow/experiments/get-by-name", "GET", self._get_experiment
        yield r"/api/2\.0/sql/warehouses", "POST", self._create_warehouse
        yield r"/api/2\.0/sql/warehouses", "GET", self._list_warehouses
        for kind, path in (("dashboards", "lakeview/dashboards"), ("alerts", "alerts")):
            yield rf"/api/2\.0/{path}", "POST", partial(self._show, kind)
            yield rf"/api/2\.0/{path}", "GET", partial(self._list_shown, kind)
        yield r"/serving-endpoints/([^/]+)/invocations", "POST", self._invoke
        yield from self.search.routes()
        # without a URL in the answer the SDK fetches the file itself
        yield r"/api/2\.0/fs/create-download-url", "POST", lambda **_: Answer()
        yield r"/api/2\.0/fs/files(/Volumes/.+)", "PUT", self._put_file
        yield r"/api/2\.0/fs/files(/Volumes/.+)", "GET", self._get_file
        yield r"/api/2\.0/fs/directories/Volumes/.+", "PUT", lambda **_: Answer()

    def _me(self, *, query: dict, body: bytes) -> Answer:
        return Answer({"userName": self.user, "id": "1"})

    def _create_job(self, *, query: dict, body: bytes) -> Answer:
        number = 100 + len(self.jobs)
        self.jobs[number] = json.loads(body)
        return Answer({"job_id": number})

    def _list_jobs(self, *, query: dict, body: bytes) -> Answer:
        names = query.get("name", [None])
        found = [
            {"job_id": number, "settings": {"name": job["name"]}}
            for number, job in self.jobs.items()
            if names[0] in (None, job["name"])
        ]
        return Answer({"jobs": found, "has_more": False})

    def _get_job(self, *, query: dict, body: bytes) -> Answer:
        number = int(query["job_id"][0])
        if number not in self.jobs:
            return refusal(400, "INVALID_PARAMETER_VALUE", f"Job {number} does not exist.")
        return Answer({"job_id": number, "settings": self.jobs[number]})

    def _run_now(self, *, query: dict, body: bytes) -> Answer:
        asked = json.loads(body)
        if asked["job_id"] not in self.jobs:
            return refusal(400, "INVALID_PARAMETER_VALUE", "job does not exist")
        declared = {each["name"] for each in self.jobs[asked["job_id"]].get("parameters", [])}
        unknown = asked.get("job_parameters", {}).keys() - declared
        if unknown:
            return refusal(400, "INVALID_PARAMETER_VALUE", f"unknown parameters {unknown}")
        number = 5000 + len(self.runs)
        self.runs[number] = {**asked, "polls": 0}
        if self.work:
            job, given = self.jobs[asked["job_id"]], asked.get("job_parameters", {})
            self.runs[number]["work"] = self._worker.submit(self.work, job, given)
        return Answer({"run_id": number})

    def _get_run(self, *, query: dict, body: bytes) -> Answer:
        """Pending at first, then ended: as Workflows says it when a task failed."""
        number = int(query["run_id"][0])
        run = self.runs[number]
        run["polls"] += 1
        working = "work" in run and not run["work"].done()
        page = f"{self.url}/jobs/{run['job_id']}/runs/{number}"
        if run["polls"] <= self.pending_polls or working:
            state = {"life_cycle_state": "PENDING"}
            return Answer({"run_id": number, "run_page_url": page, "state": state})
        tasks = self.jobs[run["job_id"]].get("tasks", [])
        done = run["work"].result() if "work" in run else {}
        keys = list(done) or run.get("only") or [each["task_key"] for each in tasks]
        bad = [key for key in keys if key in self.failing_tasks or not done.get(key, True)]
        tasks = [{"task_key": key, "state": _ended(key not in bad)} for key in keys]
        state = _ended(not bad) | ({"state_message": f"Task {bad[0]} failed"} if bad else {})
        return Answer({"run_id": number, "run_page_url": page, "state": state, "tasks": tasks})

    def _list_runs(self, *, query: dict, body: bytes) -> Answer:
        """Runs that were set to be active, by the name of each with its parameters."""
        assert query["active_only"] == ["true"]
        listed = [
            {
                "run_id": 5000 + number,
                "run_name": name,
                "job_parameters": [
                    {"name": key, "default": value} for key, value in parameters.items()
                ],
            }
            for number, (name, parameters) in enumerate(self.active)
        ]
        return Answer({"runs": listed, "has_more": False})

    def _create_object(self, kind: str, *, query: dict, body: bytes) -> Answer:
        made = json.loads(body)
        parts = (made.get(each) for each in ("catalog_name", "schema_name", "name"))
        made["full_name"] = ".".join(part for part in parts if part)
        self.objects.setdefault(kind, {})[made["full_name"]] = made
        return Answer(made)

    def _get_object(self, kind: str, name: str, *, query: dict, body: bytes) -> Answer:
        found = self.objects.get(kind, {}).get(name)
        if found is None:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"{kind} {name} does not exist")
        return Answer(found)

    def _create_scope(self, *, query: dict, body: bytes) -> Answer:
        self.scopes[json.loads(body)["scope"]] = {}
        return Answer()

    def _list_scopes(self, *, query: dict, body: bytes) -> Answer:
        return Answer({"scopes": [{"name": each} for each in self.scopes]})

    def _get_secret(self, *, query: dict, body: bytes) -> Answer:
        scope, key = query["scope"][0], query["key"][0]
        value = self.scopes.get(scope, {}).get(key)
        if value is None:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"no secret {key} in scope {scope}")
        return Answer({"key": key, "value": base64.b64encode(value.encode()).decode()})

    def _create_experiment(self, *, query: dict, body: bytes) -> Answer:
        name = json.loads(body)["name"]
        self.experiments[name] = str(len(self.experiments))
        return Answer({"experiment_id": self.experiments[name]})

    def _get_experiment(self, *, query: dict, body: bytes) -> Answer:
        name = query["experiment_name"][0]
        if name not in self.experiments:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"experiment {name} does not exist")
        return Answer({"experiment": {"experiment_id": self.experiments[name], "name": name}})

    def _put_file(self, path: str, *, query: dict, body: bytes) -> Answer:
        if path in self.files and query.get("overwrite") != ["true"]:
            return refusal(409, "ALREADY_EXISTS", f"{path} exists")
        self.files[path] = body
        return Answer(b"", 204)

    def _show(self, kind: str, *, query: dict, body: bytes) -> Answer:
        self.shown[kind].append(json.loads(body)["display_name"])
        return Answer({})

    def _list_shown(self, kind: str, *, query: dict, body: bytes) -> Answer:
        return Answer({kind: [{"display_name": each} for each in self.shown[kind]]})

    def _create_warehouse(self, *, query: dict, body: bytes) -> Answer:
        self.warehouses.append(json.loads(body)["name"])
        return Answer({"id": str(len(self.warehouses))})

    def _list_warehouses(self, *, query: dict, body: bytes) -> Answer:
        return Answer({"warehouses": [{"name": each} for each in self.warehouses]})

    def _invoke(self, name: str, *, query: dict, body: bytes) -> Answer:
        if self.embed is None:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", f"endpoint {name} does not exist")
        vectors = self.embed(json.loads(body)["input"])
        data = [{"embedding": vector, "index": n} for n, vector in enumerate(vectors)]
        return Answer({"object": "list", "data": data[::-1]})

    def _get_file(self, path: str, *, query: dict, body: bytes) -> Answer:
        if path not in self.files:
            return refusal(404, "NOT_FOUND", f"{path} does not exist")
        return Answer(self.files[path])


def _ended(well: bool) -> dict:
    if well:
        return {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
    return {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"}


def _fault(status: int) -> Answer:
    codes = {429: "REQUEST_LIMIT_EXCEEDED", 403: "PERMISSION_DENIED", 500: "INTERNAL_ERROR"}
    answer = refusal(status, codes.get(status, "ERROR"), f"planted fault {status}")
    if status == 429:
        answer.headers["Retry-After"] = "0"
    return answer


class _Handler(BaseHTTPRequestHandler):
    workspace: FakeWorkspace

    def _serve(self) -> None:
        split = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = parse_qs(split.query, keep_blank_values=True)
        answer = self.workspace.answer(self.command, unquote(split.path), query, body)
        content = (
            answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        )
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        self.send_response(answer.status)
        for name, value in (headers | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the calls are kept in the workspace."""


@contextmanager
def serving(workspace: FakeWorkspace) -> Iterator[FakeWorkspace]:
    """The workspace behind its `url`, for as long as the block lasts."""
    handler = type("Handler", (_Handler,), {"workspace": workspace})
    with listening(handler) as workspace.url:
        yield workspace
