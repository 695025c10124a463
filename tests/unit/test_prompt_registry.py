"""Wordings in the prompt registry of a real SQLite file."""

from dataclasses import replace

import mlflow
import pytest

from deepkt_irt.errors import BackendUnavailable, UsageError
from deepkt_irt.prompt_registry import PromptRegistry
from deepkt_irt.rag.prompts import VERSION, explanation_prompt, wording
from deepkt_irt.settings import ExplanationSettings
from made_up_evidence import evidence

pytestmark = pytest.mark.slow

NAME = "main.gold.explanation"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('prompts') / 'mlflow.db'}"


@pytest.fixture
def registry(uri):
    return PromptRegistry(uri, uri, prompt_names={"explanation": NAME})


def versions(uri, name):
    return mlflow.MlflowClient(uri, uri).search_prompt_versions(name)


def test_a_wording_is_registered_once_with_all_its_words(registry, uri):
    assert registry.register("explanation", VERSION, wording()) == "1"
    assert registry.register("explanation", VERSION, wording()) == "1"
    (found,) = versions(uri, NAME)

    assert found.tags["version"] == VERSION
    assert found.tags["wording_sha256"] == wording().hash
    assert found.response_format == wording().schema
    assert {"token", "data", "audience", "locale", "grade", "voice", "repair"} == found.variables


def test_what_is_registered_is_what_a_model_is_told(registry, uri):
    registry.register("explanation", VERSION, wording())
    (found,) = versions(uri, NAME)
    asked = explanation_prompt(evidence(), ExplanationSettings(), problems=["x: mend it"])
    token, _, rest = asked.data.removeprefix("<data ").partition(">\n")

    system, user = found.format(
        audience="teacher",
        locale="en",
        grade="13",
        voice=found.tags["voice_teacher"],
        repair=wording().repair.format(problems="- x: mend it"),
        token=token,
        data=rest.rpartition("\n")[0],
    )
    assert system["content"] == asked.instructions
    assert user["content"] == asked.data


def test_other_words_need_another_version(registry, uri):
    registry.register("explanation", VERSION, wording())
    other = replace(wording(), instructions="Explain it to a {audience}.")

    with pytest.raises(UsageError, match=f"{VERSION} are other words than .* as version 1; change"):
        registry.register("explanation", VERSION, other)
    assert len(versions(uri, NAME)) == 1

    assert registry.register("explanation", "explain-x", other) == "2"
    assert registry.register("explanation", VERSION, wording()) == "1"  # the one before is fine


def test_registry_that_is_away_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    uri = f"sqlite:///{tmp_path / 'file' / 'x.db'}"

    with pytest.raises(BackendUnavailable, match="could not register the prompt explanation"):
        PromptRegistry(uri, uri).register("explanation", VERSION, wording())
