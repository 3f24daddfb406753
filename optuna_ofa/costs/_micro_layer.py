"""What one layer adds to the memory of TFLite Micro's interpreter."""

from __future__ import annotations

from typing import NamedTuple

from optuna_ofa.costs._micro_operators import micro_operators
from optuna_ofa.space import Layer

ALIGNMENT = 16  # MicroArenaBufferAlignment
# Sizes of structs with pointers of 8 bytes, in the release of October 2026: what a kernel's Init
# allocates (conv.h, fully_connected.h, reduce.h, add.h, mul.h, pad.h, pooling.h and so on) ...
_KERNEL = {
    "CONV_2D": 80,
    "DEPTHWISE_CONV_2D": 80,
    "FULLY_CONNECTED": 80,
    "MEAN": 36,
    "HARD_SWISH": 20,
    "LOGISTIC": 16,
    "MUL": 36,
    "ADD": 60,
    "PAD": 56,
    "PADV2": 56,
    "AVERAGE_POOL_2D": 32,
    "MAX_POOL_2D": 32,
    "STRIDED_SLICE": 84,
}
# ... and the parsed options of the operators (builtin_op_data.h), each aligned to 4
_OPTIONS = {
    "CONV_2D": 28,
    "DEPTHWISE_CONV_2D": 28,
    "FULLY_CONNECTED": 16,
    "MEAN": 4,
    "MUL": 4,
    "ADD": 8,
    "AVERAGE_POOL_2D": 40,
    "MAX_POOL_2D": 40,
    "STRIDED_SLICE": 24,
}
EVAL_TENSOR, NODE = 24, 64  # TfLiteEvalTensor, NodeAndRegistration


class Buffer(NamedTuple):
    """A buffer that the planner places.

    Args:
        size: Bytes, a multiple of the alignment.
        first: Operator of the layer that writes it, counted from 0.
        last: Operator of the layer that reads it last; of the layer's output -1.
        is_scratch: Whether it is memory that a kernel requests while it runs.
    """

    size: int
    first: int
    last: int
    is_scratch: bool = False


class MicroLayer(NamedTuple):
    """What a layer adds.

    Args:
        buffers: What the planner places, in the order of the operators.
        n_operators: Number of operators.
        last_read: The operator that reads the layer's input last.
        n_structs: Bytes of structs of tensors, nodes and options; the network's sum is aligned.
        n_kernels: Bytes that kernels allocate for good, each aligned.
        first_kernel: Bytes that the first operator's Init allocates, not aligned.
        shared: Constants that the operators of a network share.
    """

    buffers: tuple[Buffer, ...]
    n_operators: int
    last_read: int
    n_structs: int
    n_kernels: int
    first_kernel: int
    shared: frozenset[str]

    @property
    def n_scratch(self) -> int:
        """Number of requests for memory while kernels run."""
        return sum(buffer.is_scratch for buffer in self.buffers)


def micro_layer(layer: Layer) -> MicroLayer:
    """Return what a layer adds.

    A convolution allocates a multiplier and a shift for each channel (``ConvPrepare``,
    ``DepthwiseConvPrepare``, ``CalculateOpDataFullyConnected``); ``MEAN`` requests an accumulator
    of 4 bytes for each of its outputs (``PrepareMeanOrSum``).
    """
    operators = micro_operators(layer)
    last = [
        max((i for i, op in enumerate(operators) if t in op.reads), default=-1)
        for t in range(len(operators))
    ]
    buffers = []
    for i, op in enumerate(operators):
        is_output = i == len(operators) - 1
        buffers.append(Buffer(aligned(op.n_written), i, -1 if is_output else last[i + 1]))
        if op.name == "MEAN":
            buffers.append(Buffer(aligned(4 * op.channels), i, i, is_scratch=True))
    n_weighted = sum(op.n_weights > 0 for op in operators)
    n_tensors = len(operators) + 2 * n_weighted
    n_options = sum(_OPTIONS.get(op.name, 0) for op in operators)
    per_channel = [2 * aligned(4 * op.channels) for op in operators if op.n_weights]
    return MicroLayer(
        tuple(buffers),
        len(operators),
        last[0],
        n_tensors * EVAL_TENSOR + len(operators) * NODE + n_options,
        sum(aligned(_KERNEL[op.name]) for op in operators) + sum(per_channel),
        _KERNEL[operators[0].name],
        frozenset(name for op in operators for name in op.shared),
    )


def aligned(n_bytes: int) -> int:
    """Return a size rounded up to the alignment."""
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT
