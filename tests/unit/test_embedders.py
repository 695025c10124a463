"""Embedders behind one protocol; an embedding that is worth nothing is refused."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pytest
from azure.core.credentials import AccessToken

from deepkt_irt.errors import BackendUnavailable, QualityViolation, UsageError
from deepkt_irt.rag.azure_openai import KEY_VARIABLE
from deepkt_irt.rag.embedders import embedded, embedded_question, remote_embedder
from deepkt_irt.settings import ContentSettings


class Given:
    """Embeds with the vectors it was made with."""

    name, version, dimension = "given", "1", 2

    def __init__(self, *vectors):
        self.vectors = vectors

    def embed(self, texts):
        return np.array(self.vectors, dtype=float)


def test_vectors_get_length_one():
    np.testing.assert_allclose(embedded(Given([3, 4], [0, -2]), ["a", "b"]), [[0.6, 0.8], [0, -1]])


@pytest.mark.parametrize(
    ("vectors", "problem"),
    [
        ([[1, 0], [0, 0]], "1 of 2 embeddings are zero, the first that of 'second'"),
        ([[1, 0], [np.nan, 0]], "1 of 2 embeddings are not finite"),
        ([[1, 0], [np.inf, 0]], "1 of 2 embeddings are not finite"),
        ([[1, 0]], r"embeddings are \(1, 2\), expected \(2, 2\)"),
        ([[1, 0, 0], [0, 1, 0]], r"embeddings are \(2, 3\), expected \(2, 2\); see content.dim"),
    ],
)
def test_embeddings_worth_nothing_stop_the_work(vectors, problem):
    with pytest.raises(QualityViolation, match=problem):
        embedded(Given(*vectors), ["first", "second"])


def test_a_question_the_embedder_knows_nothing_of_has_no_vector():
    assert embedded_question(Given([0, 0]), "?") is None
    np.testing.assert_allclose(embedded_question(Given([0, 5]), "a"), [0, 1])
    with pytest.raises(QualityViolation, match="not finite"):
        embedded_question(Given([np.nan, 1]), "a")


class Service:
    """Speaks the embeddings call of Azure OpenAI; `faults` are statuses answered first."""

    def __init__(self):
        self.requests, self.faults = [], []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.requests.append((self.path, self.headers["Authorization"], body))
                if service.faults:
                    self._send(service.faults.pop(0), {"error": {"message": "planted"}})
                    return
                data = [
                    {"object": "embedding", "index": n, "embedding": [float(len(text)), 1.0]}
                    for n, text in enumerate(body["input"])
                ]
                usage = {"prompt_tokens": 1, "total_tokens": 1}
                self._send(200, {"data": data[::-1], "usage": usage, "model": body["model"]})

            def _send(self, status, body):
                content = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": len(content), "Retry-After": 0}.items():
                    self.send_header(name, str(value))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args):
                """Nothing: requests are kept."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/openai/v1/"


@pytest.fixture
def service():
    made = Service()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def azure(service, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "made-up")
    settings = ContentSettings(embedder="azure_openai", model="small", dimension=8)
    return remote_embedder(settings.model_copy(update={"base_url": service.url, "dimension": 2}))


def test_azure_openai_embeds_in_batches_and_in_order(azure, service):
    vectors = azure.embed(["a" * n for n in range(1, 101)])

    assert vectors[:, 0].tolist() == list(range(1, 101))
    assert [len(body["input"]) for _, _, body in service.requests] == [64, 36]
    path, key, body = service.requests[0]
    assert (path, key) == ("/openai/v1/embeddings", "Bearer made-up")
    assert (body["model"], body["dimensions"]) == ("small", 2)
    assert (azure.name, azure.version) == ("azure_openai", "small-2")


def test_azure_openai_asks_again_when_it_is_told_to_wait(azure, service):
    service.faults = [429, 500]

    assert azure.embed(["ab"]).tolist() == [[2, 1]]
    assert len(service.requests) == 3


def test_azure_openai_that_refuses_stops_the_work(azure, service):
    service.faults = [401]

    with pytest.raises(BackendUnavailable, match=r"deployment small did not embed: .*planted"):
        embedded(azure, ["a"])


def test_azure_openai_needs_a_key_or_an_identity(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    settings = ContentSettings(embedder="azure_openai", model="small", base_url="http://127.0.0.1/")

    with pytest.raises(BackendUnavailable, match=f"no key in {KEY_VARIABLE}, and azure-identity"):
        remote_embedder(settings)


def test_a_task_of_databricks_signs_in_by_a_service_credential(service, monkeypatch):
    class Credential:
        def __init__(self, name):
            self.name = name

        def get_token(self, *scopes, **_):
            return AccessToken(f"{self.name} for {scopes}", int(time.time()) + 3600)

    credentials = SimpleNamespace(getServiceCredentialsProvider=Credential)
    runtime = SimpleNamespace(dbutils=SimpleNamespace(credentials=credentials))
    monkeypatch.setitem(sys.modules, "databricks.sdk.runtime", runtime)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    given = {"embedder": "azure_openai", "model": "small", "base_url": service.url}
    named = ContentSettings(**given, service_credential="models", dimension=8)
    remote_embedder(named).embed(["ab"])

    ((_, key, _),) = service.requests
    assert key == "Bearer models for ('https://ai.azure.com/.default',)"


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"embedder": "databricks"}, UsageError, "content.model: say which"),
        ({"embedder": "azure_openai", "model": "m"}, UsageError, "content.base_url: say where"),
        ({"embedder": "sentence_transformers", "model": "nowhere"}, UsageError, "no such folder"),
        ({"embedder": "lsa", "model": "m"}, UsageError, "is fitted on the library, not opened"),
    ],
)
def test_settings_that_lack_something_are_refused(changed, error, message):
    with pytest.raises(error, match=message):
        remote_embedder(ContentSettings(**changed))


def test_sentence_transformers_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    settings = ContentSettings(embedder="sentence_transformers", model=str(tmp_path))

    with pytest.raises(BackendUnavailable, match="pip install sentence-transformers"):
        remote_embedder(settings)
