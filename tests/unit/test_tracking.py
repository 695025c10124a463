"""The model store on a real SQLite file."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.pyfunc.model import PythonModel

from deepkt_irt.errors import BackendUnavailable, NotTrained, UsageError
from deepkt_irt.tracking import ModelStore, Provenance, TableRead, Training, signature_of

pytestmark = pytest.mark.slow

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)


class Half(PythonModel):
    """Says one half of everything."""

    def predict(self, context, model_input, params=None):
        return np.full(len(model_input), 0.5)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return ModelStore(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri())


def register(models, key, *, model="sakt", provenance=None, **described):
    def save(folder):
        folder.mkdir()
        (folder / "weights").write_text(key)

    training = Training(
        key,
        {"width": 8},
        {"auc": 0.7},
        [{"loss": 0.6}, {"loss": 0.5}],
        ["numpy"],
        provenance,
    )
    return models.register(model, training, save=save, service=Half(), **described)


def test_store_from_empty_to_champion(models, tmp_path):
    assert models.champion("sakt") is None
    with pytest.raises(NotTrained, match="sakt"):
        models.champion_files("sakt", tmp_path)

    first, second = register(models, "a"), register(models, "b")

    assert (first.number, second.number) == ("1", "2")
    assert models.version_of_training("sakt", "a") == first
    assert models.version_of_training("sakt", "unknown") is None
    models.set_champion(second)
    version, files = models.champion_files("sakt", tmp_path)
    assert version == second
    assert (files / "weights").read_text() == "b"


def test_register_closes_runs_that_were_cut_off(models):
    register(models, "c")
    client = models._client
    experiment = client.get_experiment_by_name("/Shared/deepkt-irt/sakt-training")
    abandoned = client.create_run(experiment.experiment_id).info.run_id

    register(models, "d")

    assert client.get_run(abandoned).info.status == "KILLED"


def test_store_that_cannot_be_opened_says_so(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(BackendUnavailable, match="MLflow could not"):
        ModelStore(f"sqlite:///{tmp_path / 'file' / 'x.db'}", None).champion("sakt")


def test_rollback_follows_the_champions_back_and_says_from_where_to_where(models):
    first, second, third = (register(models, key, model="rolled") for key in "abc")
    models.set_champion(first)
    models.set_champion(second, at=AT, reason="better")
    models.set_champion(second)  # a job that runs again
    models.set_champion(third)

    assert [models.held_against(each) for each in (first, second, third)] == ["3", "3", "2"]
    assert models.roll_back("rolled") == (third, second)
    assert models.held_against(third) == "2"
    assert models.roll_back("rolled", at=AT) == (second, first)
    assert models.champion("rolled") == first
    assert models.held_against(first) is None
    assert [models.was_rolled_back(each) for each in (first, second, third)] == [False, True, True]
    with pytest.raises(UsageError, match="model rolled: version 1 has no champion before it"):
        models.roll_back("rolled")
    facts = {each.version.number: each for each in models.versions("rolled")}
    assert list(facts) == ["3", "2", "1"]
    assert [each.is_champion for each in facts.values()] == [False, False, True]
    assert facts["2"].tags["champion_since_2"] == AT.isoformat()
    assert facts["2"].tags["champion_until_2"] == AT.isoformat()
    assert facts["2"].tags["champion_reason_2"] == "better"


def test_rollback_of_a_model_without_champion_says_so(models):
    with pytest.raises(NotTrained, match="nothing"):
        models.roll_back("nothing")


def test_promotion_cut_off_before_the_alias_is_mended_by_running_again(models, monkeypatch):
    first, second = (register(models, key, model="cut") for key in "ab")
    models.set_champion(first)
    with monkeypatch.context() as patched:
        patched.setattr(models._client, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            models.set_champion(second)
    assert models.champion("cut") == first

    models.set_champion(second)

    assert models.champion("cut") == second
    assert models.roll_back("cut") == (second, first)


def killed(*_, **__):
    raise KeyboardInterrupt


def test_decision_is_kept_with_its_reasons_and_figures(models):
    version = register(models, "a", model="judged")

    reasons = ["not better beyond chance: AUC .7", "x" * 2000]
    models.note_decision(
        version, promoted=False, reasons=reasons, at=AT, metrics={"test_auc": 0.7012}
    )

    (facts,) = models.versions("judged")
    assert facts.tags["decision"] == "kept back"
    assert facts.tags["decision_reasons"].startswith("not better beyond chance: AUC .7; xxx")
    assert facts.tags["decided_at"] == AT.isoformat()
    assert facts.metrics["test_auc"] == 0.7012
    assert facts.metrics["auc"] == 0.7


def test_version_carries_provenance_signature_and_example(models):
    given = pd.DataFrame({"items": [np.array([1, 2]), np.array([3])], "asked": [4, 5]})
    read = TableRead("gold.sakt_sequences", 3, folder="/lake/tables/gold/sakt_sequences")
    provenance = Provenance("P1", "d1", "c1", tables=[read])

    version = register(
        models,
        "a",
        model="described",
        provenance=provenance,
        signature=signature_of(given, np.array([0.5, 0.6])),
        input_example=given,
    )

    (facts,) = models.versions("described")
    assert facts.version == version
    assert provenance.tags.items() <= facts.tags.items()
    described = mlflow.models.get_model_info(f"models:/described/{version.number}")
    assert described.signature.inputs.input_names() == ["items", "asked"]
    assert str(described.signature.inputs.inputs[0].type) == "Array(long)"
    assert described.saved_input_example_info is not None


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ({"folder": "/lake/gold/a"}, {"path": "/lake/gold/a"}),
        ({"full_name": "main.gold.a"}, {"delta_table_name": "main.gold.a"}),
    ],
)
def test_run_has_the_tables_it_read_as_its_inputs(models, place, told, monkeypatch):
    # a workspace would be asked for it
    monkeypatch.setattr(DeltaDatasetSource, "_lookup_table_id", lambda self, name: "an id")
    provenance = Provenance("P1", "d1", "c1", tables=[TableRead("gold.a", 3, **place)])

    version = register(models, "a", model=f"of_{next(iter(place))}", provenance=provenance)

    (each,) = models._client.get_run(version.run_id).inputs.dataset_inputs
    assert (each.dataset.name, each.dataset.digest) == ("gold.a", "v3")
    assert [(tag.key, tag.value) for tag in each.tags] == [("mlflow.data.context", "training")]
    source = json.loads(each.dataset.source)
    assert each.dataset.source_type == "delta_table"
    assert source.items() >= {**told, "delta_table_version": 3}.items()


def test_tags_are_found_where_a_search_does_not_give_them(models, monkeypatch):
    version = register(models, "key", model="searched")
    search = models._client.search_model_versions

    def without_tags(condition):
        return [SimpleNamespace(version=each.version) for each in search(condition)]

    monkeypatch.setattr(models._client, "search_model_versions", without_tags)

    assert models.version_of_training("searched", "key") == version
