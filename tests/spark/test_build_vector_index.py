"""From content to chunks, vectors and an index; nothing is embedded twice."""

import json
from dataclasses import replace

import pytest
from databricks.sdk import WorkspaceClient

from conftest import AS_OF, rows
from deepkt_irt.errors import BadFile, NoData, UsageError
from deepkt_irt.jobs import content_index
from deepkt_irt.jobs.ask import read_answer
from deepkt_irt.jobs.build_vector_index import build_vector_index
from deepkt_irt.jobs.content_index import ContentPlace, VectorSearch, open_index
from deepkt_irt.jobs.context import Place
from deepkt_irt.jobs.runner import Runner
from deepkt_irt.jobs.task import TASKS
from deepkt_irt.rag.index import Filters
from deepkt_irt.reporting.ask import render_text
from deepkt_irt.settings import ContentSettings, Settings
from deepkt_irt.tables.bronze import RAW_CONTENT
from deepkt_irt.tables.gold_content import (
    CONTENT_EMBEDDINGS,
    CONTENT_LIBRARY,
    RETRIEVAL_EVALUATIONS,
)
from deepkt_irt.tables.silver import ITEMS, SKILLS
from fake_workspace import FakeWorkspace, serving

pytestmark = pytest.mark.spark

SETTINGS = Settings(content=ContentSettings(dimension=16, refit_share=0.5))
LATER = AS_OF.replace(day=2)


def skill(number, name, description=None, before=()):
    return {
        "skill_id": f"course:{number}",
        "source": "course",
        "name": name,
        "description": description,
        "prerequisite_ids": [f"course:{each}" for each in before],
        "n_events": 0,
    }


SKILLS_ROWS = [
    skill(1, "Set", "A set is a collection of different things."),
    skill(2, "Union", "A union holds what is in either of two sets.", before=(1,)),
    skill(3, "Key", "A key names each row of a table."),
    skill(4, "Nameless"),
]
ITEM = {
    "item_id": "course:7",
    "source": "course",
    "source_item_id": "7",
    "skill_ids": ["course:2"],
    "in_catalogue": True,
    "n_events": 0,
}
QUESTION = {
    "question_text": "Which operation keeps everything?",
    "hint_text": "Think of two circles and all that lies in either.",
}


def record(row, kind, content_id, body):
    return {
        "kind": kind,
        "content_id": content_id,
        "body": json.dumps(body),
        "_source": "course",
        "_file": "a.csv",
        "_row": row,
        "_batch_id": 0,
        "_ingested_at": AS_OF,
    }


@pytest.fixture
def lake(store, frame, tmp_path, context):
    """A lake with content; `run` runs the task."""

    class Lake:
        content = tmp_path / "lake" / "content"
        embedders = tmp_path / "lake" / "embedders"
        place = ContentPlace(store.read, store.full_name, embedders)

        def write(self, *, skills=SKILLS_ROWS, question=QUESTION):
            choice = {"question_id": "7", "choice_text": "union"}
            records = [record(1, "question", "7", question), record(2, "choice", "1", choice)]
            store.overwrite(SKILLS, frame(SKILLS, skills))
            store.overwrite(ITEMS, frame(ITEMS, [ITEM]))
            store.overwrite(RAW_CONTENT, frame(RAW_CONTENT, records))

        def document(self, name, text):
            path = self.content / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        def run(self, *, as_of=AS_OF, settings=SETTINGS):
            task = TASKS["build_vector_index"]
            return build_vector_index(context(task, settings=settings, as_of=as_of))

        def embedded_at(self):
            found = rows(store.read(CONTENT_EMBEDDINGS), "title", "text", "embedded_at")
            return {(title, text): at.day for title, text, at in found}

    made = Lake()
    made.write()
    return made


