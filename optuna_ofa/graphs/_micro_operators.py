"""The operators that TensorFlow Lite Micro has."""

from __future__ import annotations

from collections.abc import Iterable

from optuna_ofa.exceptions import InvalidArgumentError

# of the schema, as registered by tflite-micro 0.dev20261023
_NAMES = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND
BROADCAST_ARGS BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D
DEPTH_TO_SPACE DEQUANTIZE DIV DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL
FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF
L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR
LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG NOT_EQUAL PACK PAD PADV2
PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR
RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF
TANH TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
"""
MICRO_OPERATORS = frozenset(_NAMES.split())
# whose method of ``MicroMutableOpResolver`` is not named after the words of the schema
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "SVDF": "AddSvdf",
}


def require_micro_operators(operators: Iterable[str], argument: str) -> None:
    """Refuse operators that TensorFlow Lite Micro lacks.

    Args:
        operators: Names of the schema, as `read_litert` returns them.
        argument: Name of the caller's argument that error messages begin with.

    Raises:
        InvalidArgumentError: With the names of those that it lacks.
    """
    lacking = sorted(set(operators) - MICRO_OPERATORS)
    if lacking:
        raise InvalidArgumentError(
            f"`{argument}` must have operators of TensorFlow Lite Micro alone, but it lacks "
            f"{', '.join(lacking)}."
        )


def resolver_method(operator: str) -> str:
    """Return the method of ``MicroMutableOpResolver`` that adds an operator.

    Args:
        operator: Its name in the schema: ``"DEPTHWISE_CONV_2D"`` gives ``"AddDepthwiseConv2D"``.
    """
    words = (word[:1] + word[1:].lower() for word in operator.split("_"))
    name = "".join("2D" if word == "2d" else word for word in words)
    return _METHODS.get(operator, f"Add{name}")
