"""Memory traffic and peaks, against the graph of the network and torch's own counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_ofa.costs import (
    LayerMax,
    LayerSum,
    layer_bytes_moved,
    layer_macs,
    layer_operators,
    layer_peak_bytes,
    placements,
)
from optuna_ofa.graphs import build_net, write_onnx
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Layer, SearchSpace, Subnet, families, subnet_layers

FAMILIES = [
    *(family.name for family in families()),
    "resnet50",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
ELEMENTWISE = {"Relu", "HardSwish", "Clip", "HardSigmoid", "Flatten", "Add", "Mul"}


def spaces() -> list[Any]:
    return [pytest.param(SearchSpace(name), id=name) for name in FAMILIES]


def sample(space: SearchSpace, n: int) -> tuple[Any, list[Subnet]]:
    matrix = space.sample(n, seed=4)
    return matrix, list(space.from_matrix(matrix))


@pytest.mark.parametrize("space", spaces())
def test_operators_have_the_multiply_adds_of_their_layer(space: SearchSpace) -> None:
    for layer in {p.layer for p in placements(space.restrict(resolution=space.resolutions[0]))}:
        assert sum(op.n_macs for op in layer_operators(layer)) == layer_macs(layer)


@pytest.mark.parametrize("space", spaces())
def test_operators_have_the_weights_of_the_folded_network(space: SearchSpace) -> None:
    _, (subnet,) = sample(space, 1)
    layers = subnet_layers(subnet)
    expected = sum(p.numel() for p in build_net(layers, fold=True).parameters())
    assert sum(op.n_weights for x in layers for op in layer_operators(x)) == expected


def peak_of_graph(layers: tuple[Layer, ...], path: Path) -> int:
    """Most bytes of activations at once, by the life of every tensor of the graph.

    An elementwise operator writes over an input that nobody needs any more.
    """
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    write_onnx(layers, path)
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    # runtimes fuse SiLU, which ONNX writes as two operators
    nodes = [node for node in graph.node if "silu_gate" not in node.name]
    for node in nodes:
        if "/silu." in node.name or "/se_silu." in node.name:
            del node.input[1:]
    uses = Counter(name for node in nodes for name in node.input if name in shapes)
    alive, peak = {"input"}, 0
    for node in nodes:
        inputs = [name for name in dict.fromkeys(node.input) if name in shapes]
        size = int(np.prod(shapes[node.output[0]]))
        dying = [n for n in inputs if uses[n] == list(node.input).count(n)]
        in_place = node.op_type in ELEMENTWISE and any(np.prod(shapes[n]) == size for n in dying)
        now = sum(int(np.prod(shapes[n])) for n in alive) + (0 if in_place else size)
        peak = max(peak, now)
        for name in node.input:
            if name in shapes:
                uses[name] -= 1
        alive = {n for n in alive if uses[n] > 0} | {node.output[0]}
    return 4 * peak


@pytest.mark.parametrize("space", spaces())
def test_the_peak_is_that_of_the_graph(space: SearchSpace, tmp_path: Path) -> None:
    space = SearchSpace(space.family, resolution=[64, 128])
    matrix, subnets = sample(space, 5)
    peaks = CostPredictor("peak_memory_mb", space).predict(matrix) * 1e6
    expected = [peak_of_graph(subnet_layers(s), tmp_path / "net.onnx") for s in subnets]
    np.testing.assert_allclose(peaks, expected, rtol=1e-3)


@pytest.mark.parametrize("space", spaces())
def test_a_batch_equals_the_loop(space: SearchSpace) -> None:
    matrix, subnets = sample(space, 50)
    layers = [subnet_layers(subnet) for subnet in subnets]
    moved = LayerSum(space, lambda layer, _: layer_bytes_moved(layer))(matrix)
    peak = LayerMax(space, lambda layer, _: layer_peak_bytes(layer))(matrix)
    assert moved.tolist() == [sum(map(layer_bytes_moved, row)) for row in layers]
    assert peak.tolist() == [max(map(layer_peak_bytes, row)) for row in layers]


def test_a_pointwise_convolution_by_hand() -> None:
    layer = Layer("final_expand", "conv", 10, 20, 7, 7)
    activations, weights = 49 * (10 + 20), 10 * 20 + 20
    assert layer_bytes_moved(layer) == 4 * (activations + weights)
    assert layer_bytes_moved(layer, batch=3, item_bytes=1) == 3 * activations + weights
    assert layer_peak_bytes(layer, batch=3) == 4 * 3 * activations


def test_a_shortcut_keeps_its_input() -> None:
    plain = Layer("block", "mbconv", 16, 16, 8, 8, 64, 3, expand=4)
    kept = Layer("block", "mbconv", 16, 16, 8, 8, 64, 3, expand=4, shortcut=True)
    assert layer_peak_bytes(kept) - layer_peak_bytes(plain) == 4 * 16 * 64


def test_memory_can_be_constrained() -> None:
    import optuna_ofa

    study = optuna_ofa.study(
        "ofa_mbv3_w1.0", objectives=["top1", "peak_memory_mb"], constraints={"moved_mb": 60}, seed=0
    )
    study.search(n_trials=400)
    best = study.front().best(peak_memory_mb=6)
    assert best.values["peak_memory_mb"] <= 6
