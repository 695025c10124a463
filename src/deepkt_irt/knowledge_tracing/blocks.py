"""Blocks of neighbouring targets with the past they may see, packed by length into batches.

A long history is cut into blocks of targets. Each block carries the steps before it as context,
so that nothing is thrown away and what is computed per target is computed once.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deepkt_irt.knowledge_tracing.histories import BoolArray, Histories, IntArray


@dataclass(frozen=True)
class Blocks:
    """Each block asks for targets [first, end) of one segment and sees steps from `past` on.

    Attributes:
        past: First response the block sees, (blocks,).
        past_end: The first one that no target of it sees any more, (blocks,).
        first: First target, (blocks,).
        end: One past the last target, (blocks,).
    """

    past: IntArray
    past_end: IntArray
    first: IntArray
    end: IntArray

    def __len__(self) -> int:
        return len(self.first)

    @property
    def cost(self) -> IntArray:
        """The longer of targets and past: what a padded row of a batch would take, (blocks,)."""
        cost: IntArray = np.maximum(self.end - self.first, self.past_end - self.past)
        return cost


@dataclass(frozen=True)
class Batch:
    """Where a batch's targets and their past lie among the responses.

    Attributes:
        target: Index of the response asked about, (batch, targets).
        chosen: Whether it is to be predicted; the rest is padding or not asked, (batch, targets).
        past: Index of the response seen, (batch, steps).
        visible: How many leading steps each target sees, (batch, targets).
    """

    target: Tensor
    chosen: Tensor
    past: Tensor
    visible: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        moved = (
            part.to(device, non_blocking=True)
            for part in (self.target, self.chosen, self.past, self.visible)
        )
        return Batch(*moved)


def blocks_of(histories: Histories, chosen: BoolArray, *, targets: int, context: int) -> Blocks:
    """Blocks that hold every chosen response once; blocks without any are left out.

    Args:
        histories: Of any students.
        chosen: (responses,); all of them must be asked.
        targets: Most targets a block.
        context: Steps that the first target of a block sees at most; later ones see more.

    Raises:
        ValueError: If there is not one value a response, or a chosen one is context.
    """
    histories.check_asked(chosen)
    begin, length = histories.offsets[:-1], histories.lengths
    per_segment = -(-length // targets)
    segment = np.repeat(np.arange(histories.n_segments), per_segment)
    number = np.arange(len(segment)) - np.repeat(np.cumsum(per_segment) - per_segment, per_segment)
    first = begin[segment] + number * targets
    end = np.minimum(first + targets, (begin + length)[segment])
    n = _sums(chosen.astype(np.int64))
    kept = n[end] > n[first]
    first, end, start = first[kept], end[kept], begin[segment[kept]]
    if not len(first):
        return Blocks(first, first, first, first)
    visible = np.where(chosen, histories.visible, -1)
    most = np.maximum.reduceat(np.append(visible, -1), _cuts(first, end))[::2]
    nearest = np.where(chosen, histories.visible, np.iinfo(np.int64).max)
    least = np.minimum.reduceat(np.append(nearest, 0), _cuts(first, end))[::2]
    return Blocks(start + np.maximum(least - context, 0), start + most, first, end)


def _cuts(first: IntArray, end: IntArray) -> IntArray:
    return np.stack([first, end], axis=1).ravel()


def packed(
    blocks: Blocks, *, tokens: int, order: np.random.Generator | None = None
) -> list[IntArray]:
    """Batches of blocks of like length, so that little of them is padding.

    Args:
        blocks: Blocks.
        tokens: Rows times the longest of them that a batch holds at most; one block always fits.
        order: Mixes neighbours in length and the batches; None: from short to long.
    """
    cost = blocks.cost
    shaken = cost + (order.random(len(blocks)) * 8 if order is not None else 0)
    by_cost = np.argsort(shaken, kind="stable")
    batches, begin, longest = [], 0, 0
    for place, each in enumerate(cost[by_cost].tolist()):
        grown = max(longest, each, 1)
        if place > begin and (place - begin + 1) * grown > tokens:
            batches.append(by_cost[begin:place])
            begin, grown = place, max(each, 1)
        longest = grown
    if len(blocks):
        batches.append(by_cost[begin:])
    if order is not None:
        return [batches[at] for at in order.permutation(len(batches))]
    return batches


def batch_of(histories: Histories, chosen: BoolArray, blocks: Blocks, which: IntArray) -> Batch:
    """Some blocks as one padded batch."""
    first, end = blocks.first[which, None], blocks.end[which, None]
    target = first + np.arange(int((end - first).max()))
    inside = target < end
    target = np.where(inside, target, first)
    steps = blocks.past[which, None] + np.arange(
        max(1, int((blocks.past_end - blocks.past)[which].max()))
    )
    start = histories.offsets[np.searchsorted(histories.offsets, first[:, 0], side="right") - 1]
    visible = histories.visible[target] - (blocks.past[which] - start)[:, None]
    asked = inside & chosen[target]
    return Batch(
        target=torch.from_numpy(target),
        chosen=torch.from_numpy(asked),
        past=torch.from_numpy(np.minimum(steps, len(histories) - 1)),
        visible=torch.from_numpy(np.where(asked, np.maximum(visible, 0), 0)),
    )


def batches_of(
    histories: Histories,
    chosen: BoolArray,
    blocks: Blocks,
    *,
    tokens: int,
    order: np.random.Generator | None = None,
) -> Iterator[Batch]:
    """Every block once, in batches."""
    for which in packed(blocks, tokens=tokens, order=order):
        yield batch_of(histories, chosen, blocks, which)


def _sums(values: IntArray) -> IntArray:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