def test_all_content_becomes_chunks_with_what_is_known_of_it(lake, store):
    lake.document("sets.md", "---\nskills: union\ngrade: 9\nlicence: CC0\n---\n# Laws\nA law.")

    metrics = lake.run()

    found = rows(store.read(CONTENT_LIBRARY), "kind", "title", "text", "skill_ids", "item_id")
    assert found == [
        ("document", "sets: Laws", "A law.", ["course:2"], None),
        ("hint", "Union", QUESTION["hint_text"], ["course:2"], "course:7"),
        ("item", "Union", f"{QUESTION['question_text']}\n\nunion", ["course:2"], "course:7"),
        ("skill", "Key", "A key names each row of a table.", ["course:3"], None),
        ("skill", "Set", "A set is a collection of different things.", ["course:1"], None),
        (
            *("skill", "Union"),
            "A union holds what is in either of two sets.\n\nBuilds on: Set.",
            *(["course:2"], None),
        ),
    ]
    assert metrics["chunks"] == metrics["embedded"] == metrics["rows_changed"] == 6
    assert rows(store.read(CONTENT_LIBRARY).filter("kind = 'document'"), "grade", "licence") == [
        ("9", "CC0")
    ]


@pytest.mark.connect
def test_what_was_built_can_be_asked(lake):
    lake.run()

    found = read_answer(
        lake.place, SETTINGS.content, "which key names a row", k=2, mode="hybrid", kind=""
    )

    best = found.passages[0]
    assert (best.rank, best.kind, best.title, best.skills) == (1, "skill", "Key", ("Key",))
    assert best.text in render_text(found)
    assert best.chunk_id in render_text(found)
    hints = open_index(lake.place, SETTINGS.content).search(
        "row", k=9, filters=Filters(kinds=("hint",))
    )
    assert {hit.chunk.kind for hit in hits_of(hints)} == {"hint"}


def hits_of(hits):
    assert hits
    return hits


def test_unchanged_content_keeps_its_id_and_is_never_embedded_twice(lake, store):
    lake.run()
    before = rows(store.read(CONTENT_EMBEDDINGS), "chunk_id", "embedding")
    version = store.version(CONTENT_EMBEDDINGS)

    again = lake.run(as_of=LATER)
    assert (again["embedded"], again["rows_changed"]) == (0, 0)
    assert store.version(CONTENT_EMBEDDINGS) == version

    lake.write(question=QUESTION | {"hint_text": "Draw two circles."})
    changed = lake.run(as_of=LATER)

    assert changed["embedded"] == 1
    assert changed["rows_changed"] == 2  # one went, one came
    after = rows(store.read(CONTENT_EMBEDDINGS), "chunk_id", "embedding")
    assert len(set(map(str, before)) & set(map(str, after))) == len(before) - 1
    days = lake.embedded_at()
    assert [text for (_, text), day in days.items() if day == 2] == ["Draw two circles."]


@pytest.mark.nightly
def test_the_change_feed_holds_what_changed_and_no_more(lake, store, spark):
    lake.run()
    version = store.version(CONTENT_EMBEDDINGS)
    lake.write(skills=[replaced(row) for row in SKILLS_ROWS])
    lake.run(as_of=LATER)

    name = store.sql_name(CONTENT_EMBEDDINGS).removeprefix("delta.`").removesuffix("`")
    query = f"SELECT * FROM table_changes_by_path('{name}', {version + 1})"  # noqa: S608
    feed = spark.sql(query)
    assert rows(feed, "_change_type", "title") == [
        ("delete", "Key"),
        ("insert", "Primary key"),
    ]


def replaced(row):
    return row | {"name": "Primary key"} if row["name"] == "Key" else row


@pytest.mark.nightly
def test_new_tags_change_the_row_and_not_the_vector(lake, store, frame):
    lake.run()
    store.overwrite(ITEMS, frame(ITEMS, [ITEM | {"skill_ids": ["course:2", "course:4"]}]))
    lake.document("sets.md", "# Laws\nA law.")
    lake.run(as_of=LATER)
    lake.document("sets.md", "---\nskills: union\n---\n# Laws\nA law.")

    assert lake.run(as_of=LATER)["embedded"] == 0
    tagged = store.read(CONTENT_EMBEDDINGS).filter("kind = 'document'")
    assert rows(tagged, "skill_ids") == [(["course:2"],)]


