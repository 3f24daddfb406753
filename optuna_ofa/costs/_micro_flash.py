"""The bytes of INT8 TFLite files, in closed form."""

from __future__ import annotations

from collections.abc import Iterable

from optuna_ofa._arguments import checked
from optuna_ofa.costs._micro_operators import Layers, MicroOperator, micro_operators
from optuna_ofa.space import Layer

# Bytes of tables and vectors of the FlatBuffer, with what keeps them aligned; a file is within 60
_FILE = 371
_CONSTANT = 75  # one that operators share
_CODE = 26  # a kind of operator
# an operator with its output, and with the tensors and buffers of its weights
_OPERATOR = {
    "CONV_2D": 285,
    "DEPTHWISE_CONV_2D": 307,
    "FULLY_CONNECTED": 285,
    "MEAN": 237,
    "ADD": 130,
    "MUL": 86,
    "HARD_SWISH": 108,
    "LOGISTIC": 127,
    "PAD": 144,
    "PADV2": 144,
    "MAX_POOL_2D": 144,
    "AVERAGE_POOL_2D": 153,
    "STRIDED_SLICE": 74,
}
# per channel: a bias, and for weights and bias each a scale of 4 and a zero point of 8 bytes
_CHANNEL = 4 + 2 * (4 + 8)


@checked
def layer_flash_bytes(layer: Layer) -> int:
    """Return the bytes that a layer adds to an INT8 file, without what layers share."""
    return sum(map(_operator_bytes, micro_operators(layer)))


@checked
def flash_bytes(layers: Layers) -> int:
    """Return the bytes of a network as an INT8 file, as ``format="litert_int8"`` writes it.

    Weights of 1 byte, and per channel a bias, two scales and two zero points; each tensor and
    operator has a table in the file.

    Args:
        layers: All layers in order.

    Raises:
        InvalidArgumentError: If there is no layer.
    """
    return sum(map(layer_flash_bytes, layers)) + shared_flash_bytes(layers)


def shared_flash_bytes(layers: Iterable[Layer]) -> int:
    """Return the bytes of what operators of several layers share, and of the file itself."""
    operators = [op for layer in layers for op in micro_operators(layer)]
    shared = {name for op in operators for name in op.shared}
    names = {op.name for op in operators}
    return _FILE + _CONSTANT * len(shared) + _CODE * len(names)


def _operator_bytes(op: MicroOperator) -> int:
    weights = op.n_weights + _CHANNEL * op.channels if op.n_weights else 0
    return _OPERATOR[op.name] + weights
