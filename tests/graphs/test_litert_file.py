"""What files of LiteRT say of themselves."""

from __future__ import annotations

import pytest

from optuna_ofa.exceptions import FormatError
from optuna_ofa.graphs import (
    build_net,
    example_input,
    litert_of_net,
    quantized_litert_of_net,
    read_litert,
    run_litert,
)
from optuna_ofa.space import Layer

pytestmark = pytest.mark.litert
LAYERS = (
    Layer("stem", "conv", 1, 8, 12, 6, kernel=3, stride=2, act="relu6"),
    Layer("pool", "avg_pool", 8, 8, 6, 1, kernel=6),
    Layer("classifier", "linear", 8, 3, 1, 1),
)


@pytest.fixture(scope="module")
def plain() -> bytes:
    return litert_of_net(build_net(LAYERS, fold=True), LAYERS, batch=2)


def test_shapes_types_and_operators(plain: bytes) -> None:
    file = read_litert(plain)
    ((images,), (logits,)) = file.inputs, file.outputs
    assert images == ((2, 12, 12, 1), "float32", None, None)
    assert logits == ((2, 3), "float32", None, None)
    assert file.operators == ("DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN", "PAD")


def test_scales_are_those_of_the_runtime() -> None:
    from ai_edge_litert.interpreter import Interpreter

    net = build_net(LAYERS, fold=True)
    content = quantized_litert_of_net(net, LAYERS, example_input(LAYERS, 4))
    interpreter = Interpreter(model_content=content)
    file = read_litert(content)
    for tensor, known in (
        (file.inputs[0], interpreter.get_input_details()[0]),
        (file.outputs[0], interpreter.get_output_details()[0]),
    ):
        assert tensor.dtype == "int8"
        assert (tensor.scale, tensor.zero_point) == known["quantization"]


def test_large_weights_are_where_tflite_micro_finds_them() -> None:
    """The quantiser stores them behind the FlatBuffer, where it takes them for activations."""
    layers = (
        Layer("stem", "conv", 3, 64, 2, 2, kernel=3, act="relu"),
        Layer("mix", "conv", 64, 4096, 2, 2, act="relu"),
        Layer("pool", "avg_pool", 4096, 4096, 2, 1, kernel=2),
        Layer("classifier", "linear", 4096, 10, 1, 1),
    )
    images = example_input(layers, 4)
    content = quantized_litert_of_net(build_net(layers, fold=True), layers, images)
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    buffers = schema.ModelT.InitFromPackedBuf(content, 0).buffers
    assert max(0 if b.data is None else len(b.data) for b in buffers) == 64 * 4096
    assert all(b.offset <= 1 for b in buffers)
    assert run_litert(content)(images).std() > 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: b"not a file", "has another identifier"),
        (lambda c: b"", "has another identifier"),
        (lambda c: c[:40], "is damaged"),
        (lambda c: c[:8] + b"\xff" * 200, "is damaged"),
    ],
    ids=["text", "empty", "cut", "overwritten"],
)
def test_other_content_is_refused(plain: bytes, damage: object, message: str) -> None:
    with pytest.raises(FormatError, match=rf"must be a \.tflite file, but {message}"):
        read_litert(damage(plain))  # type: ignore[operator]
