"""The plan of TFLite Micro for buffers that share one block of memory, for many networks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def planned_bytes(sizes: Integers, first: Integers, last: Integers, ranks: Integers) -> Integers:
    """Return the memory that TFLite Micro's greedy planner needs for buffers.

    As ``GreedyMemoryPlanner::CalculateOffsetsIfNeeded`` (``greedy_memory_planner.cc``): buffers
    are placed from the largest to the smallest, among equal ones the one that was added last
    first, each at the lowest offset where it fits between those that are needed at the same time.
    All networks are planned at once, buffer by buffer.

    Args:
        sizes: ``(n, n_buffers)`` bytes, multiples of the alignment; 0 where there is no buffer.
        first: ``(n, n_buffers)`` operator that writes a buffer, in ascending order in each row.
        last: ``(n, n_buffers)`` operator that reads it last.
        ranks: ``(n, n_buffers)`` the order in which the buffers are added.

    Returns:
        ``(n,)`` bytes.
    """
    sizes, first, last, ranks = _packed(sizes, first, last, ranks)
    n, width = sizes.shape
    if width == 0:
        return np.zeros(n, dtype=np.int64)
    reach = _reach(sizes, first, last)
    # `reach` empty places on both sides, so that a window never leaves the array
    pads = ((0, 0), (reach, reach))
    sizes, first, last = (np.pad(array, pads) for array in (sizes, first, last))
    ends = np.full(sizes.shape, -1, dtype=np.int64)  # -1: not placed
    order = np.lexsort((-np.pad(ranks, pads), -sizes), axis=1)
    window = np.arange(-reach, reach + 1)
    rows = np.arange(n)[:, None]
    for column in order.T[:width]:
        here = column[:, None]
        size = sizes[rows, here]
        near = (rows, np.clip(here + window, 0, sizes.shape[1] - 1))
        is_alive = (first[near] <= last[rows, here]) & (last[near] >= first[rows, here])
        end = np.where(is_alive, ends[near], -1)
        start = np.where(end >= 0, end - sizes[near], 0)
        ends[rows, here] = np.where(size > 0, _lowest(start, end, size[:, 0])[:, None] + size, -1)
    return np.asarray(np.maximum(ends.max(axis=1), 0))


def _packed(sizes: Integers, *others: Integers) -> tuple[Integers, ...]:
    """Return arrays whose buffers of no size are at the end, without columns of only those."""
    order = np.argsort(sizes == 0, axis=1, kind="stable")
    width = int((sizes > 0).sum(axis=1).max(initial=0))
    return tuple(np.take_along_axis(array, order, axis=1)[:, :width] for array in (sizes, *others))


def _reach(sizes: Integers, first: Integers, last: Integers) -> int:
    """Return how many places apart two buffers that are alive at the same time can be."""
    present = sizes > 0
    for d in range(1, sizes.shape[1]):
        together = (first[:, d:] <= last[:, :-d]) & present[:, d:]
        if not together.any():
            return d - 1
    return int(sizes.shape[1]) - 1


def _lowest(start: Integers, end: Integers, size: Integers) -> Integers:
    """Return the lowest offset of a gap of a size between intervals ``start`` to ``end``.

    Args:
        start: ``(n, k)`` starts; of an interval that is not there 0.
        end: ``(n, k)`` ends; of an interval that is not there negative.
        size: ``(n,)`` sizes.
    """
    order = np.argsort(start, axis=1, kind="stable")
    start = np.take_along_axis(start, order, axis=1)
    end = np.maximum.accumulate(np.take_along_axis(end, order, axis=1), axis=1)
    before = np.maximum(np.pad(end, ((0, 0), (1, 0)), constant_values=0), 0)
    gaps = np.pad(start, ((0, 0), (0, 1)), constant_values=np.iinfo(np.int64).max) - before
    place = np.argmax(gaps >= size[:, None], axis=1)
    return np.take_along_axis(before, place[:, None], axis=1)[:, 0]
