"""The bytes of INT8 TFLite files, in closed form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optuna_ofa._arguments import checked
from optuna_ofa.costs._micro_operators import MicroOperator, micro_operators
from optuna_ofa.space import Layer

# Bytes of tables and vectors of the file, without weights, biases and what is kept per channel
_FILE = 323
_OPERATOR = 206  # with its output's tensor
_WEIGHTS = 94  # the tensors and buffers of weights and biases
_SHARED = 86  # a constant of several operators
_CODE = 29  # a kind of operator
_OTHER = {
    "MEAN": 371,
    "ADD": -113,
    "MUL": -268,
    "HARD_SWISH": -120,
    "PAD": -108,
    "DEPTHWISE_CONV_2D": 53,
}
# per channel: a bias, and for weights and bias each a scale of 4 and a zero point of 8 bytes
_CHANNEL = 4 + 2 * (4 + 8)


@checked
def layer_flash_bytes(layer: Layer) -> int:
    """Return the bytes that a layer adds to an INT8 file, without what layers share."""
    return sum(map(_operator_bytes, micro_operators(layer)))


@checked
def flash_bytes(layers: Sequence[Layer]) -> int:
    """Return the bytes of a network as an INT8 file, as ``format="litert_int8"`` writes it.

    Weights of 1 byte, and per channel a bias, two scales and two zero points; each tensor and
    operator has a table in the file.

    Args:
        layers: All layers in order.
    """
    return sum(map(layer_flash_bytes, layers)) + shared_flash_bytes(layers)


def shared_flash_bytes(layers: Iterable[Layer]) -> int:
    """Return the bytes of what operators of several layers share, and of the file itself."""
    operators = [op for layer in layers for op in micro_operators(layer)]
    shared = {name for op in operators for name in op.shared}
    names = {op.name for op in operators}
    return _FILE + _SHARED * len(shared) + _CODE * len(names)


def _operator_bytes(op: MicroOperator) -> int:
    weights = op.n_weights + _WEIGHTS + _CHANNEL * op.channels if op.n_weights else 0
    return weights + _OPERATOR + _OTHER.get(op.name, 0)
