"""What a database is asked, as text, and what workers write; test_pull_database.py asks one."""

import csv
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from deepkt_irt.pulling.connection import Database
from deepkt_irt.pulling.database import Table, _cause, _write_part
from deepkt_irt.pulling.windows import Window
from deepkt_irt.sources.responses_csv import COPIED_COLUMNS

DAY = Window(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 1, 59, 0, 5, tzinfo=UTC))


def table(watermark="time", **changes):
    kinds = {
        "time": {"kind": "time", "column": "Recorded At", "start": DAY.since},
        "number": {"kind": "number", "column": "id"},
    }
    given = {
        "name": "school",
        "host": "sql.example.org",
        "database": "school",
        "table": "dbo.deepkt_responses",
        "user": "reader",
        "password": {"env": "SCHOOL_PASSWORD"},
        "watermark": kinds[watermark],
    }
    return Table(spark=None, connection=Database.model_validate(given | changes))


@pytest.mark.parametrize(
    ("product", "kind"), [("sql_server", "datetime2"), ("postgresql", "timestamp")]
)
def test_conditions_quote_the_column_and_write_the_window_themselves(product, kind):
    assert table(product=product)._within(DAY) == (
        f"\"Recorded At\" >= CAST('2026-03-01T00:00:00.000000' AS {kind}) AND "
        f"\"Recorded At\" < CAST('2026-03-02T01:59:00.000005' AS {kind})"
    )
    assert table("number", product=product)._within(Window(5, 9)) == '"id" >= 5 AND "id" < 9'


@pytest.mark.parametrize(
    ("changes", "url", "given"),
    [
        (
            {},
            "jdbc:sqlserver://sql.example.org:1433;databaseName={school}",
            {"encrypt": "true", "trustServerCertificate": "false"},
        ),
        (
            {"product": "postgresql", "port": 6_432},
            "jdbc:postgresql://sql.example.org:6432/school",
            {"sslmode": "verify-full", "sessionInitStatement": "SET TIME ZONE 'UTC'"},
        ),
        (
            {"host": "127.0.0.1"},
            "jdbc:sqlserver://127.0.0.1:1433;databaseName={school}",
            {"encrypt": "true", "trustServerCertificate": "true"},
        ),
    ],
)
def test_connections_are_encrypted_and_certificates_checked_beyond_this_machine(
    changes, url, given, monkeypatch
):
    monkeypatch.setenv("SCHOOL_PASSWORD", "s3cret")

    options = table(rows_per_fetch=77, **changes)._options()

    assert options["url"] == url
    assert given.items() <= options.items()
    assert (options["user"], options["password"], options["fetchsize"]) == (
        "reader",
        "s3cret",
        "77",
    )
    assert "s3cret" not in options["url"]


def batch(number, *items):
    n = len(items)
    columns = {"part": pa.array([number] * n, pa.int32())}
    columns |= {name: pa.array([None] * n, pa.string()) for name in COPIED_COLUMNS}
    return pa.RecordBatch.from_pydict(columns | {"item_id": pa.array(items, pa.string())})


def test_workers_write_a_part_aside_and_tell_of_it(tmp_path):
    files = [tmp_path / "day" / "a.csv", tmp_path / "day" / "b.csv"]

    (told,) = _write_part(files, [batch(1), batch(1, "i1", 'i\0"2'), batch(1, "i3")])

    (row,) = told.to_pylist()
    written = tmp_path / "day" / row["partial"].rpartition("/")[2]
    assert (row["part"], row["n_rows"]) == (1, 3)
    assert (written.name[:7], written.suffix) == ("_b.csv.", ".part")
    with written.open(newline="") as file:
        assert [each["item_id"] for each in csv.DictReader(file)] == ["i1", 'i\\x00"2', "i3"]


def test_an_empty_part_writes_nothing_and_one_that_fails_leaves_nothing(tmp_path):
    def cut_off():
        yield batch(0, "i1")
        raise RuntimeError("the server went away")

    assert list(_write_part([tmp_path / "a.csv"], [batch(0)])) == []
    with pytest.raises(RuntimeError):
        list(_write_part([tmp_path / "a.csv"], cut_off()))
    assert list(tmp_path.iterdir()) == []


def test_of_a_stack_of_causes_the_innermost_is_told():
    stack = (
        "An error occurred\n: SparkException: Job aborted\n\tat x\nCaused by: PSQLException: no\n"
    )

    assert _cause(ValueError(stack)) == "PSQLException: no"
    assert _cause(ValueError("one line\nmore")) == "one line"
    assert _cause(ValueError("")) == "ValueError"
