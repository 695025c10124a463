"""Connection files: what they may say, and that what is wrong is told by file and key."""

import pytest

from deepkt_irt.errors import BackendUnavailable, BadFile, UsageError
from deepkt_irt.pulling.connection import Secret, is_connection, read_connection
from deepkt_irt.pulling.secrets import secret
from fake_workspace import FakeWorkspace, serving

TABLE = """
name = "district"
host = "sql.example.org"
database = "school"
table = "dbo.deepkt_responses"
user = "reader"
password = {env = "SCHOOL_PASSWORD"}
watermark = {column = "recorded_at", kind = "time", start = 2026-01-01T00:00:00+02:00}
"""
REST = """
name = "quizzes"
url = "https://quiz.example.org/responses"
watermark = {kind = "time", since = "since", start = 2026-01-01T00:00:00Z}
"""


def connection(tmp_path, text, source):
    path = tmp_path / "connection.toml"
    path.write_text(text)
    return read_connection(path, source)


def test_table_and_interface_are_read_with_their_defaults(tmp_path):
    table = connection(tmp_path, TABLE, "sql_server")
    interface = connection(tmp_path, REST, "rest_api")

    assert (table.product, table.watermark.overlap_seconds) == ("sql_server", 3_600)
    assert table.watermark.start.isoformat() == "2025-12-31T22:00:00+00:00"
    assert (interface.auth, interface.pages.kind) == (None, "none")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('user = "reader"', 'usr = "reader"', "usr: Extra inputs are not permitted"),
        ('host = "sql.example.org"', "", "host: Field required"),
        ("sql.example.org", "x;trustServerCertificate=true", "host: String should match"),
        ('"school"', '"school;encrypt=false"', "database: String should match"),
        ('"school"', '"school?ssl=false"', "database: String should match"),
        ("dbo.deepkt", 'dbo.\\"; DROP TABLE x; --', "table: write schema.table"),
        ("dbo.deepkt_responses", "a.b.c", "table: write schema.table"),
        ("dbo.deepkt_responses", "dbo.", "table: write schema.table"),
        ('"recorded_at"', "'at\" OR 1=1 --'", "watermark.column: String should match"),
        ('"time"', '"date"', "watermark: Input tag 'date'"),
        ("+02:00", "", "watermark.start: Input should have timezone info"),
        ('{env = "SCHOOL_PASSWORD"}', '"s3cret"', "password: Input should be a valid dictionary"),
        ('{env = "SCHOOL_PASSWORD"}', '{scope = "s"}', "password: write {env = …}"),
        ('"district"', '"../x"', "name: String should match"),
        ('"district"', '"a_b"', "name: String should match"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_by_file_and_key(tmp_path, old, new, told):
    assert old in TABLE

    with pytest.raises(BadFile) as refused:
        connection(tmp_path, TABLE.replace(old, new), "sql_server")

    assert str(refused.value).startswith("connection.toml: ")
    assert told in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("https://", "http://", "url: only https: a secret would be sent in the clear"),
        ("https://", "ftp://", "url: write an address like"),
        ("https://", "https://ann:pw@", "url: no user and password in an address"),
        ("[fields]", '[fields]\npupil = "p"', "fields: no name pupil; there are student_id"),
        ("[auth]", '[auth]\nkind = "magic"', "auth: Input tag 'magic'"),
        ("[auth]", '[auth]\nkind="header"\nheader="a: b"\nvalue={env="A"}', "auth.header"),
        ("[pages]", '[pages]\nkind = "next_url"', "pages.member: Field required"),
    ],
)
def test_what_is_wrong_with_an_interface_is_told_by_file_and_key(tmp_path, old, new, told):
    text = REST.replace(old, new) if old in REST else REST + new

    with pytest.raises(BadFile) as refused:
        connection(tmp_path, text, "rest_api")

    assert str(refused.value).startswith(f"connection.toml: {told}")


def test_plain_http_may_go_to_this_machine(tmp_path):
    near = REST.replace("https://quiz.example.org", "http://127.0.0.1:8080")

    assert connection(tmp_path, near, "rest_api").url == "http://127.0.0.1:8080/responses"


def test_other_files_and_other_sources_are_refused(tmp_path):
    with pytest.raises(BadFile, match=r"connection.toml: it is no TOML"):
        connection(tmp_path, "name = ", "rest_api")
    with pytest.raises(BadFile, match="it cannot be read"):
        read_connection(tmp_path / "none.toml", "rest_api")
    with pytest.raises(UsageError, match="pulled are sql_server, rest_api, not edm_cup"):
        connection(tmp_path, REST, "edm_cup")
    assert is_connection(tmp_path / "a.TOML")
    assert not is_connection(tmp_path / "answers.csv")


def test_secret_of_the_environment(monkeypatch):
    monkeypatch.setenv("SCHOOL_PASSWORD", "s3cret")
    assert secret(Secret(env="SCHOOL_PASSWORD")) == "s3cret"

    monkeypatch.setenv("SCHOOL_PASSWORD", "")
    with pytest.raises(UsageError, match="variable SCHOOL_PASSWORD is not set"):
        secret(Secret(env="SCHOOL_PASSWORD"))


def test_secret_of_a_scope(monkeypatch):
    with serving(FakeWorkspace(scopes={"azure": {"school": "s3cret"}})) as workspace:
        monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "x")
        monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "pat")

        assert secret(Secret(scope="azure", key="school")) == "s3cret"
        with pytest.raises(BackendUnavailable, match="secret none of scope azure cannot be read"):
            secret(Secret(scope="azure", key="none"))
