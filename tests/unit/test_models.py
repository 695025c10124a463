"""What the commands about models say and refuse; the registry itself is a stand-in."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deepkt_irt import serving
from deepkt_irt.errors import NoData, NotTrained, UsageError
from deepkt_irt.jobs.models import (
    as_json,
    open_models,
    render_text,
    roll_back,
    serve_champion,
    trained_models,
    versions_of,
)
from deepkt_irt.jobs.opening import Target
from deepkt_irt.knowledge_tracing.versions import Version, VersionFacts

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)


def facts(number, *, champion=False, metrics=None, **tags):
    figures = {"test_auc": 0.7812} if metrics is None else metrics
    return VersionFacts(Version("sakt", number, f"run{number}"), AT, figures, tags, champion)


CHAMPION = facts(
    "3",
    champion=True,
    decision="promoted",
    decision_reasons="better: AUC .7812 against .7790 of version 2",
    champion_since_2="2026-03-01T02:00:00+00:00",
    champion_reason_2="better",
    protocol="P1",
)
KEPT_BACK = facts(
    "4", decision="kept back", decision_reasons="not better beyond chance", metrics={}
)


class Registry:
    """Two versions; version 3 is champion, version 2 was it before."""

    def __init__(self, number="3"):
        self.number, self.served = number, None

    def versions(self, model):
        return (KEPT_BACK, CHAMPION) if model == "sakt" else ()

    def champion(self, model):
        return Version(model, self.number, "run") if self.number else None

    def roll_back(self, model, *, at=None):
        return Version(model, "3", "run"), Version(model, "2", "run")

    def service_files(self, version, folder):
        self.served = version
        return folder


def test_text_marks_the_champion_and_says_why_the_other_is_not():
    text = render_text(versions_of(Registry(), ["sakt", "wd_irt"]))

    assert text.splitlines() == [
        "  sakt 4  registered 2026-03-01 02:00 UTC",
        "    no figures: its run was deleted",
        "    kept back: not better beyond chance",
        "* sakt 3  registered 2026-03-01 02:00 UTC, champion since 2026-03-01T02:00:00+00:00",
        "    test_auc 0.7812",
        "    protocol: P1",
        "    promoted: better: AUC .7812 against .7790 of version 2",
        "",
        "* scores students",
    ]


def test_text_without_versions_says_what_to_do():
    assert render_text([]) == "No version is registered yet; run a training task first."


def test_version_nobody_decided_about_says_so():
    assert "no decision is on record" in render_text([facts("1")])


def test_version_that_was_rolled_back_says_since_when():
    back = facts("5", decision="promoted", champion_since_3="then", champion_until_3="later")

    assert "rolled back at later" in render_text([back])
    assert as_json([back])[0]["rolled_back_at"] == "later"
    assert as_json([CHAMPION])[0]["rolled_back_at"] is None


def test_json_has_all_that_is_known_and_can_be_written():
    kept, champion = json.loads(json.dumps(as_json([KEPT_BACK, CHAMPION]), allow_nan=False))

    assert champion["champion"] is True
    assert champion["champion_since"] == "2026-03-01T02:00:00+00:00"
    assert champion["champion_reasons"] == ["better"]
    assert champion["metrics"] == {"test_auc": 0.7812}
    assert (kept["champion"], kept["champion_since"], kept["decision"]) == (
        False,
        None,
        "kept back",
    )


def test_json_writes_a_figure_that_is_no_number_as_null():
    (found,) = as_json([facts("1", metrics={"auc": float("nan")})])

    assert found["metrics"] == {"auc": None}


def test_rollback_says_from_where_to_where_and_refuses_unknown_models():
    assert roll_back(Registry(), "sakt") == ("3", "2")
    with pytest.raises(UsageError, match=r"no model 'sakd'; there are: .*sakt"):
        roll_back(Registry(), "sakd")


def test_serve_takes_the_champion_and_says_where_it_answers(monkeypatch):
    def answer(service, *, host, port, on_ready):
        assert service.is_dir()
        on_ready(f"http://{host}:{port}")

    monkeypatch.setattr(serving, "answer_requests", answer)
    registry, said = Registry(), []

    serve_champion(registry, "sakt", host="127.0.0.1", port=5001, on_ready=said.append)

    assert registry.served == Version("sakt", "3", "run")
    assert said == ["sakt version 3 answers at http://127.0.0.1:5001/invocations"]


def test_serve_without_champion_or_of_an_unknown_model_is_refused():
    with pytest.raises(NotTrained, match="sakt"):
        serve_champion(Registry(None), "sakt", host="h", port=1, on_ready=print)
    with pytest.raises(UsageError, match="no model"):
        serve_champion(Registry(), "sakd", host="h", port=1, on_ready=print)


def test_models_are_those_that_a_task_trains():
    assert "sakt" in trained_models()


def test_lake_in_which_nothing_was_trained_is_left_as_it_is(tmp_path):
    with pytest.raises(NoData, match="no model was ever trained"):
        open_models(Target(lake=tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_folder_that_stands_for_a_catalog_is_opened_as_one(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPKT_CATALOGS", str(tmp_path))
    Path(tmp_path / "deepkt").mkdir()
    with pytest.raises(NoData, match="deepkt; run its training task first"):
        open_models(Target(catalog="deepkt"))
    (tmp_path / "deepkt" / "mlflow.db").touch()

    assert open_models(Target(catalog="deepkt"))
