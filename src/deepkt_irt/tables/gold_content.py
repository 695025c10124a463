"""Gold contracts: content that can be cited, and what it is found by. No row is about a person."""

from deepkt_irt.tables.contract import Check, Column, Layer, Table

_CHUNK = (
    Column("chunk_id", "string", "hash of place and words: the same content keeps it"),
    Column("source", "string", "source system, or documents for files of teachers"),
    Column("kind", "string", "item, skill, hint, explanation or document"),
    Column("item_id", "string", "question it belongs to; joins silver.items", nullable=True),
    Column("skill_ids", "array<string>", "skills it is about, sorted; may be empty"),
    Column("grade", "string", "as its source says; null if it does not", nullable=True),
    Column("locale", "string", "language, an IETF tag"),
    Column("licence", "string", "terms of use as its source states them", nullable=True),
    Column("title", "string", "short text for people"),
    Column("text", "string", "the content, plain text"),
    Column("content_hash", "string", "SHA-256 of title and text; embedded once"),
)
_KIND_KNOWN = Check("kind_known", "kind IN ('item', 'skill', 'hint', 'explanation', 'document')")

CONTENT_LIBRARY = Table(
    layer=Layer.GOLD,
    name="content_library",
    comment="Content of sources and teachers in chunks that can be found and cited.",
    columns=(*_CHUNK, Column("added_at", "timestamp", "as-of instant it came in, UTC")),
    key=("chunk_id",),
    checks=(_KIND_KNOWN,),
)

CONTENT_EMBEDDINGS = Table(
    layer=Layer.GOLD,
    name="content_embeddings",
    comment="The content library with its vectors; a vector index is synced from it.",
    columns=(
        *_CHUNK,
        Column("embedder", "string", "what made the vector"),
        Column("embedder_version", "string", "which one; versions are never compared"),
        Column("embedding", "array<float>", "of title and text, of length 1"),
        Column("embedded_at", "timestamp", "as-of instant the text was embedded, UTC"),
    ),
    key=("chunk_id",),
    checks=(_KIND_KNOWN, Check("embedding_filled", "size(embedding) > 0")),
    change_feed=True,  # Vector Search follows it
)

RETRIEVAL_EVALUATIONS = Table(
    layer=Layer.GOLD,
    name="retrieval_evaluations",
    comment="How well each search found material on questions whose own was held out.",
    columns=(
        Column("evaluation_id", "string", "same content, questions and settings: the same id"),
        Column("search", "string", "lexical, vector or hybrid"),
        Column("protocol", "string", "how the figures were taken"),
        Column("data_version", "string", "hash of the library's chunk ids"),
        Column("embedder", "string", "what embedded library and questions"),
        Column("run_id", "string", "the pipeline run it belongs to"),
        Column("n_questions", "bigint", "questions asked, all held out"),
        Column("n_chunks", "bigint", "chunks that were searched, without theirs"),
        *(
            Column(
                f"recall_at_{k}",
                "double",
                f"share of questions with a chunk on one of their skills among the first {k}",
            )
            for k in (1, 5, 10)
        ),
        Column("recall_at_5_low", "double", "lower end of its 95% interval (Wilson)"),
        Column("recall_at_5_high", "double", "upper end of its 95% interval (Wilson)"),
        *(
            Column(
                f"skills_at_{k}",
                "double",
                f"mean share of a question's skills that the first {k} chunks are about",
            )
            for k in (1, 5, 10)
        ),
        Column("mrr", "double", "mean reciprocal rank within the first 10"),
        Column("ndcg", "double", "normalised discounted cumulative gain within the first 10"),
        Column("evaluated_at", "timestamp", "as-of instant of the run, UTC"),
    ),
    key=("evaluation_id", "search"),
    checks=(
        Check("search_known", "search IN ('lexical', 'vector', 'hybrid')"),
        Check("recall_is_share", "recall_at_5 BETWEEN 0 AND 1"),
    ),
)

TABLES = (CONTENT_LIBRARY, CONTENT_EMBEDDINGS, RETRIEVAL_EVALUATIONS)
