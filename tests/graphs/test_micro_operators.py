"""The operators that TensorFlow Lite Micro has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import MICRO_OPERATORS, require_micro_operators, resolver_method


def test_those_that_it_lacks_are_named() -> None:
    require_micro_operators(["CONV_2D", "PADV2"], "path")
    with pytest.raises(
        InvalidArgumentError, match=r"`path` must have .* but it lacks GELU, MyOwn\.$"
    ):
        require_micro_operators(["MyOwn", "CONV_2D", "GELU"], "path")


@pytest.mark.parametrize(
    ("operator", "method"),
    [
        ("ADD", "AddAdd"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("HARD_SWISH", "AddHardSwish"),
        ("PADV2", "AddPadV2"),
        ("BATCH_TO_SPACE_ND", "AddBatchToSpaceNd"),
        ("RELU6", "AddRelu6"),
    ],
)
def test_methods_of_the_resolver(operator: str, method: str) -> None:
    assert resolver_method(operator) == method


@pytest.mark.litert
def test_the_list_is_that_of_the_package() -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro._runtime")
    program = Path(runtime.__file__).read_bytes()
    found = re.findall(rb"_ZN6tflite(?:5micro)?\d+Register_([A-Z0-9_]+)Ev", program)
    registered = {name.decode() for name in found}
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    assert registered & set(vars(schema.BuiltinOperator)) == MICRO_OPERATORS
