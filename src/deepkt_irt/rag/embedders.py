"""Text to vectors: one protocol for what is fitted here and what answers over a network.

Whatever embeds, a vector that is zero or not finite stops the work: it would be found for every
question or for none, and nobody would see it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from deepkt_irt.errors import BackendUnavailable, QualityViolation, UsageError
from deepkt_irt.rag.azure_openai import client_at
from deepkt_irt.rag.workspace import asking, first_line, open_workspace
from deepkt_irt.settings import ContentSettings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient
    from openai import OpenAI

FloatArray = NDArray[np.float64]
Vectors = NDArray[np.float32]

_BATCH = 64  # texts in one request
_SECONDS, _RETRIES = 60.0, 5  # of a request; it is repeated when the service says so


class Embedder(Protocol):
    """Makes vectors of texts; the same version gives the same vectors."""

    @property
    def name(self) -> str:
        """What embeds."""
        ...

    @property
    def version(self) -> str:
        """Which one; vectors of different versions are never compared."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Vectors of any length above 0, (texts, dimension).

        Raises:
            BackendUnavailable: If what embeds does not answer.
        """
        ...


def embedded(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    """Vectors of length 1, (texts, dimension).

    Raises:
        QualityViolation: If one is zero or not finite, or there is not one for each text.
        BackendUnavailable: If the embedder does not answer.
    """
    vectors = _checked(embedder, texts)
    length = np.linalg.norm(vectors, axis=1)
    if (length == 0).any():
        which = int(np.flatnonzero(length == 0)[0])
        problem = f"{int((length == 0).sum())} of {len(texts)} embeddings are zero, the first that "
        raise QualityViolation(f"embedder {embedder.name}", f"{problem}of {texts[which][:80]!r}")
    return (vectors / length[:, None]).astype(np.float32)


def embedded_question(embedder: Embedder, text: str) -> Vectors | None:
    """The vector of a question, of length 1; None if the embedder knows nothing in it.

    Raises:
        QualityViolation: If it is not finite, or not of the embedder's length.
        BackendUnavailable: If the embedder does not answer.
    """
    vector = _checked(embedder, [text])[0]
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length else None


def _checked(embedder: Embedder, texts: Sequence[str]) -> FloatArray:
    vectors = np.asarray(embedder.embed(texts), dtype=np.float64)
    expected = (len(texts), embedder.dimension)
    if vectors.shape != expected:
        problem = f"embeddings are {vectors.shape}, expected {expected}; see content.dimension"
        raise QualityViolation(f"embedder {embedder.name}", problem)
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        problem = f"{int(bad.sum())} of {len(texts)} embeddings are not finite"
        raise QualityViolation(f"embedder {embedder.name}", problem)
    return vectors


class AzureOpenAi:
    """Embeddings of an Azure OpenAI deployment.

    Args:
        client: Of the openai package, on the resource's v1 address.
        deployment: Name of the deployment.
        dimension: Length to ask for; text-embedding-3 models shorten theirs to it.
    """

    name = "azure_openai"

    def __init__(self, client: "OpenAI", deployment: str, dimension: int) -> None:
        self._client, self._deployment, self.dimension = client, deployment, dimension
        self.version = f"{deployment}-{dimension}"

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Vectors, (texts, dimension)."""
        from openai import OpenAIError  # noqa: PLC0415 - an extra

        found: list[list[float]] = []
        try:
            for batch in _batches(texts):
                reply = self._client.embeddings.create(
                    model=self._deployment, input=batch, dimensions=self.dimension
                )
                found += [each.embedding for each in sorted(reply.data, key=lambda e: e.index)]
        except OpenAIError as error:
            problem = f"deployment {self._deployment} did not embed: {first_line(error)}"
            raise BackendUnavailable(problem) from error
        return _rows(found, self.dimension)


class DatabricksEndpoint:
    """Embeddings of a model that Databricks serves, such as `databricks-gte-large-en`.

    Args:
        client: Of the workspace.
        endpoint: Name of the serving endpoint.
        dimension: Length of its vectors.
    """

    name = "databricks"

    def __init__(self, client: "WorkspaceClient", endpoint: str, dimension: int) -> None:
        self._client, self._endpoint, self.dimension = client, endpoint, dimension
        self.version = f"{endpoint}-{dimension}"

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Vectors, (texts, dimension)."""
        found: list[list[float]] = []
        with asking(f"embed at serving endpoint {self._endpoint}"):
            for batch in _batches(texts):
                reply = self._client.serving_endpoints.query(self._endpoint, input=batch)
                data = sorted(reply.data or [], key=lambda each: each.index or 0)
                found += [each.embedding or [] for each in data]
        return _rows(found, self.dimension)


class SentenceTransformers:
    """Embeddings of a sentence-transformers model in a folder; nothing is downloaded.

    Args:
        folder: Where the model lies.
        dimension: Length of its vectors.

    Raises:
        UsageError: If there is no such folder, or its vectors have another length.
        BackendUnavailable: If sentence-transformers is not installed.
    """

    name = "sentence_transformers"

    def __init__(self, folder: Path, dimension: int) -> None:
        if not folder.is_dir():
            raise UsageError(f"content.model={folder}: there is no such folder with a model")
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - not ours
        except ModuleNotFoundError as error:
            need = "sentence-transformers is not installed: pip install sentence-transformers"
            raise BackendUnavailable(need) from error
        self._model: Any = SentenceTransformer(str(folder), local_files_only=True)
        self.dimension, self.version = dimension, f"{folder.name}-{dimension}"
        own = self._model.get_sentence_embedding_dimension()
        if own != dimension:
            raise UsageError(f"the model in {folder} has content.dimension={own}, not {dimension}")

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """Vectors, (texts, dimension)."""
        vectors = self._model.encode(list(texts), batch_size=_BATCH, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float64).reshape(len(texts), -1)


def remote_embedder(settings: ContentSettings) -> Embedder:
    """The embedder the settings name, if it is not fitted here.

    Raises:
        UsageError: If a setting it needs is missing.
        BackendUnavailable: If its package is not installed, or nobody says how to sign in.
    """
    if not settings.model:
        raise UsageError(f"content.model: say which, as embedder {settings.embedder} needs one")
    if settings.embedder == "azure_openai":
        client = client_at(
            settings.base_url,
            setting="content.base_url",
            timeout_seconds=_SECONDS,
            max_retries=_RETRIES,
            service_credential=settings.service_credential,
        )
        return AzureOpenAi(client, settings.model, settings.dimension)
    if settings.embedder == "databricks":
        return DatabricksEndpoint(open_workspace(), settings.model, settings.dimension)
    if settings.embedder == "sentence_transformers":
        return SentenceTransformers(Path(settings.model), settings.dimension)
    raise UsageError(f"content.embedder={settings.embedder} is fitted on the library, not opened")


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(texts), _BATCH):
        yield list(texts[start : start + _BATCH])


def _rows(found: list[list[float]], dimension: int) -> FloatArray:
    """Vectors as a table; ones of different lengths make none."""
    if len({len(each) for each in found}) > 1:
        raise QualityViolation("embedder", "embeddings of one call have different lengths")
    return np.array(found, dtype=np.float64).reshape(len(found), -1 if found else dimension)
