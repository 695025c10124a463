"""The model store on a real SQLite file."""

import pytest

from deepkt_irt.errors import BackendUnavailable, NotTrained
from deepkt_irt.serving import SaktService
from deepkt_irt.tracking import ModelStore, Training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return ModelStore(f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri())


def register(models, key):
    def save(folder):
        folder.mkdir()
        (folder / "weights").write_text(key)

    training = Training(key, {"width": 8}, {"auc": 0.7}, [{"loss": 0.6}, {"loss": 0.5}], ["numpy"])
    return models.register("sakt", training, save=save, service=SaktService())


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
