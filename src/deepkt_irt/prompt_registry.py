"""Prompts in MLflow's registry: a version for each wording, each under a name of its own."""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from deepkt_irt.errors import UsageError
from deepkt_irt.mlflow_errors import absent_is_none, quietly
from deepkt_irt.rag.prompts import Wording

if TYPE_CHECKING:
    from mlflow.entities.model_registry.prompt_version import PromptVersion
    from mlflow.tracking import MlflowClient

__all__ = ["PromptRegistry"]

_VERSION, _HASH = "version", "wording_sha256"
_BLANK = re.compile(r"\{(\w+)\}")


class PromptRegistry:
    """Prompts of one lake or workspace.

    Args:
        tracking_uri: Where runs are kept, such as sqlite:///lake/mlflow.db.
        registry_uri: Where prompts are registered.
        prompt_names: Name in the registry where it is not the prompt's own, such as
            `catalog.schema.name` in Unity Catalog.
    """

    def __init__(
        self, tracking_uri: str, registry_uri: str, *, prompt_names: Mapping[str, str] | None = None
    ) -> None:
        self._tracking_uri, self._registry_uri = tracking_uri, registry_uri
        self._prompt_names = dict(prompt_names or {})

    @cached_property
    def _client(self) -> "MlflowClient":
        import mlflow  # noqa: PLC0415 - slow to import, and absent where only lake tasks run

        return mlflow.MlflowClient(self._tracking_uri, self._registry_uri)

    def register(self, prompt: str, version: str, wording: Wording) -> str:
        """Have a wording in the registry; one that is there already is not registered again.

        Args:
            prompt: Short name.
            version: What our code calls the wording.
            wording: Its words.

        Returns:
            The version's number in the registry.

        Raises:
            UsageError: If the version stands for other words there.
            BackendUnavailable: If the registry does not answer.
        """
        name = self._prompt_names.get(prompt, prompt)
        with quietly(f"register the prompt {name}"):
            known = self._known(name)
            for each in known:
                if each.tags.get(_VERSION) == version and each.tags.get(_HASH) != wording.hash:
                    raise UsageError(
                        f"prompt {name}: {version} are other words than those registered under "
                        f"that name as version {each.version}; change VERSION in rag/prompts.py "
                        "with every word"
                    )
            same = [each for each in known if each.tags.get(_HASH) == wording.hash]
            return str((same[0] if same else self._registered(name, version, wording)).version)

    def _known(self, name: str) -> "list[PromptVersion]":
        """All versions, with their tags."""
        numbers: list[str] = []
        with absent_is_none():
            listed = self._client.search_prompt_versions(name)
            # Unity Catalog answers with a message instead of a list
            numbers = [str(each.version) for each in getattr(listed, "prompt_versions", listed)]
        found = [self._client.get_prompt_version(name, number) for number in numbers]
        return [each for each in found if each is not None]

    def _registered(self, name: str, version: str, wording: Wording) -> "PromptVersion":
        """A new version; its hash goes in with it, so that a kill leaves none without."""
        made: PromptVersion = self._client.register_prompt(
            name,
            _messages(wording),
            commit_message=version,
            tags={
                _VERSION: version,
                _HASH: wording.hash,
                "repair": _in_one_line(wording.repair),
                **{f"voice_{who}": text for who, text in wording.voices.items()},
            },
            response_format=dict(wording.schema),
        )
        return made


def _messages(wording: Wording) -> list[dict[str, str]]:
    """The words as messages, with blanks as MLflow writes them; a repair follows instructions."""
    parts = {"system": f"{wording.instructions}{{repair}}", "user": wording.data}
    return [{"role": role, "content": _BLANK.sub(r"{{\1}}", text)} for role, text in parts.items()]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
