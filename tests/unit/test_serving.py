"""A served model answers as the model itself does, row by row."""

import socket

import numpy as np
import pandas as pd
import pytest
from mlflow.pyfunc.model import PythonModelContext

from deepkt_irt.errors import UsageError
from deepkt_irt.knowledge_tracing.histories import FIRST_ACTIONS, Histories
from deepkt_irt.knowledge_tracing.scoring import KnowledgeTracer
from deepkt_irt.serving import EXAMPLE, SaktService, answer_requests
from made_up_histories import ITEM_SKILLS, N_ITEMS, PUBLISHED, SMALL, made_up, untrained

NEEDED = ("item_indexes", "skill_indexes", "correct", "asked_item", "asked_skills")
OPTIONAL = ("latency_ms", "hint_counts", "attempt_counts", "first_actions")
ASKED = (3, 1, 8, 5)
HISTORIES = made_up((9, 0, 4, 17), seed=8)


@pytest.fixture(scope="module", params=[SMALL, PUBLISHED], ids=["default", "published"])
def folder(request, tmp_path_factory):
    made = tmp_path_factory.mktemp("model")
    untrained(request.param).save(made)
    return made


@pytest.fixture
def service(folder):
    made = SaktService()
    made.load_context(PythonModelContext({"model": str(folder)}, None))
    return made


def unknown(values):
    return [None if np.isnan(value) else float(value) for value in values]


def row_of(histories, at, asked):
    own = slice(*histories.offsets[[at, at + 1]])
    names = dict(enumerate(FIRST_ACTIONS, start=1))
    return {
        "item_indexes": histories.item[own].tolist(),
        "skill_indexes": [[s for s in step if s > 0] for step in histories.skills[own].tolist()],
        "correct": histories.correct[own].tolist(),
        "latency_ms": unknown(histories.latency_ms[own]),
        "hint_counts": unknown(histories.hint_count[own]),
        "attempt_counts": unknown(histories.attempt_count[own]),
        "first_actions": [names.get(code) for code in histories.first_action[own].tolist()],
        "asked_item": asked,
        "asked_skills": [skill for skill in ITEM_SKILLS[asked].tolist() if skill > 0],
    }


REQUESTS = pd.DataFrame([row_of(HISTORIES, at, asked) for at, asked in enumerate(ASKED)])


def by_the_model(folder, at, *, behaviour=True):
    """What the model says of a history with the item asked as its last response."""
    own = slice(*HISTORIES.offsets[[at, at + 1]])
    n = own.stop - own.start
    names = ("latency_ms", "hint_count", "attempt_count")
    columns = {name: np.append(getattr(HISTORIES, name)[own], np.nan) for name in names}
    columns["first_action"] = np.append(HISTORIES.first_action[own], 0)
    extended = Histories.of(
        offsets=np.array([0, n + 1]),
        item=np.append(HISTORIES.item[own], ASKED[at]),
        skills=np.vstack([HISTORIES.skills[own], ITEM_SKILLS[ASKED[at]]]),
        correct=np.append(HISTORIES.correct[own], 1),
        **(columns if behaviour else {}),
    )
    return KnowledgeTracer.load(folder).predict(extended, np.arange(n + 1) == n)[0]


def test_service_says_what_the_model_says_row_by_row(service, folder):
    found = service.predict(None, REQUESTS)

    assert found == pytest.approx([by_the_model(folder, at) for at in range(4)], abs=1e-6)
    assert all(type(p) is float for p in found)
    assert np.ptp(found) > 0.01


def test_service_a_row_does_not_depend_on_the_others(service):
    found = service.predict(None, REQUESTS)

    backwards = service.predict(None, REQUESTS.iloc[::-1])
    alone = [service.predict(None, REQUESTS.iloc[[at]])[0] for at in range(4)]
    assert backwards[::-1] == pytest.approx(found, abs=1e-6)
    assert alone == pytest.approx(found, abs=1e-6)


def test_service_rows_without_the_optional_columns_are_of_unknown_behaviour(service, folder):
    found = service.predict(None, REQUESTS[list(NEEDED)])

    expected = [by_the_model(folder, at, behaviour=False) for at in range(4)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("nothing", [None, float("nan")], ids=["None", "NaN"])
def test_service_some_rows_may_say_nothing_of_behaviour(service, folder, nothing):
    requests = REQUESTS.copy()
    for name in OPTIONAL:
        requests[name] = pd.Series([nothing, *requests[name][1:3], nothing], dtype=object)

    found = service.predict(None, requests)

    said = [False, True, True, False]
    expected = [by_the_model(folder, at, behaviour=each) for at, each in enumerate(said)]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("column", NEEDED)
def test_service_without_a_needed_column_is_refused_by_its_name(service, column):
    with pytest.raises(ValueError, match=f"lacks {column};"):
        service.predict(None, REQUESTS.drop(columns=column))


@pytest.mark.parametrize("item", [2, N_ITEMS + 5], ids=["known item", "item added later"])
@pytest.mark.parametrize("skills", [[1, 3], []], ids=["two skills", "no skill"])
def test_service_student_without_a_history_gets_a_prediction(service, item, skills):
    row = {"item_indexes": [], "skill_indexes": [], "correct": []}
    asked = {"asked_item": item, "asked_skills": skills}

    (found,) = service.predict(None, pd.DataFrame([row | asked]))

    assert 0 < found < 1


def test_service_takes_arrays_as_parquet_gives_them(service):
    requests = REQUESTS.copy()
    for name in ("item_indexes", "correct", "asked_skills"):
        requests[name] = [np.array(each, dtype=np.int32) for each in requests[name]]

    assert service.predict(None, requests) == service.predict(None, REQUESTS)


def test_service_answers_its_own_example(service):
    found = service.predict(None, EXAMPLE)

    assert len(found) == len(EXAMPLE)
    assert all(0 < p < 1 for p in found)


def test_answer_requests_on_a_port_that_is_taken_says_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{port}"):
            answer_requests(tmp_path, host="127.0.0.1", port=port, on_ready=print)
