import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from adf_documents import (
    LAKE,
    READ,
    activity,
    at,
    files,
    put,
    reference,
    run_one,
)
from deepkt_irt.azure.factory.world import World
from deepkt_irt.errors import UsageError


@pytest.fixture
def world(tmp_path: Path) -> World:
    for container in ("bronze", "inbox"):
        (tmp_path / container).mkdir()
    return World(storage=tmp_path, lake=LAKE)


def database(*rows):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE answers (student, correct, at)")
    connection.executemany("INSERT INTO answers VALUES (?, ?, ?)", rows)

    def ask(text):
        found = connection.execute(text)
        return [each[0] for each in found.description], found.fetchall()

    return ask


# Copy


def copying(source, from_, to, sink=None, **more):
    sink = sink or {
        "type": "DelimitedTextSink",
        "storeSettings": {"type": "AzureBlobFSWriteSettings"},
    }
    return activity("a", "Copy", inputs=[from_], outputs=[to], source=source, sink=sink, **more)


def from_sql(query="SELECT * FROM answers", **more):
    source = {"type": "SqlServerSource", "sqlReaderQuery": query}
    return copying(source, reference("Dataset", "table"), at("csv", "out", "a.csv"), **more)


def test_copy_sql_server_writes_delimited_text(world):
    rows = [("s,1", 1, None), ('say "hi"', 0.5, "")]

    found = run_one(replace(world, sql=database(*rows)), from_sql())

    text = 'student,correct,at\r\n"s,1",1,\r\n"say ""hi""",0.5,""\r\n'
    assert (world.storage / "bronze/out/a.csv").read_bytes() == b"\xef\xbb\xbf" + text.encode()
    assert found.output["rowsCopied"] == 2
    assert found.output["filesWritten"] == 1


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"firstRowAsHeader": False}, 's,,"a""b"\r\n'),
        ({"columnDelimiter": ";", "rowDelimiter": "\n"}, 'student;correct;at\ns;;"a""b"\n'),
        ({"nullValue": "NULL"}, 'student,correct,at\r\ns,NULL,"a""b"\r\n'),
        ({"escapeChar": "\\"}, 'student,correct,at\r\ns,,"a\\"b"\r\n'),
        ({"encodingName": "UTF-8 without BOM"}, 'student,correct,at\r\ns,,"a""b"\r\n'),
    ],
)
def test_copy_writes_in_the_form_of_the_dataset(world, form, text):
    run_one(replace(world, sql=database(("s", None, 'a"b'))), from_sql(), **form)

    assert files(world)["bronze/out/a.csv"] == text


def test_copy_quotes_all_text_if_asked(world):
    made = from_sql()
    made["typeProperties"]["sink"]["formatSettings"] = {
        "type": "DelimitedTextWriteSettings",
        "quoteAllText": True,
        "fileExtension": ".csv",
    }

    run_one(replace(world, sql=database(("s", 1, None))), made)

    assert files(world)["bronze/out/a.csv"] == '"student","correct","at"\r\n"s","1",\r\n'


def test_copy_of_no_rows_writes_the_header(world):
    assert run_one(replace(world, sql=database()), from_sql()).output["rowsCopied"] == 0
    assert files(world)["bronze/out/a.csv"] == "student,correct,at\r\n"


def test_copy_maps_columns_and_formats_times(world):
    mappings = [
        {"source": {"name": "at"}, "sink": {"name": "answered_at"}},
        {"source": {"name": "score"}, "sink": {"name": "score"}},
    ]
    translator = {"type": "TabularTranslator", "mappings": mappings}
    translator["typeConversionSettings"] = {"dateTimeFormat": "yyyy-MM-dd HH:mm:ss"}
    rows = [(datetime(2026, 8, 2, 3, 4, 5, tzinfo=UTC), Decimal("0.50"))]

    run_one(replace(world, sql=lambda _: (["at", "score"], rows)), from_sql(translator=translator))

    assert files(world)["bronze/out/a.csv"] == "answered_at,score\r\n2026-08-02 03:04:05,0.50\r\n"


def test_copy_fails_as_the_database_does(world):
    found = run_one(replace(world, sql=database()), from_sql("SELECT nothing FROM nowhere"))

    assert found.error["errorCode"] == "SqlOperationFailed"