@pytest.mark.nightly
def test_lsa_is_fitted_anew_when_much_is_new_to_it(lake, store):
    lake.run()
    (first,) = {row[0] for row in rows(store.read(CONTENT_EMBEDDINGS), "embedder_version")}
    lake.document("more.md", "\n".join(f"# Law {n}\nLaw number {n} on tables." for n in range(8)))

    metrics = lake.run(as_of=LATER)

    (second,) = {row[0] for row in rows(store.read(CONTENT_EMBEDDINGS), "embedder_version")}
    assert second != first
    assert metrics["embedded"] == metrics["chunks"]
    assert {path.name for path in lake.embedders.iterdir()} == {
        f"lsa-{version}.npz" for version in (first, second)
    }


def test_a_lost_embedder_is_fitted_again(lake):
    lake.run()
    for path in lake.embedders.iterdir():
        path.unlink()
    with pytest.raises(BadFile, match="run build_vector_index, which fits it anew"):
        open_index(lake.place, SETTINGS.content)

    lake.run()

    assert open_index(lake.place, SETTINGS.content).search("row", k=1)


def test_without_any_content_the_task_succeeds_and_asking_says_why_nothing_is_found(lake):
    lake.write(skills=[skill(4, "Nameless")], question={})

    assert lake.run() == {"chunks": 0, "embedded": 0, "rows_changed": 0, "questions_held_out": 0}
    with pytest.raises(NoData, match="the content library is empty: no source has text"):
        open_index(lake.place, SETTINGS.content)


@pytest.mark.nightly
def test_content_that_is_gone_leaves_the_library(lake, store):
    assert lake.run(as_of=LATER)["chunks"] == 5

    lake.write(skills=[skill(4, "Nameless")], question={})

    assert lake.run(as_of=LATER)["rows_changed"] == 5
    assert store.read(CONTENT_EMBEDDINGS).count() == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("unit/sets.md", "---\nskills: onions\n---\nText.", "unit/sets.md: skills: no skill"),
        ("notes.docx", "x", "content/notes.docx: it is neither Markdown nor HTML; take .md"),
    ],
)
def test_a_file_that_cannot_be_read_stops_before_anything_is_written(
    lake, store, name, text, message
):
    lake.document(name, text)

    with pytest.raises(BadFile, match=message):
        lake.run()
    assert not store.exists(CONTENT_LIBRARY)


def test_settings_other_than_those_it_was_built_with_are_refused(lake):
    lake.run()

    other = SETTINGS.content.model_copy(update={"embedder": "databricks", "model": "gte"})
    with pytest.raises(UsageError, match="the library is embedded by lsa: run build_vector"):
        open_index(lake.place, other)
    with pytest.raises(UsageError, match="--mode 'fuzzy': there are lexical, vector, hybrid"):
        read_answer(lake.place, SETTINGS.content, "key", k=1, mode="fuzzy", kind="")


def test_vector_search_is_for_catalogs(lake):
    settings = SETTINGS.model_copy(
        update={"content": SETTINGS.content.model_copy(update={"index": "databricks"})}
    )

    with pytest.raises(UsageError, match="lies in a lake folder, which no service reaches"):
        lake.run(settings=settings)


def test_the_index_in_vector_search_is_synced_and_searched(lake, store, monkeypatch):
    """Against the fake workspace; only the catalog's name is made up."""
    full_name = "lake.gold.content_embeddings"
    monkeypatch.setattr(store, "_catalog", "lake")
    monkeypatch.setattr(store, "full_name", lambda table: f"lake.gold.{table.name}")
    place = ContentPlace(store.read, store.full_name, lake.embedders)
    settings = SETTINGS.model_copy(
        update={"content": SETTINGS.content.model_copy(update={"index": "databricks"})}
    )
    lake.run()  # the table, as Spark would show it to the service
    with serving(FakeWorkspace()) as fake:
        client = WorkspaceClient(host=fake.url, token="made-up", auth_type="pat")  # noqa: S106
        monkeypatch.setattr(content_index, "open_workspace", lambda: client)
        monkeypatch.setattr(
            content_index,
            "VectorSearch",
            lambda **given: replace(VectorSearch(**given), poll_seconds=0.01),
        )
        table = store.read(CONTENT_EMBEDDINGS).collect()
        fake.search.tables[full_name] = [row.asDict() for row in table]

        lake.run(settings=settings)
        hits = open_index(place, settings.content).search("which key names a row", k=1)

    assert [hit.chunk.title for hit in hits] == ["Key"]
    assert list(fake.search.indexes) == ["lake.gold.content_index"]


