"""Matrix products of torch whose rows are computed independently, on all cores."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._torch import torch

Inputs = NDArray[np.float32]
Forward = Callable[["torch.Tensor"], "torch.Tensor"]
# One subnet costs a tenth of 128 rows, and in large blocks a subnet costs half of one of four.
_SIZES = (4, 16, 64, 512)
_ALONE = (16,)
# a block takes as long as that many more rows of another
_PER_BLOCK = 6
# as many rows are worth threads of their own
_MANY = 1024
# The number of torch's threads is global: only one prediction at a time may change it.
_TORCH_THREADS = threading.RLock()


@contextmanager
def one_thread() -> Iterator[int]:
    """Let torch compute on one core, and yield how many it had.

    Its threads wait for each other, which takes seconds on a busy machine.
    """
    with _TORCH_THREADS:
        n_threads: int = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield n_threads
        finally:
            torch.set_num_threads(n_threads)


def equal_sizes(layers: Forward, n_inputs: int) -> tuple[int, ...]:
    """Return sizes of blocks, ascending, in which a row has the same bits in every place.

    The last bits of matrix products depend on their size. On most processors they are the same for
    all multiples of four rows, which is verified here: the order of the sums does not depend on the
    numbers, so that random ones reveal a difference. Otherwise, there is one size.

    Args:
        layers: Takes inputs, ``(n, n_inputs)``, and returns all numbers that are computed from
            them, ``(n, n_numbers)``.
        n_inputs: Number of inputs.
    """
    rows = torch.rand(_SIZES[-1], n_inputs, generator=torch.Generator().manual_seed(0))

    def agree(small: int, large: int) -> bool:
        parts = [layers(part.clone()) for part in torch.split(rows[:large], small)]
        return torch.equal(torch.cat(parts), layers(rows[:large].clone()))

    with one_thread():
        for sizes in (_SIZES, _SIZES[1:]):
            if all(agree(*pair) for pair in itertools.pairwise(sizes)):
                return sizes
    return _ALONE


def in_blocks(forward: Forward, inputs: Inputs, sizes: tuple[int, ...]) -> torch.Tensor:
    """Return ``forward`` of all rows, ``(n, n_outputs)``, in blocks of these sizes.

    A row's output is the same in every batch if it is in blocks of all sizes.

    Args:
        forward: Takes a block, ``(size, n_inputs)``.
        inputs: ``(n, n_inputs)``.
        sizes: Ascending; the last rows are padded to a block.
    """

    def output(place: tuple[int, int]) -> torch.Tensor:
        start, size = place
        part = inputs[start : start + size]
        n = len(part)
        if n < size:
            part = np.concatenate([part, np.zeros((size - n, inputs.shape[1]), inputs.dtype)])
        block = torch.from_numpy(part).clone()  # whose address has an alignment
        return forward(block)[:n]

    with one_thread() as n_threads:
        if len(inputs) <= sizes[0]:
            return output((0, sizes[0]))
        places = list(_places(len(inputs), sizes))
        if n_threads == 1 or len(inputs) < _MANY:
            return torch.cat([output(place) for place in places])
        # torch's own threads share each product and wait for each other after it, which makes
        # small products 25 times slower if other programs use the processor too
        with ThreadPoolExecutor(n_threads) as pool:
            return torch.cat(list(pool.map(output, places)))


def _places(n: int, sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Return the starts and sizes of blocks for ``n`` rows."""
    start = 0
    for size in _plan(n, sizes):
        yield start, size
        start += size


@cache
def _plan(n: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes of blocks for ``n`` rows that take the least time; the last is padded."""
    n_large, rest = divmod(n, sizes[-1])
    large = (sizes[-1],) * n_large
    if rest == 0:
        return large
    last = next(size for size in sizes if size >= rest)
    smaller = tuple(size for size in sizes if size < last)
    split = _plan(rest, smaller) if smaller else (last,)
    is_split = sum(split) + _PER_BLOCK * len(split) < last + _PER_BLOCK
    return large + (split if is_split else (last,))