@contextmanager
def api(*bodies, status=200) -> Iterator[tuple[str, list[str]]]:
    """A service whose pages are numbered by `page`, and the paths it was asked for."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            page = int(self.path.rpartition("page=")[2]) if "page=" in self.path else 0
            content = json.dumps(bodies[page]).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def from_rest(rules=None, **translator):
    paths = {"id": "['id']", "skills": "['skills']", "school": "$['school']", "n": "['a']['n']"}
    mappings = [{"source": {"path": p}, "sink": {"name": n}} for n, p in paths.items()]
    mapped = {"type": "TabularTranslator", "collectionReference": "$['rows']", "mappings": mappings}
    source = {"type": "RestSource", "paginationRules": rules or {"AbsoluteUrl": "$.next"}}
    pages = reference("Dataset", "pages")
    return copying(source, pages, at("csv", "out", "a.csv"), translator={**mapped, **translator})


ROW = {"id": 1, "a": {"n": True}, "skills": None}


@pytest.mark.parametrize(
    ("rules", "following"),
    [
        ({"AbsoluteUrl": "$.next"}, {"next": "/responses?page=1"}),
        ({"QueryParameters.page": "$.paging.number"}, {"paging": {"number": 1}}),
    ],
)
def test_copy_rest_follows_the_pages(world, rules, following):
    first, last = {"rows": [ROW], "school": "A", **following}, {"rows": [{"id": 2}], "next": None}

    with api(first, last) as (url, asked):
        found = run_one(replace(world, addresses={"api": url}), from_rest(rules))

    assert found.output["rowsCopied"] == 2
    assert files(world)["bronze/out/a.csv"] == "id,skills,school,n\r\n1,,A,True\r\n2,,,\r\n"
    assert asked[0] == "/responses?since=1"
    assert len(asked) == 2


def test_copy_rest_turns_lists_into_text_only_if_asked(world):
    body = {"rows": [{"id": 1, "skills": ["a", "b"]}]}

    with api(body) as (url, _):
        there = replace(world, addresses={"api": url})
        failed = run_one(there, from_rest())
        run_one(there, from_rest(mapComplexValuesToString=True))

    assert "is complex" in failed.error["message"]
    assert files(world)["bronze/out/a.csv"] == ('id,skills,school,n\r\n1,"[""a"",""b""]",,\r\n')


@pytest.mark.parametrize(
    ("bodies", "status", "code"),
    [
        ([{"rows": []}], 500, "RestCallFailed"),
        ([{"other": []}], 200, "UserErrorCollection"),
        ([{"rows": [], "next": "/responses?page=0"}], 200, "UserErrorPagination"),
    ],
)
def test_copy_rest_fails_with_the_service(world, bodies, status, code):
    with api(*bodies, status=status) as (url, _):
        found = run_one(replace(world, addresses={"api": url}), from_rest())

    assert found.error["errorCode"] == code


def from_files(folder="in", to="out", **settings):
    source = {"type": "BinarySource", "storeSettings": {**READ, **settings}}
    return copying(source, at("files", folder), at("files", to), {"type": "BinarySink"})


def test_copy_files_keeps_folders_and_bytes(world):
    put(world, "bronze/in/a.csv", "1")
    put(world, "bronze/in/deep/b.csv", "22")

    found = run_one(world, from_files())

    assert {k: v for k, v in files(world).items() if "/out/" in k} == {
        "bronze/out/a.csv": "1",
        "bronze/out/deep/b.csv": "22",
    }
    assert found.output == {"filesRead": 2, "filesWritten": 2, "dataRead": 3, "dataWritten": 3}


@pytest.mark.parametrize(
    ("settings", "copied"),
    [
        ({"recursive": False}, {"a.csv", "b.txt"}),
        ({"wildcardFileName": "*.csv"}, {"a.csv", "deep/c.csv"}),
        ({"wildcardFolderPath": "in/deep", "wildcardFileName": "?.csv"}, {"c.csv"}),
        ({"modifiedDatetimeStart": "2026-08-02T00:00:00Z"}, {"b.txt", "deep/c.csv"}),
        ({"modifiedDatetimeEnd": "2026-08-03T00:00:00Z"}, {"a.csv", "b.txt"}),
        ({"wildcardFileName": "none"}, set()),
    ],
)
def test_copy_files_takes_those_that_match(world, settings, copied):
    put(world, "bronze/in/a.csv", modified="2026-08-01T23:59:59")
    put(world, "bronze/in/b.txt", modified="2026-08-02T00:00:00")
    put(world, "bronze/in/deep/c.csv", modified="2026-08-03T00:00:00")

    run_one(world, from_files(**settings))

    assert {k[len("bronze/out/") :] for k in files(world) if "/out/" in k} == copied


def test_copy_files_from_a_missing_folder_fails(world):
    assert run_one(world, from_files()).error["message"] == "there is no folder bronze/in"


UNKNOWN = {
    "source": copying({"type": "ParquetSource"}, at("files"), at("files", "out")),
    "source key": from_files(fileListPath="x"),
    "deletion": from_files(deleteFilesAfterCompletion=True),
    "sink key": from_sql(enableSkipIncompatibleRow=True),
    "translator key": from_sql(translator={"type": "TabularTranslator", "schemaMapping": {}}),
    "pagination": from_rest({"EndCondition:$.rows": "Empty"}),
    "no mapping": copying(
        {"type": "RestSource"}, reference("Dataset", "pages"), at("csv", "out", "a.csv")
    ),
}


@pytest.mark.parametrize("made", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_emulated_is_refused_not_passed_over(world, made):
    with api({"rows": []}) as (url, _), pytest.raises(UsageError):
        run_one(replace(world, addresses={"api": url}, sql=database()), made)


@pytest.mark.parametrize(
    "value", [datetime(2026, 8, 2, tzinfo=UTC), b"bytes", "back\\slash, quoted"]
)
def test_values_without_a_documented_form_are_refused(world, value):
    with pytest.raises(UsageError):
        run_one(replace(world, sql=lambda _: (["a"], [(value,)])), from_sql(), escapeChar="\\")
