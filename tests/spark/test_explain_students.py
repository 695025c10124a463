"""From gold tables to explanations, offline and through a service on this machine."""

import json
import logging
import shutil
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from conftest import AS_OF, rows
from deepkt_irt.errors import NoData, UsageError
from deepkt_irt.explanation_traces import TraceStore
from deepkt_irt.jobs.build_vector_index import build_vector_index
from deepkt_irt.jobs.context import JobContext, Place
from deepkt_irt.jobs.evidence_input import observed_rows
from deepkt_irt.jobs.explain import read_explanations
from deepkt_irt.jobs.explain_students import explain_students
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.mlflow_errors import quietly
from deepkt_irt.rag import prompts
from deepkt_irt.reporting.explanation import as_json, render_text
from deepkt_irt.settings import ChatSettings, ContentSettings, ExplanationSettings, Settings
from deepkt_irt.tables.gold import BANDIT_RECOMMENDATIONS, SAKT_ATTENTION, STUDENT_MASTERY
from deepkt_irt.tables.gold_content import CONTENT_EMBEDDINGS
from deepkt_irt.tables.gold_explanations import RAG_EXPLANATIONS
from deepkt_irt.tables.ops import LLM_CALLS
from deepkt_irt.tables.silver import CANONICAL_LEARNING_EVENTS, ITEMS, SKILLS, STUDENT_KEYS
from deepkt_irt.tables.store import TableStore
from fake_azure_openai import Served, failed, obedient, response, serving, token_of

pytestmark = pytest.mark.spark

NEXT_DAY = AS_OF.replace(day=2)
CONTENT = ContentSettings(dimension=16)
EXPLANATION = ExplanationSettings(min_similarity=-1.0, min_wrong_answers=5)
OFFLINE = Settings(content=CONTENT, explanation=EXPLANATION)
NAMES = {"k1": "Ann Miller", "k2": "pupil-4711", "k3": "Jonathan"}


def online(base_url: str, **changes) -> Settings:
    chat = ChatSettings(
        provider="azure_openai",
        base_url=base_url,
        max_retries=0,
        tokens_per_minute=10**9,
        **changes,
    )
    return OFFLINE.model_copy(update={"chat": chat})


def event(key, number, correct, *, item="course:7", answer=None, skill="course:2"):
    return {
        "event_id": f"{key}-{number}",
        "source": "course",
        "student_key": key,
        "item_id": item,
        "skill_ids": [skill],
        "sequence_number": number,
        "correct": correct,
        "answer": answer,
        "event_kind": "practice",
        "batch_id": 0,
    }


def recommendation(key, rank=1, *, p_correct=0.7, item="course:8"):
    return {
        "student_key": key,
        "rank": rank,
        "item_id": item,
        "skill_id": "course:2",
        "policy": "rule",
        "p_correct": p_correct,
        "reason": "Practise Union: mastery 62% (48% to 75%, 5 answers), near the target 70%.",
        "decided_at": AS_OF,
        "decision_id": f"d-{key}-{rank}",
    }


def mastery(key, value):
    return {
        "student_key": key,
        "skill_id": "course:2",
        "mastery": value,
        "mastery_low": value - 0.1,
        "mastery_high": value + 0.1,
        "n_responses": 5,
        "n_correct": 3,
        "n_reference_items": 4,
        "last_sequence_number": 5,
        "model_version": "1",
        "scored_at": AS_OF,
    }


def attention(key, *effects):
    influences = [(f"{key}-{n}", "course:7", True, 0.1, effect) for n, effect in enumerate(effects)]
    return {
        "student_key": key,
        "skill_id": "course:2",
        "influences": influences,
        "model_version": "1",
        "scored_at": AS_OF,
    }


def item(number, title):
    return {
        "item_id": f"course:{number}",
        "source": "course",
        "source_item_id": str(number),
        "skill_ids": ["course:2"],
        "title": title,
        "in_catalogue": True,
        "n_events": 0,
    }


