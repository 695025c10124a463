"""The champion answers over HTTP as it does in a batch, through MLflow's own scoring server."""

import importlib.util
import json
import selectors
import signal
import subprocess
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from deepkt_irt.jobs.models import open_models
from deepkt_irt.jobs.opening import Target
from deepkt_irt.knowledge_tracing.histories import Histories, Split
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.serving import EXAMPLE, SaktService
from deepkt_irt.settings import SaktSettings
from deepkt_irt.tracking import ModelStore, Training, signature_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn")),
        reason="the scoring server's packages are not installed",
    ),
]

N_ITEMS, N_SKILLS, N_STUDENTS, LENGTH = 8, 3, 30, 12
SERVE = """
import sys
from pathlib import Path
from deepkt_irt.jobs.models import open_models, serve_champion
from deepkt_irt.jobs.opening import Target

def say(line):
    print(line, flush=True)

models = open_models(Target(lake=Path(sys.argv[1])))
serve_champion(models, "sakt", host="127.0.0.1", port=0, on_ready=say)
"""
START_SECONDS = 180


def trained(seed):
    """A model after a few steps; other seeds give other answers."""
    rng = np.random.default_rng(seed)
    n = N_STUDENTS * LENGTH
    histories = Histories.of(
        offsets=np.arange(N_STUDENTS + 1) * LENGTH,
        item=rng.integers(1, N_ITEMS + 1, n),
        skills=rng.integers(1, N_SKILLS + 1, (n, 1)),
        correct=rng.integers(0, 2, n),
        latency_ms=rng.lognormal(9, 1, n),
    )
    student = histories.student_of_response
    settings = SaktSettings(width=16, heads=2, max_epochs=1, min_steps=20, seed=seed)
    model = KnowledgeTracer(settings)
    model.fit(histories, Split(train=student < 20, validation=student >= 20))
    return model


@pytest.fixture(scope="module")
def champion():
    return trained(2)


@pytest.fixture(scope="module")
def asked():
    """One row per student: a history, and the item asked next."""
    rng = np.random.default_rng(1)
    rows = [
        {
            "item_indexes": rng.integers(1, N_ITEMS + 1, length).tolist(),
            "skill_indexes": [[int(skill)] for skill in rng.integers(1, N_SKILLS + 1, length)],
            "correct": rng.integers(0, 2, length).tolist(),
            "latency_ms": rng.lognormal(9, 1, length).tolist(),
            "asked_item": int(rng.integers(1, N_ITEMS + 1)),
            "asked_skills": [1, 3],
        }
        for length in (2, 9, 5, 12)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def lake(tmp_path_factory, champion):
    """A lake whose champion is version 2; version 1 gives other answers."""
    folder = tmp_path_factory.mktemp("served")
    models = ModelStore(f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlartifacts").as_uri())
    for key, model in {"other": trained(1), "champion": champion}.items():
        version = models.register(
            "sakt",
            Training(key, {}, {}, [], ["numpy"]),
            save=model.save,
            service=SaktService(),
            signature=signature_of(EXAMPLE, np.zeros(len(EXAMPLE))),
            input_example=EXAMPLE,
        )
        models.set_champion(version)
    return folder


@pytest.fixture(scope="module")
def address(lake):
    """Where the champion answers."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SERVE, str(lake)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        lines = selectors.DefaultSelector()
        lines.register(process.stdout, selectors.EVENT_READ)
        assert lines.select(timeout=START_SECONDS), "the server did not start"
        line = process.stdout.readline()
        assert line.startswith("sakt version 2 answers at http://127.0.0.1:"), line
        yield line.split()[-1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        process.stdout.close()


def call(address, body=None):
    """Status and answer of a request; with a body it is a POST."""
    place = urlsplit(address)
    connection = HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        method = "GET" if body is None else "POST"
        content = None if body is None else json.dumps(body)
        connection.request(method, place.path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def predictions(address, body):
    status, answer = call(address, body)
    assert status == 200, answer
    return json.loads(answer)["predictions"]


def in_a_batch(model, rows):
    """What a model says of each asked item, all at once: it stands last in its history."""
    lengths = rows["item_indexes"].map(len).to_numpy() + 1
    steps = [
        [*each, own] for each, own in zip(rows["skill_indexes"], rows["asked_skills"], strict=True)
    ]
    skills = [np.pad(step, (0, 2 - len(step))) for each in steps for step in each]
    histories = Histories.of(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        item=_ended(rows["item_indexes"], rows["asked_item"]).astype(np.int64),
        skills=np.array(skills, dtype=np.int64),
        correct=_ended(rows["correct"], [0] * len(rows)).astype(np.int64),
        latency_ms=_ended(rows["latency_ms"], [np.nan] * len(rows)),
    )
    chosen = np.zeros(len(histories), dtype=bool)
    chosen[histories.offsets[1:] - 1] = True
    return model.predict(histories, chosen)


def _ended(arrays, last):
    return np.array([x for each, end in zip(arrays, last, strict=True) for x in (*each, end)])


@pytest.fixture(scope="module")
def expected(champion, asked):
    found = in_a_batch(champion, asked)
    assert np.ptp(found) > 1e-3
    return found


@pytest.mark.parametrize(
    ("form", "orient"), [("dataframe_split", "split"), ("dataframe_records", "records")]
)
def test_server_answers_as_the_batch_does(address, asked, expected, form, orient):
    found = predictions(address, {form: json.loads(asked.to_json(orient=orient))})

    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_server_answers_for_a_first_question_without_history(address, asked, champion):
    empty = {key: [] for key in ("item_indexes", "skill_indexes", "correct", "latency_ms")}
    first = {**json.loads(asked.to_json(orient="records"))[0], **empty}

    (found,) = predictions(address, {"dataframe_records": [first]})

    assert found == pytest.approx(in_a_batch(champion, pd.DataFrame([first]))[0], rel=1e-5)


def test_server_refuses_a_row_that_lacks_a_column_and_goes_on(address, asked, expected):
    row = json.loads(asked.to_json(orient="records"))[0]
    lacking = {name: value for name, value in row.items() if name != "correct"}

    status, answer = call(address, {"dataframe_records": [lacking]})

    assert status == 400
    assert "correct" in answer
    found = predictions(address, {"dataframe_records": [row]})
    np.testing.assert_allclose(found, expected[:1], rtol=1e-5)


def test_server_says_that_it_is_well(address):
    assert call(address.replace("invocations", "ping"))[0] == 200


def test_server_refuses_text_where_a_number_belongs(address, asked):
    row = json.loads(asked.to_json(orient="records"))[0] | {"asked_item": "third"}

    assert call(address, {"dataframe_records": [row]})[0] == 400


def test_example_kept_with_the_model_is_a_request_the_server_takes(address, lake, tmp_path):
    models = open_models(Target(lake=lake))
    files = models.files(models.champion("sakt"), tmp_path)
    example = json.loads((files.parents[1] / "serving_input_example.json").read_text())

    assert all(0 < found < 1 for found in predictions(address, example))
