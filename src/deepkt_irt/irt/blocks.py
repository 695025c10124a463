"""The E-step: what a block of students' responses says, given the curves of the items.

Everything summed here is a sum over students, so blocks may lie in memory or on the workers of a
cluster: the same functions run, and the sums are added.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_DENSE_FROM = 0.08  # share of cells filled from which a dense product is faster
_BLOCK_CELLS = 400_000  # numbers of a dense block, or of its posteriors, held at a time
_CHUNK = 100_000  # responses whose posteriors are gathered at a time


@dataclass(frozen=True)
class Tables:
    """Curves at the nodes, as blocks need them.

    Attributes:
        log_chances: (items x levels, nodes), a row for each level of each item.
        log_prior: Log weight of each node, (groups, nodes).
    """

    log_chances: FloatArray
    log_prior: FloatArray


@dataclass(frozen=True)
class Expected:
    """Sufficient statistics of the M-step.

    Attributes:
        counts: Expected responses at each level and node, (items x levels, nodes).
        group_mass: Expected students at each node, (groups, nodes).
        log_likelihood: Marginal, of all responses.
    """

    counts: FloatArray
    group_mass: FloatArray
    log_likelihood: float

    def __add__(self, other: Self) -> "Expected":
        return Expected(
            self.counts + other.counts,
            self.group_mass + other.group_mass,
            self.log_likelihood + other.log_likelihood,
        )


@dataclass(frozen=True)
class ScoreProducts:
    """Products of the students' mean scores, for standard errors.

    Attributes:
        products: Sum over responses of E[score_p] E[score_q], (pairs, items x levels); pairs
            p <= q in the order of `np.triu_indices`.
        located: Sum over the students of group 0 of 1 - the variance of their posterior.
    """

    products: FloatArray
    located: float

    def __add__(self, other: Self) -> "ScoreProducts":
        return ScoreProducts(self.products + other.products, self.located + other.located)


@dataclass(frozen=True)
class Block:
    """Responses of some students, each with at least one.

    Attributes:
        cells: 1 at the level reached, (students, items x levels).
        group: Group of each student, (students,).
    """

    cells: csr_array
    group: IntArray

    def posterior(self, tables: Tables) -> tuple[FloatArray, FloatArray]:
        """Posterior over the nodes, (students, nodes), and log likelihoods, (students,)."""
        return self._posterior(self._matrix(), tables)

    def _posterior(
        self, matrix: csr_array | FloatArray, tables: Tables
    ) -> tuple[FloatArray, FloatArray]:
        logs: FloatArray = matrix @ tables.log_chances
        logs += tables.log_prior[self.group]
        top = logs.max(axis=1, keepdims=True)
        logs -= top
        np.exp(logs, out=logs)
        total = logs.sum(axis=1, keepdims=True)
        logs /= total
        return logs, (top + np.log(total))[:, 0]

    def expected(self, tables: Tables) -> Expected:
        """Sufficient statistics of these students."""
        matrix = self._matrix()
        mass, log_likelihood = self._posterior(matrix, tables)
        groups = range(len(tables.log_prior))
        group_mass = np.array([mass[self.group == each].sum(axis=0) for each in groups])
        return Expected(matrix.T @ mass, group_mass, float(log_likelihood.sum()))

    def score_products(self, tables: Tables, scores: FloatArray, z: FloatArray) -> ScoreProducts:
        """Products of mean scores of these students; scores are (parameters, cells, nodes)."""
        mass, _ = self.posterior(tables)
        first, second = np.triu_indices(len(scores))
        means = self._mean_scores_dense if self._is_dense else self._mean_scores_sparse
        total = np.zeros((len(first), scores.shape[1]))
        for add in means(mass, scores, list(zip(first, second, strict=True))):
            total += add
        spread = mass @ z**2 - (mass @ z) ** 2
        return ScoreProducts(total, float((1 - spread)[self.group == 0].sum()))

    @property
    def _is_dense(self) -> bool:
        return _is_dense(self.cells)

    def _matrix(self) -> csr_array | FloatArray:
        """A dense copy where most cells are filled, for the speed of a dense product."""
        return self.cells.toarray() if self._is_dense else self.cells

    def _mean_scores_dense(
        self, mass: FloatArray, scores: FloatArray, pairs: list[tuple[int, int]]
    ) -> Iterator[FloatArray]:
        filled = self.cells.toarray()
        means = [mass @ each.T for each in scores]  # (students, cells)
        yield np.array([np.einsum("sc,sc,sc->c", filled, means[p], means[q]) for p, q in pairs])

    def _mean_scores_sparse(
        self, mass: FloatArray, scores: FloatArray, pairs: list[tuple[int, int]]
    ) -> Iterator[FloatArray]:
        student = np.repeat(np.arange(len(mass)), np.diff(self.cells.indptr))
        cell = self.cells.indices
        for begin in range(0, len(cell), _CHUNK):
            part = slice(begin, begin + _CHUNK)
            own, at = mass[student[part]], cell[part]
            means = [np.einsum("rq,rq->r", own, each[at]) for each in scores]
            yield np.array(
                [
                    np.bincount(at, weights=means[p] * means[q], minlength=scores.shape[1])
                    for p, q in pairs
                ]
            )


class Statistics(Protocol):
    """Where the sums over students come from: memory, or a cluster."""

    def expected(self, tables: Tables) -> Expected:
        """Sufficient statistics of all students."""

    def score_products(self, tables: Tables, scores: FloatArray, z: FloatArray) -> ScoreProducts:
        """Products of mean scores of all students."""


class InMemory:
    """Statistics of blocks in memory.

    Args:
        blocks: Of all students with a response.
    """

    def __init__(self, blocks: list[Block]) -> None:
        self.blocks = blocks

    def expected(self, tables: Tables) -> Expected:
        """Sufficient statistics of all students."""
        return _total(self.blocks, lambda block: block.expected(tables))

    def score_products(self, tables: Tables, scores: FloatArray, z: FloatArray) -> ScoreProducts:
        """Products of mean scores of all students."""
        return _total(self.blocks, lambda block: block.score_products(tables, scores, z))


def _total[Sum: (Expected, ScoreProducts)](blocks: list[Block], of: Callable[[Block], Sum]) -> Sum:
    total = of(blocks[0])
    for block in blocks[1:]:
        total = total + of(block)
    return total


def _is_dense(cells: csr_array) -> bool:
    return bool(cells.nnz >= _DENSE_FROM * cells.shape[0] * cells.shape[1])


def in_blocks(cells: csr_array, group: IntArray, *, n_nodes: int) -> list[Block]:
    """Cut students into blocks of bounded size, whatever their order.

    Args:
        cells: 1 at the level reached, (students, items x levels); every row has one.
        group: Group of each student, (students,).
        n_nodes: Quadrature nodes.
    """
    widest = max(n_nodes, 1)
    if _is_dense(cells):
        widest = max(widest, cells.shape[1])
    rows = max(1, _BLOCK_CELLS // widest)
    return [
        Block(cells[begin : begin + rows], group[begin : begin + rows])
        for begin in range(0, cells.shape[0], rows)
    ]