def skill(number, name, description):
    return {
        "skill_id": f"course:{number}",
        "source": "course",
        "name": name,
        "description": description,
        "prerequisite_ids": [],
        "n_events": 0,
    }


EVENTS = [
    *(event("k1", n, correct) for n, correct in enumerate([True, True, False, True, True], 1)),
    event("k1", 6, None),  # ungraded: no answer to count
    *(event("k2", n, False, answer="intersection") for n in range(1, 5)),
    event("k2", 5, False, answer="Ann Miller was here"),
    *(event("k3", n, False, answer="intersection") for n in range(1, 3)),
    event("k3", 3, True, skill="course:3"),
]


def mlflow_of(folder):
    import mlflow

    # with both, since the registry of another test may be the process's own
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return mlflow.MlflowClient(uri, uri)


class Lake:
    """A lake with three students; `run` runs the task."""

    def __init__(self, store, frame, context):
        self.store, self.frame, self.context = store, frame, context

    def write(self, table, made):
        self.store.overwrite(table, self.frame(table, made))

    def mastery(self, first=0.62):
        values = {"k1": first, "k2": 0.3, "k3": 0.62}
        self.write(STUDENT_MASTERY, [mastery(key, value) for key, value in values.items()])

    def recommend(self, *keys):
        self.write(BANDIT_RECOMMENDATIONS, [recommendation(key) for key in keys])

    def run(self, settings=OFFLINE, *, as_of=AS_OF, since=None):
        task = TASKS["explain_students"]
        context = self.context(task, settings=settings, as_of=as_of, since=since)
        return explain_students(context)

    def told(self):
        return told_in(self.store)


def told_in(store):
    found = store.read(RAG_EXPLANATIONS).toPandas()
    return {(r["student_key"], r["audience"]): r for r in found.to_dict("records")}


def said(told):
    """All but when, and for which decision, it was worded."""
    history = ("explained_at", "decision_id")
    return {
        key: {name: repr(value) for name, value in row.items() if name not in history}
        for key, row in told.items()
    }


@pytest.fixture(scope="module")
def made(spark, tmp_path_factory):
    """The folder of a lake with all but explanations, made once."""
    folder = tmp_path_factory.mktemp("made") / "lake"
    store = TableStore(spark, lake=folder)
    keys = [
        {"source": "course", "student_id": name, "student_key": key, "created_at": AS_OF}
        for key, name in NAMES.items()
    ]
    second = recommendation("k1", 2, item="course:7")
    description = "A union holds what is in either of two sets. Write each thing once."
    for table, made_up in {
        CANONICAL_LEARNING_EVENTS: EVENTS,
        ITEMS: [item(7, "Union of two sets"), item(8, None)],
        SKILLS: [skill(2, "Union", description), skill(3, "Key", "A key names a row.")],
        SAKT_ATTENTION: [attention("k1", 0.4, -0.2, 0.1)],
        STUDENT_KEYS: keys,
        STUDENT_MASTERY: [mastery("k1", 0.62), mastery("k2", 0.3), mastery("k3", 0.62)],
        BANDIT_RECOMMENDATIONS: [second, *map(recommendation, NAMES)],
    }.items():
        records = [[row.get(name) for name in table.column_names] for row in made_up]
        types = ", ".join(f"{column.name} {column.type}" for column in table.columns)
        store.overwrite(table, spark.createDataFrame(records, types))
    context = JobContext(
        store=store,
        task=TASKS["build_vector_index"],
        settings=OFFLINE,
        as_of=AS_OF,
        run_id="made",
        place=Place.of_lake(folder),
        spark=spark,
    )
    build_vector_index(context)
    if find_spec("sqlalchemy"):  # the first use of a store takes seconds
        with quietly("make a store"):
            mlflow_of(folder).search_experiments()
    return folder


