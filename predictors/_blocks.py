"""Matrix products whose rows do not depend on each other, on all cores."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

BLOCK = 128
# The number of torch's threads belongs to the program: one prediction at a time may change it.
_TORCH_THREADS = threading.Lock()


def in_blocks(
    forward: Callable[[torch.Tensor], torch.Tensor], inputs: torch.Tensor, size: int = BLOCK
) -> torch.Tensor:
    """``forward`` of all rows, ``(n, n_outputs)``, always ``size`` of them at a time.

    Matrix products give other last bits at other sizes; so a row's output is the same in every
    batch. What ``forward`` needs for a block is all that is held at once.
    """
    n_padded = max(1, -(-len(inputs) // size)) * size
    padded = torch.zeros(n_padded, inputs.shape[1], dtype=inputs.dtype)
    padded[: len(inputs)] = inputs
    return torch.cat(_on_all_cores(forward, torch.split(padded, size)))[: len(inputs)]


def _on_all_cores(
    forward: Callable[[torch.Tensor], torch.Tensor], blocks: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    """Each block on one core, several at a time.

    Torch's own threads share each product and wait for each other after it, which makes products
    this small 25 times slower where other programs use the processor too.
    """
    with _TORCH_THREADS:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            if n_threads == 1 or len(blocks) < 8:
                return [forward(block) for block in blocks]
            with ThreadPoolExecutor(n_threads) as pool:
                return list(pool.map(forward, blocks))
        finally:
            torch.set_num_threads(n_threads)
