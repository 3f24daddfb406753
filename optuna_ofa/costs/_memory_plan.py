"""The plan of TFLite Micro for buffers that share one block of memory, for many networks."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_FAR = np.iinfo(np.int64).max // 4  # where a buffer starts that is not placed yet


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
    counts = (sizes > 0).sum(axis=1)
    by_count = np.argsort(-counts)  # so that the networks with a further buffer are the first ones
    sizes, first, last, ranks = _packed(*(array[by_count] for array in (sizes, first, last, ranks)))
    n, width = sizes.shape
    if width == 0:
        return np.zeros(n, dtype=np.int64)
    # buffers further apart in a row are never alive at the same time
    reach = _reach(sizes, first, last)
    before, after = _windows(first, reach), _windows(last, reach)
    is_alive = (before <= last[:, :, None]) & (after >= first[:, :, None])
    order = np.lexsort((-ranks, -sizes), axis=1)
    starts = np.full((n, width + 2 * reach), _FAR)
    ends = np.zeros_like(starts)
    window = np.arange(2 * reach + 1)
    for i in range(width):
        rows = np.arange((counts > i).sum())
        column = order[rows, i]
        size, places = sizes[rows, column], (rows[:, None], column[:, None] + window)
        start = np.where(is_alive[rows, column], starts[places], _FAR)
        starts[rows, column + reach] = offset = _lowest(start, ends[places], size)
        ends[rows, column + reach] = offset + size
    found = np.zeros(n, dtype=np.int64)
    found[by_count] = ends.max(axis=1, initial=0)
    return found


def _packed(sizes: Integers, *others: Integers) -> tuple[Integers, ...]:
    """Return arrays whose buffers of no size are at the end, without columns of only those."""
    order = np.argsort(sizes == 0, axis=1, kind="stable")
    width = int((sizes > 0).sum(axis=1).max(initial=0))
    order = order[:, :width]
    return tuple(np.take_along_axis(array, order, axis=1) for array in (sizes, *others))


def _reach(sizes: Integers, first: Integers, last: Integers) -> int:
    """Return how many places apart two buffers that are alive at the same time can be."""
    present = sizes > 0
    for d in range(1, sizes.shape[1]):
        together = (first[:, d:] <= last[:, :-d]) & present[:, d:]
        if not together.any():
            return d - 1
    return int(sizes.shape[1]) - 1


def _windows(array: Integers, reach: int) -> Integers:
    """Return for each buffer those up to ``reach`` places before and after it."""
    return sliding_window_view(np.pad(array, ((0, 0), (reach, reach))), 2 * reach + 1, axis=1)


def _lowest(start: Integers, end: Integers, size: Integers) -> Integers:
    """Return the lowest offset of a gap of a size between intervals ``start`` to ``end``.

    From 0 it goes to the largest end of those in the way, until there is none: each gap below that
    end begins below the interval, and is too small.

    Args:
        start: ``(n, k)`` starts.
        end: ``(n, k)`` ends.
        size: ``(n,)`` sizes.
    """
    offset = np.zeros(len(size), dtype=np.int64)
    while True:
        is_in_the_way = (start < (offset + size)[:, None]) & (end > offset[:, None])
        moved = np.where(is_in_the_way, end, 0).max(axis=1)
        if not moved.any():
            return offset
        offset = np.maximum(offset, moved)
