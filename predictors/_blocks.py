"""Matrix products whose rows are computed independently, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from optuna_ofa._torch import torch
from optuna_ofa.space import Matrix, keys_of

BLOCK = 128
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


def in_blocks(
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, size: int = BLOCK
) -> torch.Tensor:
    """Return ``forward`` of all rows, ``(n, n_outputs)``, always ``size`` rows at a time.

    The last bits of matrix products depend on their size; with a fixed size, a row's output is the
    same in every batch. Memory is needed only for one block at a time.
    """
    n_padded = max(1, -(-len(inputs) // size)) * size
    padded = torch.zeros(n_padded, inputs.shape[1], dtype=inputs.dtype)
    padded[: len(inputs)] = inputs
    return torch.cat(_on_all_cores(forward, torch.split(padded, size)))[: len(inputs)]


def _on_all_cores(
    forward: Callable[[torch.Tensor], torch.Tensor], blocks: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Compute each block on one core, several at a time.

    Torch's own threads share each product and wait for each other after it, which makes small
    products 25 times slower if other programs use the processor too.
    """
    with one_thread() as n_threads:
        if n_threads == 1 or len(blocks) < 8:
            return [forward(block) for block in blocks]
        with ThreadPoolExecutor(n_threads) as pool:
            return list(pool.map(forward, blocks))


# Only a few anchors are new in each generation.
_TANGENT_BLOCK = 32


class KnownTangents:
    """Tangents of anchors, cached because a search repeats most anchors from call to call.

    Args:
        tangents: Takes a block of inputs, ``(n, n_inputs)``, and returns the value and its
            derivative by each input, ``(n, 1 + n_inputs)``.
    """

    def __init__(self, tangents: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._tangents = tangents
        # the index of each anchor by its key, and the tangents; one attribute, for thread safety
        self._before: tuple[dict[int, int], torch.Tensor] = ({}, torch.empty(0))

    def __call__(self, anchors: Matrix, inputs: torch.Tensor) -> torch.Tensor:
        """Return the tangents, ``(n, 1 + n_inputs)``.

        Args:
            anchors: ``(n, n_genes)`` canonical genotypes.
            inputs: ``(n, n_inputs)`` the inputs of the model for them.
        """
        tangents = torch.empty(len(inputs), 1 + inputs.shape[1], dtype=inputs.dtype)
        places, before = self._before
        keys = keys_of(anchors).tolist()
        place = np.array([places.get(key, -1) for key in keys], dtype=np.intp)
        known, new = np.flatnonzero(place >= 0), np.flatnonzero(place < 0)
        if len(known):
            tangents[known] = before[place[known]]
        if len(new):
            tangents[new] = in_blocks(self._tangents, inputs[new], _TANGENT_BLOCK)
        self._before = {key: i for i, key in enumerate(keys)}, tangents
        return tangents
