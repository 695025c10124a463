"""How well the library's search finds material on a question's skills: measured when it changes."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from deepkt_irt.irt.fit import wilson
from deepkt_irt.jobs.context import JobContext
from deepkt_irt.rag.content import Passage
from deepkt_irt.rag.embedders import embedded, remote_embedder
from deepkt_irt.rag.index import Chunk, Index
from deepkt_irt.rag.local_index import LocalIndex
from deepkt_irt.rag.lsa import Lsa
from deepkt_irt.rag.retrieval_quality import DEPTHS, Measures, Questions, measured, searched
from deepkt_irt.settings import ContentSettings
from deepkt_irt.tables.gold_content import RETRIEVAL_EVALUATIONS

PROTOCOL = "held_out_questions"
_DIGITS = 24
_DECIDES = (
    *("embedder", "model", "dimension", "max_characters"),
    *("bm25_k1", "bm25_b", "rrf_k", "candidates"),
)


def evaluate_retrieval(
    ctx: JobContext, passages: Sequence[Passage], rows: pd.DataFrame
) -> Mapping[str, float]:
    """Measure each kind of search and keep it; the same content is not measured twice.

    Args:
        ctx: Of the task that builds the library.
        passages: All content.
        rows: Of the embeddings of all of it.

    Returns:
        Metrics of the task; only the number of questions where there are too few.
    """
    settings = ctx.settings.content
    questions = Questions.among(passages)
    kept, held_out = questions.split()
    asked = _at_most(held_out, settings.max_questions)
    if len(asked) < settings.min_questions:
        ctx.progress(
            f"search is not measured: {len(asked)} held-out questions with a text and skills, "
            f"{settings.min_questions} are needed"
        )
        return {"questions_held_out": float(len(asked))}
    data_version = _hash(sorted(rows["chunk_id"]))
    evaluation_id = _hash([data_version, PROTOCOL, _deciding(settings), len(asked)])
    known = ctx.read(RETRIEVAL_EVALUATIONS).filter(f"evaluation_id = '{evaluation_id}'")
    if known.first() is not None:
        return {"questions_held_out": float(len(asked))}
    library = questions.library(kept, max_characters=settings.max_characters)
    found = searched(_index(library, rows, settings), library, questions, asked)
    measures = {mode: measured(of_mode) for mode, of_mode in found.items()}
    shared = {
        "evaluation_id": evaluation_id,
        "protocol": PROTOCOL,
        "data_version": data_version,
        "embedder": settings.embedder,
        "run_id": ctx.run_id,
        "n_chunks": len(library),
        "evaluated_at": ctx.as_of,
    }
    made = [{**shared, "search": mode, **_figures(each)} for mode, each in measures.items()]
    frame = ctx.frame(RETRIEVAL_EVALUATIONS, pd.DataFrame(made))
    ctx.insert_new(RETRIEVAL_EVALUATIONS, frame)
    recall = {f"recall_at_{DEPTHS[1]}_{mode}": m.recall[DEPTHS[1]] for mode, m in measures.items()}
    return {"questions_held_out": float(len(asked)), **recall}


def _at_most(questions: Sequence[str], n: int) -> list[str]:
    """So many of the questions, spread by hash, the same each time."""
    return sorted(questions, key=lambda each: _hash([each]))[:n]


def _index(library: Sequence[Chunk], rows: pd.DataFrame, settings: ContentSettings) -> Index:
    """Exact search over a part of the library; lsa is fitted on that part alone."""
    if settings.embedder == Lsa.name:
        texts = [f"{chunk.title}\n{chunk.text}" for chunk in library]
        lsa = Lsa.fitted(texts, dimension=settings.dimension)
        return LocalIndex(list(library), embedded(lsa, texts), lsa, settings)
    known = dict(zip(rows["content_hash"], rows["embedding"], strict=True))
    vectors = [np.asarray(known[chunk.content_hash], dtype=np.float32) for chunk in library]
    return LocalIndex(list(library), np.stack(vectors), remote_embedder(settings), settings)


def _figures(found: Measures) -> dict[str, float]:
    low, high = wilson(found.recall[DEPTHS[1]], found.n_questions)
    return {
        "n_questions": found.n_questions,
        **{f"recall_at_{k}": value for k, value in found.recall.items()},
        f"recall_at_{DEPTHS[1]}_low": float(low),
        f"recall_at_{DEPTHS[1]}_high": float(high),
        **{f"skills_at_{k}": value for k, value in found.covered.items()},
        "mrr": found.mrr,
        "ndcg": found.ndcg,
    }


def _deciding(settings: ContentSettings) -> dict[str, object]:
    """The settings that decide what is found."""
    return {name: getattr(settings, name) for name in _DECIDES}


def _hash(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:_DIGITS]
