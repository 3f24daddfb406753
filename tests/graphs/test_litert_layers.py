"""Files of LiteRT from layers are those of the converter, and compute what torch computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from optuna_ofa.costs import arena_bytes
from optuna_ofa.graphs import (
    arena_of,
    build_net,
    example_input,
    litert_of_net,
    quantized_litert_of_net,
    read_litert,
    require_micro_operators,
    run_litert,
    write_litert,
    write_quantized_litert,
)
from optuna_ofa.space import Layer, SearchSpace, families, subnet_layers

pytestmark = pytest.mark.litert

FAMILIES = [
    *(family.name for family in families()),
    "resnet50",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
STEM = Layer("stem", "conv", 3, 8, 21, 11, kernel=3, stride=2, act="h_swish")
TAIL = (Layer("pool", "avg_pool", 16, 16, 6, 1, kernel=6), Layer("c", "linear", 16, 10, 1, 1))
MIXED = (
    Layer("pool", "avg_pool", 16, 16, 6, 1, kernel=6),
    Layer("feature_mix", "conv", 16, 24, 1, 1, act="h_swish", use_bn=False),
    Layer("classifier", "linear", 24, 10, 1, 1),
)
GRAY = Layer("stem", "conv", 1, 8, 22, 11, kernel=3, stride=2, act="relu6", padding="same")


def block(act: str, **fields: Any) -> Layer:
    known: dict[str, Any] = {"mid_channels": 24, "kernel": 5, "stride": 2, "expand": 3.0}
    return Layer("block", "mbconv", 8, 16, 11, 6, act=act, **known | fields)


def bottleneck(downsample: Any) -> Layer:
    return Layer("block", "bottleneck", 8, 16, 12, 6, 8, 3, 2, 0.5, "relu", downsample=downsample)


# what the converter treats in its own way, once each
NETS: dict[str, tuple[Layer, ...]] = {
    "MobileNetV3": (
        STEM,
        Layer("b", "mbconv", 8, 8, 11, 11, 8, 3, 1, 1, "relu", shortcut=True),
        block("h_swish", use_se=True),
        *MIXED,
    ),
    "gray": (GRAY, block("relu6", padding="same"), *TAIL),
    "SiLU": (STEM, block("silu", use_se=True, squeeze="input"), *TAIL),
    "pooling": (
        Layer("stem", "conv", 3, 8, 46, 23, kernel=7, stride=2, act="relu"),
        Layer("pool", "max_pool", 8, 8, 23, 12, kernel=3, stride=2),
        bottleneck("avg_pool"),
        *TAIL,
    ),
    "strided": (
        Layer("stem", "conv", 3, 8, 12, 12, kernel=3, act="relu"),
        bottleneck("conv"),
        *TAIL,
    ),
}


def operators(content: bytes) -> list[tuple[Any, ...]]:
    """Return each operator's kind, its options, and the shapes and types of its tensors."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]

    def described(number: int) -> tuple[Any, ...]:
        tensor = graph.tensors[number]
        n_scales = 0 if tensor.quantization is None else np.size(tensor.quantization.scale)
        shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
        return (*shape, f"type {tensor.type}", n_scales if "9" in str(tensor.type) else 0)

    found = []
    for operator in graph.operators:
        kind = model.operatorCodes[operator.opcodeIndex].builtinCode
        options = vars(operator.builtinOptions) if operator.builtinOptions else {}
        given = [described(number) for number in operator.inputs]
        fields = {k: int(v) for k, v in options.items() if k in COMPARED}
        commutes = kind in (schema.BuiltinOperator.ADD, schema.BuiltinOperator.MUL)
        given = sorted(given, key=str) if commutes else given
        found.append((kind, fields, given, [described(number) for number in operator.outputs]))
    return found


COMPARED = (
    "padding",
    "strideW",
    "strideH",
    "depthMultiplier",
    "fusedActivationFunction",
    "keepDims",
    "filterWidth",
    "filterHeight",
)


@pytest.mark.parametrize("layers", NETS.values(), ids=NETS.keys())
def test_operators_are_those_of_the_converter(
    layers: tuple[Layer, ...], convert: Callable[[nn.Module, Tensor], bytes]
) -> None:
    net = build_net(layers, fold=True)
    found = operators(litert_of_net(net, layers))
    assert found == operators(convert(net, example_input(layers, 1)))


@pytest.mark.parametrize("layers", NETS.values(), ids=NETS.keys())
def test_every_kind_of_layer_is_quantised(layers: tuple[Layer, ...]) -> None:
    net, images = build_net(layers, fold=True), example_input(layers, 8)
    content = quantized_litert_of_net(net, layers, images)
    require_micro_operators(read_litert(content).operators, "content")
    with torch.inference_mode():
        expected = net(images)
    differences = (run_litert(content)(images) - expected).abs()
    assert 0 < differences.mean() < 0.05 * (expected.max() - expected.min())
    assert arena_of(content).total == arena_bytes(layers)


def test_quantised_operators_are_those_of_the_quantiser(tmp_path: Path) -> None:
    layers = NETS["MobileNetV3"]
    write_quantized_litert(layers, tmp_path / "net.tflite", 1)
    images = example_input(layers, 2)
    expected = quantized_litert_of_net(build_net(layers, fold=True), layers, images)
    assert operators((tmp_path / "net.tflite").read_bytes()) == operators(expected)


@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_those_of_torch(name: str) -> None:
    space = SearchSpace(name, resolution=72)
    layers = subnet_layers(space.from_matrix(space.sample(1, seed=3))[0])
    net, images = build_net(layers, fold=True), example_input(layers, 2)
    with torch.inference_mode():
        expected = net(images)
    found = run_litert(litert_of_net(net, layers, batch=2))(images)
    torch.testing.assert_close(found, expected, atol=1e-4 * float(expected.abs().max()), rtol=0)


@pytest.mark.parametrize("write", [write_litert, write_quantized_litert], ids=["float32", "int8"])
@pytest.mark.parametrize("layers", NETS.values(), ids=NETS.keys())
def test_every_layer_is_a_file(layers: tuple[Layer, ...], write: Any, tmp_path: Path) -> None:
    for i, layer in enumerate(layers):
        path = tmp_path / f"{i}.tflite"
        write((layer,), path, 3)
        found = run_litert(path.read_bytes())(example_input([layer], 3))
        assert found.shape[:2] == (3, layer.out_channels)
        assert torch.isfinite(found).all()
