"""The content library: how it is cut, embedded and searched."""

from typing import Literal

from pydantic import Field

from deepkt_irt.settings.frozen import Frozen


class ContentSettings(Frozen):
    """Chunks, embeddings, and the index over them."""

    max_characters: int = Field(
        1200, ge=100, description="of a chunk; longer content is cut after a sentence"
    )
    locale: str = Field("en", min_length=2, description="of content that does not say")
    embedder: Literal["lsa", "azure_openai", "databricks", "sentence_transformers"] = Field(
        "lsa", description="lsa is fitted on the library itself and needs no network"
    )
    model: str = Field(
        "", description="deployment, serving endpoint or folder of the embedder; lsa takes none"
    )
    base_url: str = Field(
        "", description="of azure_openai, as https://NAME.openai.azure.com/openai/v1/"
    )
    service_credential: str = Field("", description="of azure_openai, as chat.service_credential")
    dimension: int = Field(256, ge=8, le=4096, description="length of an embedding")
    refit_share: float = Field(
        0.2, ge=0, le=1, description="of chunks lsa was not fitted on; above it, it is fitted anew"
    )
    index: Literal["local", "databricks"] = Field(
        "local", description="local: exact search in memory; databricks: Vector Search"
    )
    endpoint: str = Field(
        "deepkt-content", min_length=1, description="of Vector Search, where the index is kept"
    )
    wait_minutes: int = Field(60, ge=1, description="for the endpoint and the index to be ready")
    bm25_k1: float = Field(1.2, ge=0, description="how fast more of a term counts less")
    bm25_b: float = Field(0.75, ge=0, le=1, description="how much long chunks are discounted")
    rrf_k: int = Field(
        60, ge=1, description="added to a place before it is inverted"
    )  # Cormack, Clarke and Buettcher (2009)
    min_questions: int = Field(
        30, ge=1, description="held out that search is measured on; with fewer it is not measured"
    )
    max_questions: int = Field(500, ge=1, description="that search is measured on")
    candidates: int = Field(100, ge=1, description="of each ranking that are fused")
