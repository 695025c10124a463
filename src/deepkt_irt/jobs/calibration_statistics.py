"""The E-step on the workers: each sums over its students, the driver adds the sums.

The same functions run on the blocks as in memory. Only sums come here, one per partition; what
is sent out are the curves at the nodes.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepkt_irt.irt.blocks import Block, Expected, ScoreProducts, Tables, in_blocks
from deepkt_irt.irt.em import State
from deepkt_irt.irt.posterior import abilities
from deepkt_irt.settings import CalibrationSettings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_SUMS = "first binary, second binary, total double"


def cells_and_groups(rows: pa.Table | pa.RecordBatch, n_cells: int) -> tuple[csr_array, IntArray]:
    """The matrix of gold.calibration_responses, in the order of the rows.

    Args:
        rows: Columns cells and group_index.
        n_cells: Levels of all kept items.

    Returns:
        1 at the level reached, (students, cells), and each student's group, (students,).
    """
    column = rows.column("cells")
    lists = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    offsets = np.asarray(lists.offsets)
    at = np.asarray(lists.flatten())
    shape = (len(lists), n_cells)
    cells = csr_array((np.ones(len(at)), at, offsets - offsets[0]), shape=shape)
    return cells, np.asarray(rows.column("group_index")).astype(np.int64)


class OnWorkers:
    """Statistics of gold.calibration_responses, summed where its rows are.

    Args:
        students: Rows of the table.
        n_cells: Levels of all kept items.
        settings: Its nodes say how large a block may be.
    """

    def __init__(
        self, students: "DataFrame", *, n_cells: int, settings: CalibrationSettings
    ) -> None:
        self._students, self._n_cells, self._settings = students, n_cells, settings

    def expected(self, tables: Tables) -> Expected:
        """Sufficient statistics of all students."""
        shape = (self._n_cells, tables.log_chances.shape[1])

        def of(block: Block) -> tuple[FloatArray, FloatArray, float]:
            found = block.expected(tables)
            return found.counts, found.group_mass, found.log_likelihood

        first, second, total = self._summed(of)
        return Expected(first.reshape(shape), second.reshape(tables.log_prior.shape), total)

    def score_products(self, tables: Tables, scores: FloatArray, z: FloatArray) -> ScoreProducts:
        """Products of mean scores of all students."""
        nothing = np.zeros(0)

        def of(block: Block) -> tuple[FloatArray, FloatArray, float]:
            found = block.score_products(tables, scores, z)
            return found.products, nothing, found.located

        first, _, total = self._summed(of)
        return ScoreProducts(first.reshape(-1, self._n_cells), total)

    def abilities(self, state: State, scale: float) -> "DataFrame":
        """student_key, ability, ability_sd, n_responses of every student, computed there."""
        n_cells, settings = self._n_cells, self._settings

        def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                cells, group = cells_and_groups(batch, n_cells)
                blocks = in_blocks(cells, group, n_nodes=settings.n_nodes)
                found = [abilities(block, state, scale, settings) for block in blocks]
                mean, sd, _ = np.concatenate(found, axis=1)
                counted = np.diff(cells.indptr).astype(np.int64)
                columns = [batch.column("student_key"), pa.array(mean), pa.array(sd)]
                yield pa.RecordBatch.from_arrays(
                    [*columns, pa.array(counted)],
                    ["student_key", "ability", "ability_sd", "n_responses"],
                )

        columns = "student_key string, ability double, ability_sd double, n_responses bigint"
        return self._students.mapInArrow(run, columns)

    def _summed(
        self, of: Callable[[Block], tuple[FloatArray, FloatArray, float]]
    ) -> tuple[FloatArray, FloatArray, float]:
        n_cells, n_nodes = self._n_cells, self._settings.n_nodes

        def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            sums: list[tuple[FloatArray, FloatArray, float]] = []
            for batch in batches:
                if batch.num_rows:
                    cells, group = cells_and_groups(batch, n_cells)
                    blocks = in_blocks(cells, group, n_nodes=n_nodes)
                    sums = [_added(*sums, *(of(block) for block in blocks))]
            for first, second, total in sums:
                yield pa.RecordBatch.from_pydict(
                    {
                        "first": [first.tobytes()],
                        "second": [second.tobytes()],
                        "total": [total],
                    }
                )

        rows = self._students.mapInArrow(run, _SUMS).toArrow()
        parts = [
            (np.frombuffer(first), np.frombuffer(second), total)
            for first, second, total in zip(*(each.to_pylist() for each in rows), strict=True)
        ]
        return _added(*parts)


def _added(
    *parts: tuple[FloatArray, FloatArray, float],
) -> tuple[FloatArray, FloatArray, float]:
    first, second, total = parts[0]
    for more in parts[1:]:
        first, second, total = first + more[0], second + more[1], total + more[2]
    return first, second, total
