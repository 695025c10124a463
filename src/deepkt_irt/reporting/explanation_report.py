"""How explanations came out, and how well their material is found: what the report shows of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SearchFigures:
    """One kind of search on held-out questions.

    Attributes:
        search: lexical, vector or hybrid.
        recall: Share of questions with a relevant chunk among the first 1, 5 and 10.
        interval: 95% interval of the one among the first 5.
        mrr: Mean reciprocal rank.
        ndcg: Normalised discounted cumulative gain.
    """

    search: str
    recall: tuple[float, float, float]
    interval: tuple[float, float]
    mrr: float
    ndcg: float


@dataclass(frozen=True)
class Retrieval:
    """The latest measurement of the search.

    Attributes:
        evaluated_at: Instant, as text.
        protocol: How the figures were taken.
        data_version: Of the library.
        embedder: Of the vectors.
        n_questions: That were asked.
        n_chunks: That were searched.
        searches: In the order lexical, vector, hybrid.
    """

    evaluated_at: str
    protocol: str
    data_version: str
    embedder: str
    n_questions: int
    n_chunks: int
    searches: tuple[SearchFigures, ...]


@dataclass(frozen=True)
class Outcomes:
    """How the explanations for one audience came out.

    Attributes:
        audience: Whom they are for.
        n: All.
        n_verified: Worded by a model, and held against their evidence.
        n_without_sources: That cite no passage.
        grade: Mean Flesch-Kincaid grade.
        hardest: Highest grade.
    """

    audience: str
    n: int
    n_verified: int
    n_without_sources: int
    grade: float
    hardest: float


@dataclass(frozen=True)
class Spending:
    """What the last run that asked a model sent and paid.

    Attributes:
        requested_at: Instant of its last request, as text.
        n_requests: Sent.
        n_answered: Of these, answered.
        tokens: In and out, as far as the service said.
        cost_usd: By the price table.
    """

    requested_at: str
    n_requests: int
    n_answered: int
    tokens: int
    cost_usd: float


@dataclass(frozen=True)
class ExplanationReport:
    """Explanations as they stand, what the last ones cost, and the search behind them.

    Attributes:
        outcomes: By audience; empty if there is no explanation.
        reasons: Why explanations are offline, in words without figures, and how many; most first.
        spending: None if no model was ever asked.
        retrieval: None if it was not measured.
    """

    outcomes: tuple[Outcomes, ...]
    reasons: tuple[tuple[str, int], ...]
    spending: Spending | None
    retrieval: Retrieval | None
