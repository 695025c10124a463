"""Which session is made where: the runtime's, a remote one, or a local one."""

import pytest

from deepkt_irt import session
from deepkt_irt.errors import BackendUnavailable


@pytest.fixture
def made(monkeypatch):
    """The kinds of session asked for, none of them started; an environment without any hint."""
    asked = []
    monkeypatch.setattr(session, "local_session", lambda **_: asked.append("local"))
    monkeypatch.setattr(session, "remote_session", lambda: asked.append("remote"))
    monkeypatch.setattr(session, "connect_installed", lambda: False)
    for name in (session.REMOTE_VARIABLE, "DATABRICKS_RUNTIME_VERSION"):
        monkeypatch.delenv(name, raising=False)
    return asked


def test_folder_is_reached_by_local_spark(made):
    session.folder_session()

    assert made == ["local"]


def test_folder_and_catalog_are_reached_through_the_server_that_is_named(made, monkeypatch):
    monkeypatch.setenv(session.REMOTE_VARIABLE, "sc://127.0.0.1:15002")

    session.folder_session()
    session.workspace_session()

    assert made == ["remote", "remote"]


def test_folder_cannot_be_reached_by_databricks_connect(made, monkeypatch):
    monkeypatch.setattr(session, "connect_installed", lambda: True)

    with pytest.raises(BackendUnavailable, match="reaches no lake folder: give --catalog"):
        session.folder_session()
    assert made == []


def test_catalog_is_reached_by_databricks_connect(made, monkeypatch):
    monkeypatch.setattr(session, "connect_installed", lambda: True)

    session.workspace_session()

    assert made == ["remote"]


def test_catalog_without_any_way_says_what_to_install(made):
    with pytest.raises(BackendUnavailable, match=r"make .venv-connect/.ready .*whl\[connect\]'"):
        session.workspace_session()
    assert made == []


def test_databricks_connect_is_not_installed_beside_local_spark():
    assert not session.connect_installed()