@pytest.mark.nightly
def test_a_changed_file_of_a_teacher_is_work_and_nothing_else_is(lake, spark, store, tmp_path):
    seen = []

    class Reporter:
        def started(self, task):
            seen.append("started")

        def line(self, task, text): ...
        def skipped(self, task):
            seen.append("skipped")

        def finished(self, task, **told): ...

    runner = Runner(
        spark=spark,
        store=store,
        place=Place.of_lake(tmp_path / "lake"),
        settings=SETTINGS,
        as_of=AS_OF,
        reporter=Reporter(),
    )
    tasks = [TASKS["build_vector_index"]]
    runner.run(tasks)
    runner.run(tasks)
    lake.document("sets.md", "# Laws\nA law.")
    lake.document("_draft.md", "# Not yet")
    runner.run(tasks)
    runner.run(tasks)

    assert seen == ["started", "skipped", "started", "skipped"]


def questions(n, word="union"):
    """Items and records of questions on two skills, which their words tell apart."""
    items, records = [], []
    for number in range(100, 100 + n):
        skill, about = (("course:2", word), ("course:3", "key"))[number % 2]
        items.append(
            ITEM
            | {
                "item_id": f"course:{number}",
                "source_item_id": str(number),
                "skill_ids": [skill],
            }
        )
        body = {
            "question_text": f"Which {about} is number {number}?",
            "hint_text": f"Hint {number}: think of the {about}.",
        }
        records.append(record(number, "question", str(number), body))
    return items, records


@pytest.mark.nightly
def test_search_is_measured_on_held_out_questions_once_for_the_same_content(lake, store, frame):
    few = SETTINGS.model_copy(
        update={"content": SETTINGS.content.model_copy(update={"min_questions": 5})}
    )

    def write(word):
        items, records = questions(40, word)
        store.overwrite(ITEMS, frame(ITEMS, items))
        store.overwrite(RAW_CONTENT, frame(RAW_CONTENT, records))

    write("union")
    metrics = lake.run(settings=few)
    lake.run(settings=few, as_of=LATER)
    found = store.read(RETRIEVAL_EVALUATIONS).toPandas().set_index("search")

    assert set(found.index) == {"lexical", "vector", "hybrid"}
    n_held_out = found.loc["hybrid", "n_questions"]
    assert 5 <= n_held_out == metrics["questions_held_out"] < 40
    chunks = store.read(CONTENT_LIBRARY).count()
    assert set(found["n_chunks"]) == {chunks - 2 * n_held_out}  # without their texts and hints
    assert found.loc["lexical", "recall_at_5"] == metrics["recall_at_5_lexical"] == 1.0
    lexical = found.loc["lexical"]
    assert 0.5 < lexical["recall_at_5_low"] < 1.0 == lexical["recall_at_5_high"]
    assert set(found["protocol"]) == {"held_out_questions"}
    assert {at.day for at in found["evaluated_at"]} == {AS_OF.day}

    write("union of two sets")
    lake.run(settings=few, as_of=LATER)
    again = store.read(RETRIEVAL_EVALUATIONS).toPandas()
    assert len(again) == 6
    assert again["data_version"].nunique() == again["evaluation_id"].nunique() == 2


def test_with_few_questions_search_is_not_measured(lake, store):
    metrics = lake.run()

    assert metrics["questions_held_out"] < SETTINGS.content.min_questions
    assert store.read(RETRIEVAL_EVALUATIONS).count() == 0
