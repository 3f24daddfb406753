"""Bytes that a layer moves, and bytes that it needs at once."""

from __future__ import annotations

from optuna_ofa.costs._operators import Operator, layer_operators
from optuna_ofa.space import Layer

FLOAT32 = 4


def layer_bytes_moved(layer: Layer, *, batch: int = 1, item_bytes: int = FLOAT32) -> int:
    """Bytes that the operators of a layer read and write, weights included, caches ignored.

    Args:
        layer: The layer.
        batch: Images at once; the weights are read once.
        item_bytes: Bytes of a number, 4 for float32.
    """
    numbers = sum(
        batch * (op.n_read + op.n_written) + op.n_weights for op in layer_operators(layer)
    )
    return numbers * item_bytes


def layer_peak_bytes(layer: Layer, *, batch: int = 1, item_bytes: int = FLOAT32) -> int:
    """Most bytes of activations that exist at once while a layer is computed.

    What an operator reads, what it writes, and what a shortcut keeps for later; weights do not
    count. The peak of a network is the largest of its layers.
    """
    return max(map(_n_alive, layer_operators(layer))) * batch * item_bytes


def _n_alive(op: Operator) -> int:
    return op.n_read + op.n_kept + (0 if op.in_place else op.n_written)