@pytest.fixture
def lake(store, frame, context, monkeypatch):
    """A lake of the test's own."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-a-test")
    return Lake(store, frame, context)


@pytest.fixture
def store(made, spark, tmp_path):
    """The tables that `context` and the lake share."""
    shutil.copytree(made, tmp_path / "lake", dirs_exist_ok=True)
    return TableStore(spark, lake=tmp_path / "lake")


def test_observed_rows_say_what_tables_say(lake, context):
    found = observed_rows(context(TASKS["explain_students"], settings=OFFLINE)).toPandas()
    by_key = {row["student_key"]: row for row in found.to_dict("records")}

    assert list(by_key["k1"]["recent"]) == [True, False, True, True]
    assert (by_key["k1"]["n_raising"], by_key["k1"]["n_lowering"]) == (2, 1)
    assert by_key["k1"]["item"] == "8"  # no title: the source's id
    assert pd.isna(by_key["k2"]["common_share"])  # the last wrong answer is nobody else's
    assert by_key["k3"]["common_share"] == 0.86  # 6 of 7, in whole percent
    assert by_key["k3"]["common_item"] == "Union of two sets"
    assert "answer" not in found.columns
    assert len(found) == 3


@pytest.mark.connect
def test_offline_everybody_is_explained_with_citations(lake):
    metrics = lake.run()
    told = lake.told()

    assert set(told) == {(key, audience) for key in NAMES for audience in ("teacher", "student")}
    first = told["k1", "student"]
    assert [each["text"] for each in first["summary"]] == [
        (
            "Mastery of Union is developing: the chance of a right answer is 62%, between 52% "
            "and 72%, from 5 answers."
        ),
        "3 of the last 4 answers on Union were right.",
        "2 of the 3 past answers that count most raised the expected chance.",
    ]
    assert first["steps"][0]["text"].startswith("A union holds what is in either of two sets.")
    assert list(first["steps"][0]["sources"]) == ["S1"]
    assert (first["outcome"], first["offline_reason"]) == ("offline", "no language model is set")
    assert first["decision_id"] == "d-k1-1"
    assert "86% of the 7 wrong answers" in told["k3", "teacher"]["summary"][2]["text"]
    assert metrics["students"] == 3
    assert metrics["offline"] == metrics["new"] == 6
    assert metrics["requests"] == metrics["cost_usd"] == 0


@pytest.mark.nightly
def test_without_a_library_it_says_so(lake):
    lake.write(CONTENT_EMBEDDINGS, [])
    lake.run()

    found = lake.told()["k1", "teacher"]
    assert found["offline_reason"] == "the content library is empty"
    assert len(found["steps"]) == 0


@pytest.mark.nightly
def test_only_changed_evidence_is_worded_anew_and_who_is_gone_goes(lake):
    lake.run()
    lake.mastery(first=0.9)
    lake.recommend("k1", "k2")
    metrics = lake.run(as_of=NEXT_DAY)
    told = lake.told()

    assert set(told) == {(key, a) for key in ("k1", "k2") for a in ("teacher", "student")}
    assert metrics["new"] == 2
    assert told["k2", "teacher"]["explained_at"].day == 1
    assert told["k1", "teacher"]["explained_at"].day == 2
    assert "90%" in told["k1", "teacher"]["summary"][0]["text"]


@pytest.mark.nightly
def test_looked_at_is_who_was_decided_about_since_and_whom_a_model_did_not_word(lake, spark):
    lake.run()
    followed = (BANDIT_RECOMMENDATIONS, CONTENT_EMBEDDINGS)
    since = {table.qualified_name: lake.store.version(table) for table in followed}
    lake.mastery(first=0.9)  # of k1, about whom nothing was decided since

    def told_anew(day):
        lake.run(as_of=AS_OF.replace(day=day), since=since)
        return {key for (key, _), row in lake.told().items() if row["explained_at"].day == day}

    assert told_anew(2) == set()
    decided = [recommendation("k2", item="course:7"), recommendation("k3")]
    lake.store.upsert(BANDIT_RECOMMENDATIONS, lake.frame(BANDIT_RECOMMENDATIONS, decided))
    assert told_anew(3) == {"k2"}  # what was decided about k3 is what was before
    name = lake.store.sql_name(RAG_EXPLANATIONS)
    spark.sql(f"UPDATE {name} SET model = 'another' WHERE student_key = 'k1'")  # noqa: S608
    assert told_anew(4) == {"k1"}
    assert told_anew(5) == set()


class Walk:
    """Nights in each of which something changes, beside nights that start from nothing."""

    def __init__(self, lake, spark, folder):
        self.lake, self.spark, self.folder = lake, spark, folder
        self.settings, self.night = OFFLINE, 1
        self.values, self.items = {"k1": 0.62, "k2": 0.3, "k3": 0.62}, dict.fromkeys(NAMES, 8)

    def context_in(self, folder, store, task="explain_students"):
        return JobContext(
            store=store,
            task=TASKS[task],
            settings=self.settings,
            as_of=AS_OF.replace(day=self.night),
            run_id="walk",
            place=Place.of_lake(folder),
            spark=self.spark,
        )

    def run(self):
        self.night += 1
        recommended = [
            recommendation(key, item=f"course:{number}") | {"decision_id": f"{self.night}-{key}"}
            for key, number in self.items.items()
        ]
        self.lake.write(BANDIT_RECOMMENDATIONS, recommended)
        self.lake.write(STUDENT_MASTERY, [mastery(*each) for each in self.values.items()])
        return self.again()[0]

    def again(self):
        """The same night once more."""
        metrics = explain_students(self.context_in(self.folder, self.lake.store))
        return self.lake.told(), metrics

    def from_nothing(self):
        copy = self.folder.parent / f"copy-{self.night}"
        shutil.copytree(self.folder, copy)
        shutil.rmtree(copy / self.lake.store.folder(RAG_EXPLANATIONS).relative_to(self.folder))
        store = TableStore(self.spark, lake=copy)
        explain_students(self.context_in(copy, store))
        return told_in(store)

    def nothing(self):
        """Decisions are new every night."""

    def mastery(self):
        self.values["k1"] = 0.9

    def mastery_less_than_a_percent(self):
        self.values["k2"] += 0.001

    def recommendation(self):
        self.items["k2"] = 7

    def answers(self):
        self.lake.write(CANONICAL_LEARNING_EVENTS, [*EVENTS, event("k2", 6, True)])

    def passages(self):
        described = skill(2, "Union", "A union of two sets has each thing that is in one of them.")
        self.lake.write(SKILLS, [described, skill(3, "Key", "A key names a row.")])
        build_vector_index(self.context_in(self.folder, self.lake.store, "build_vector_index"))

    def settings_of_the_run(self):
        shorter = EXPLANATION.model_copy(update={"recent_answers": 2, "max_source_characters": 100})
        self.settings = OFFLINE.model_copy(update={"explanation": shorter})

    def instructions(self):
        """As if the explanations of k1 were by the instructions of an earlier version."""
        self.mark("prompt_version = 'explain-0'")

    def words_of_facts(self):
        """As if they were by an earlier version of this package."""
        self.mark("inputs_hash = null")

    def mark(self, change):
        name = self.lake.store.sql_name(RAG_EXPLANATIONS)
        self.spark.sql(f"UPDATE {name} SET {change} WHERE student_key = 'k1'")  # noqa: S608

    def students(self):
        del self.items["k3"]


CHANGES = (
    *("nothing", "mastery", "mastery_less_than_a_percent", "recommendation", "answers"),
    *("passages", "settings_of_the_run", "instructions", "words_of_facts", "students"),
)


@pytest.mark.nightly
def test_nights_after_any_change_tell_what_one_from_nothing_tells(lake, spark, tmp_path):
    """Whatever changes, in an order drawn by chance, and only what changed is written."""
    walk = Walk(lake, spark, tmp_path / "lake")
    before = walk.run()
    for change in np.random.default_rng(7).permutation(CHANGES):
        getattr(walk, change)()
        version = lake.store.version(RAG_EXPLANATIONS)
        now = walk.run()
        whole = walk.from_nothing()

        assert said(now) == said(whole), change
        anew = {key for key, row in now.items() if row["explained_at"].day == walk.night}
        other = {key for key, row in said(now).items() if row != said(before)[key]}
        marked = {key for key in now if key[0] == "k1"}
        expected = marked if change in ("instructions", "words_of_facts") else other
        assert anew == expected, change
        if now.keys() == before.keys() and not anew:
            assert lake.store.version(RAG_EXPLANATIONS) == version, change
        before = now
    assert before.keys() == {(key, a) for key in ("k1", "k2") for a in ("teacher", "student")}


@pytest.mark.nightly
def test_a_run_cut_off_before_it_deletes_is_completed_by_the_next(
    lake, spark, tmp_path, monkeypatch
):
    walk = Walk(lake, spark, tmp_path / "lake")
    walk.run()
    walk.mastery()
    walk.students()

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(JobContext, "delete_matching", killed)
        with pytest.raises(KeyboardInterrupt):
            walk.run()
    assert ("k3", "teacher") in lake.told()

    told, _ = walk.again()
    version = lake.store.version(RAG_EXPLANATIONS)
    assert said(told) == said(walk.from_nothing())
    _, metrics = walk.again()
    assert lake.store.version(RAG_EXPLANATIONS) == version
    assert (metrics["students"], metrics["new"]) == (2, 2)


@pytest.mark.nightly
def test_a_model_words_them_and_every_request_is_on_record(lake, store):
    with serving(obedient) as service:
        metrics = lake.run(online(service.base_url))
        books = service.books
    calls = store.read(LLM_CALLS).toPandas()

    assert metrics["verified"] == 6
    assert metrics["tokens_used"] == books.input_tokens + books.output_tokens
    assert calls["input_tokens"].sum() == books.input_tokens
    assert calls["output_tokens"].sum() == books.output_tokens
    assert set(calls["outcome"]) == {"answered"}
    assert calls["cost_usd"].sum() == pytest.approx(metrics["cost_usd"])
    assert {row["model"] for row in lake.told().values()} == {"gpt-4o"}


def test_nothing_of_who_a_student_is_leaves_the_house(lake):
    with serving(obedient) as service:
        lake.run(online(service.base_url))
        sent = b"\n".join(service.books.raw) + str(service.books.headers).encode()

    assert b"Union is developing" in sent
    for secret in (*NAMES, *NAMES.values(), "intersection", "was here", "d-k1-1", "k1-1"):
        assert secret.encode() not in sent


@pytest.mark.nightly
def test_the_second_night_asks_only_about_what_changed(lake):
    with serving(obedient) as service:
        lake.run(online(service.base_url))
        first = len(service.books.requests)
        lake.mastery(first=0.9)
        metrics = lake.run(online(service.base_url), as_of=NEXT_DAY)
        second = len(service.books.requests) - first

    assert (first, second) == (6, 2)
    assert metrics["verified"] == 6
    assert metrics["new"] == 2


@pytest.mark.nightly
def test_students_with_the_same_evidence_are_asked_about_once(lake, store, frame):
    events = EVENTS + [event("k4", n, n != 3) for n in range(1, 6)]
    store.overwrite(CANONICAL_LEARNING_EVENTS, frame(CANONICAL_LEARNING_EVENTS, events))
    store.overwrite(
        STUDENT_MASTERY, frame(STUDENT_MASTERY, [mastery("k1", 0.62), mastery("k4", 0.62)])
    )
    found = [attention(key, 0.4, -0.2, 0.1) for key in ("k1", "k4")]
    store.overwrite(SAKT_ATTENTION, frame(SAKT_ATTENTION, found))
    lake.recommend("k1", "k4")
    with serving(obedient) as service:
        lake.run(online(service.base_url))
        requests = service.books.requests
    told = lake.told()

    assert len(requests) == 2
    first, twin = (
        [each["text"] for each in told[key, "student"]["summary"]] for key in ("k1", "k4")
    )
    assert first == twin


@pytest.mark.nightly
def test_what_was_paid_for_before_a_run_was_cut_off_is_kept(lake, store):
    """One explanation a write; the service breaks down for good after three."""
    settings = online("").model_copy(
        update={"explanation": EXPLANATION.model_copy(update={"per_write": 1})}
    )

    def breaking(body, number):
        return obedient(body, number) if number < 3 else failed(401, "expired")

    with serving(breaking) as service:
        chat = settings.chat.model_copy(update={"base_url": service.base_url})
        with pytest.raises(Exception, match="does not let us in"):
            lake.run(settings.model_copy(update={"chat": chat}))
    assert len(lake.told()) == 3

    with serving(obedient) as service:
        lake.run(online(service.base_url))
        again = len(service.books.requests)
    assert again == 3
    assert len(lake.told()) == 6


@pytest.mark.nightly
def test_what_no_model_worded_says_why_and_is_tried_another_night(lake):
    with serving(lambda *_: failed(500, "down")) as service:
        lake.run(online(service.base_url))
    assert {r["offline_reason"] for r in lake.told().values()} == {"the service did not answer"}

    with serving(obedient) as service:
        metrics = lake.run(online(service.base_url), as_of=NEXT_DAY)
    assert metrics["verified"] == 6


@pytest.mark.nightly
def test_an_answer_that_does_not_hold_is_not_tried_every_night(lake):
    bad = Served(response(json.dumps({"summary": "all is well"})))
    with serving(lambda *_: bad) as service:
        lake.run(online(service.base_url))
        first = len(service.books.requests)
        lake.run(online(service.base_url), as_of=NEXT_DAY)
        second = len(service.books.requests) - first

    assert (first, second) == (12, 0)
    assert {r["problems"] for r in lake.told().values()} == {"schema"}


@pytest.mark.nightly
def test_by_batch_a_night_is_one_batch_and_repairs_go_one_by_one(lake, store):

    def first_wrong(body, number):
        return Served(response("no")) if number == 0 else obedient(body, number)

    with serving(first_wrong) as service:
        settings = online(service.base_url, batch_deployment="nightly", batch_poll_seconds=0.01)
        metrics = lake.run(settings)
        batches = service.books.batches
    found = rows(store.read(LLM_CALLS), "in_batch", "model", "outcome")

    assert len(batches) == 1
    assert metrics["verified"] == 6
    assert found.count((True, "nightly", "answered")) == 6
    assert found.count((False, "gpt-4o", "answered")) == 1


def test_a_student_can_be_looked_up_with_everything_it_rests_on(lake, store):
    lake.run()
    found = read_explanations(store.read, "Ann Miller", audience=None)
    text = render_text(found)
    whole = as_json(found)

    assert "3 of the last 4 answers on Union were right. [F2]" in text
    assert "[S1]" in text
    assert "fixed sentences, since no language model is set; 2026-" in text
    assert [each["audience"] for each in whole["explanations"]] == ["teacher", "student"]
    assert json.dumps(whole)
    (only,) = read_explanations(store.read, "Ann Miller", audience="teacher").explanations
    assert only.audience == "teacher"


@pytest.mark.nightly
def test_a_student_without_a_recommendation_is_told_as_such(lake, store):
    lake.recommend("k1")
    lake.run()

    with pytest.raises(NoData, match="nothing is recommended to pupil-4711"):
        read_explanations(store.read, "pupil-4711", audience=None)
    with pytest.raises(NoData, match="no student"):
        read_explanations(store.read, "nobody", audience=None)


def tracing(settings, **changes):
    explanation = settings.explanation.model_copy(update=changes)
    return settings.model_copy(update={"explanation": explanation})


def traces_of(folder):
    client = mlflow_of(folder)
    experiment = client.get_experiment_by_name("/Shared/deepkt-irt/explanations")
    return client.search_traces(locations=[experiment.experiment_id]) if experiment else []


@pytest.mark.nightly
def test_what_was_asked_is_registered_and_traced_and_says_nothing_of_a_student(lake, tmp_path):
    with serving(obedient) as service:
        metrics = lake.run(tracing(online(service.base_url), trace="texts"))
        again = lake.run(online(service.base_url), as_of=NEXT_DAY)
        tokens = [token_of(body) for body in service.books.requests]
    (prompt,) = mlflow_of(tmp_path / "lake").search_prompt_versions("explanation")
    traces = traces_of(tmp_path / "lake")
    own = [
        path
        for path in (tmp_path / "lake").rglob("*")
        if path.is_file() and "tables" not in path.parts
    ]
    kept = b"".join(path.read_bytes() for path in own)

    assert (metrics["requests"], again["requests"]) == (6, 0)
    assert prompt.tags["version"] == prompts.VERSION
    assert len(traces) == 6
    hashes = {trace.data.spans[0].attributes["evidence_hash"] for trace in traces}
    assert hashes == {row["evidence_hash"] for row in lake.told().values()}
    assert b"Union is developing" in kept
    secrets = (*NAMES.values(), "was here", "d-k1-1", "k1-1", "key-of-a-test", *tokens)
    assert [each for each in secrets if each.encode() in kept] == []
    texts = json.dumps([trace.data.to_dict() for trace in traces])
    assert [each for each in NAMES if f'"{each}"' in texts or f" {each}" in texts] == []


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("changes", "n"),
    [({"trace": "off"}, 0), ({"trace_share": 0.0}, 0), ({"max_traces": 6}, 6)],
)
def test_settings_say_how_many_traces_a_run_leaves(lake, tmp_path, changes, n):
    with serving(obedient) as service:
        metrics = lake.run(tracing(online(service.base_url), **changes))

    assert metrics["verified"] == 6
    assert len(traces_of(tmp_path / "lake")) == n


@pytest.mark.nightly
def test_a_store_that_is_away_costs_one_warning_and_no_explanation(lake, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    away = f"sqlite:///{tmp_path / 'file' / 'x.db'}"
    with serving(obedient) as service, caplog.at_level(logging.WARNING, "deepkt_irt"):
        settings = tracing(online(service.base_url), per_write=2)
        ctx = lake.context(TASKS["explain_students"], settings=settings, as_of=AS_OF)
        ctx._place = replace(ctx._place, tracking_uri=away, registry_uri=away)
        metrics = explain_students(ctx)
    (said,) = (each.getMessage() for each in caplog.records if "MLflow" in each.getMessage())

    assert metrics["verified"] == 6
    assert said.startswith("prompt explain-1 is not registered, and nothing is traced: MLflow")


@pytest.mark.nightly
def test_traces_that_cannot_be_kept_cost_one_warning_and_no_explanation(lake, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    with serving(obedient) as service, caplog.at_level(logging.WARNING, "deepkt_irt"):
        settings = tracing(online(service.base_url), per_write=2)
        ctx = lake.context(TASKS["explain_students"], settings=settings, as_of=AS_OF)
        ctx.traces = TraceStore(f"sqlite:///{tmp_path / 'file' / 'x.db'}", None)
        metrics = explain_students(ctx)
    (said,) = (each.getMessage() for each in caplog.records if "MLflow" in each.getMessage())

    assert metrics["verified"] == 6
    assert said.startswith("no more traces are kept in this run: MLflow could not keep traces")


@pytest.mark.nightly
def test_other_words_under_the_same_version_stop_the_task_before_anybody_is_asked(
    lake, monkeypatch
):
    with serving(obedient) as service:
        lake.run(online(service.base_url))
        monkeypatch.setattr(prompts, "INSTRUCTIONS", prompts.INSTRUCTIONS + "Be brief.\n")
        lake.mastery(first=0.9)
        asked = len(service.books.requests)
        with pytest.raises(UsageError, match="change VERSION in rag"):
            lake.run(online(service.base_url), as_of=NEXT_DAY)

        assert len(service.books.requests) == asked
