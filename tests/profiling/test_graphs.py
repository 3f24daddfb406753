"""Graphs compute what the torch networks of the same layers compute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from optuna_ofa.graphs import (
    build_net,
    example_input,
    read_layers,
    write_executorch,
    write_layers,
    write_onnx,
    write_quantized_onnx,
)
from optuna_ofa.profiling import NodeTime, RuntimeSettings
from optuna_ofa.profiling.on_device import ExecuTorch, by_layer
from optuna_ofa.space import Layer, SearchSpace, families, subnet_layers

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
FAMILIES = [
    *(family.name for family in families()),
    "resnet50",
    "resnet20_cifar10",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]


def layers_of(name: str, resolution: int = 64) -> tuple[Layer, ...]:
    space = SearchSpace(name, resolution=resolution)
    return subnet_layers(space.from_matrix(space.sample(1, seed=3))[0])


def torch_twin(layers: tuple[Layer, ...], path: Path) -> nn.Module:
    """The torch network with the weights of the ONNX graph, which are in the same order."""
    net = build_net(layers, fold=True)
    found = onnx.load(path).graph.initializer
    weights = iter(onnx.numpy_helper.to_array(w) for w in found if w.dims and w.data_type == 1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.copy_(torch.from_numpy(next(weights).copy()))
                if module.bias is not None:
                    module.bias.copy_(torch.from_numpy(next(weights).copy()))
    assert next(weights, None) is None
    return net


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_onnx_equals_torch(name: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    layers, path = layers_of(name), tmp_path / "net.onnx"
    write_onnx(layers, path, batch=2)
    x = example_input(layers, 2)
    with torch.inference_mode():
        expected = torch_twin(layers, path)(x).numpy()
    got = run_graph(runtime, path, x.numpy())
    np.testing.assert_allclose(got, expected, rtol=0, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_resnet50", "resnet20_cifar10"])
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_quantised_graphs_come_close(name: str, runtime: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip(runtime, reason=f"{runtime} is not installed")
    layers = layers_of(name)[:8]  # errors add up with the depth
    write_onnx(layers, tmp_path / "float.onnx", batch=2)
    write_quantized_onnx(layers, tmp_path / "int8.onnx", batch=2)
    x = example_input(layers, 2).numpy()
    exact, got = (run_graph(runtime, tmp_path / f, x) for f in ("float.onnx", "int8.onnx"))
    assert not np.array_equal(exact, got)
    assert np.corrcoef(exact.ravel(), got.ravel())[0, 1] > 0.9


def test_quantised_graphs_hold_integers_and_keep_the_names(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    layers = layers_of("ofa_mbv3_w1.0")
    write_quantized_onnx(layers, tmp_path / "net.onnx")
    graph = onnx.load(tmp_path / "net.onnx").graph
    convolutions = [n for n in graph.node if n.op_type == "Conv"]
    weights = {w.name: w.data_type for w in graph.initializer}
    dequantised = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    assert all(weights[dequantised[c.input[1]]] == onnx.TensorProto.INT8 for c in convolutions)
    assert {int(c.name.split("/")[0]) for c in convolutions} < set(range(len(layers)))


def run_graph(runtime: str, path: Path, x: np.ndarray) -> np.ndarray:
    if runtime == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"input": x})[0])
    import openvino

    core = openvino.Core()
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    return np.asarray(core.compile_model(core.read_model(path), "CPU", hints)(x)[0])


def test_executorch_equals_torch(tmp_path: Path) -> None:
    pytest.importorskip("executorch", reason="executorch is not installed")
    layers, path = layers_of("ofa_mbv3_w1.0", 32)[:3], tmp_path / "net.pte"
    torch.manual_seed(0)
    net, x = build_net(layers, fold=True), example_input(layers, 2)
    torch.manual_seed(0)  # the same weights
    write_executorch(layers, path, 2)
    program = ExecuTorch(RuntimeSettings(batch=2)).load(path)
    program.run()
    with torch.inference_mode():
        (got,) = program._program.forward((x,))
        torch.testing.assert_close(got, net(x), rtol=1e-3, atol=1e-4)


def test_hard_swish_is_one_operator(tmp_path: Path) -> None:
    write_onnx(layers_of("ofa_mbv3_w1.0"), tmp_path / "net.onnx")
    operators = {node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node}
    assert "HardSwish" in operators
    assert not operators & {"Sigmoid", "Div"}


def test_names_begin_with_the_index_of_the_layer(tmp_path: Path) -> None:
    layers = layers_of("ofa_mbv3_w1.0")
    write_onnx(layers, tmp_path / "net.onnx")
    nodes = onnx.load(tmp_path / "net.onnx").graph.node
    assert sorted({int(n.name.split("/")[0]) for n in nodes}) == list(range(len(layers)))


def test_layers_are_read_as_written(tmp_path: Path) -> None:
    layers = layers_of("ofa_resnet50")
    write_layers(layers, tmp_path / "net.layers.json", 4)
    assert read_layers(tmp_path / "net.layers.json") == (list(layers), 4)


def test_operators_without_a_layer_count_for_the_last_one() -> None:
    names = ("reorder", "00/a", "01/b", "ReorderOutput", "02/c", "99/odd")
    nodes = [NodeTime(name, 2**i) for i, name in enumerate(names)]
    assert by_layer(nodes, 3) == [3, 12, 48]
