"""The exported ONNX model is the graph that was measured, with the weights of the subnet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from optuna_ofa import SearchSpace, Subnet, Supernet, export_profile, get_family
from optuna_ofa.deployment import compare_exported, export, load_exported
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import write_onnx
from optuna_ofa.space import subnet_layers

onnx = pytest.importorskip("onnx", reason="onnx is not installed")


def versions_of(path: Path) -> tuple[int, dict[str, int]]:
    model = onnx.load(path)
    return model.ir_version, {entry.domain: entry.version for entry in model.opset_import}


@pytest.mark.parametrize(
    ("format", "precision"), [("onnx", "float32"), ("onnx_int8", "int8")], ids=["float", "int8"]
)
def test_versions_are_those_of_the_measured_graphs(
    supernet: Supernet,
    subnet: Subnet,
    calibration: Tensor,
    tmp_path: Path,
    format: str,
    precision: str,
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    space = SearchSpace("ofa_mbv3_fashion").restrict(resolution=28)
    export_profile(space, tmp_path / "graphs", runtime="onnxruntime", precision=precision)
    export(supernet, subnet, tmp_path / "net", format=format, calibration=calibration)
    graph = next((tmp_path / "graphs").glob("*.onnx"))
    assert versions_of(tmp_path / "net") == versions_of(graph)
    assert versions_of(graph)[0] == 8
    assert versions_of(graph)[1][""] == 17


def test_operators_are_those_of_the_measured_graph(
    supernet: Supernet, subnet: Subnet, tmp_path: Path
) -> None:
    write_onnx(subnet_layers(subnet), tmp_path / "graph.onnx")
    export(supernet, subnet, tmp_path / "net.onnx", format="onnx", calibration=None)
    graph, net = (
        [(n.name, n.op_type) for n in onnx.load(tmp_path / f"{name}.onnx").graph.node]
        for name in ("graph", "net")
    )
    assert graph == net


@pytest.mark.parametrize("opset", [13, 14, 18, 20, onnx.defs.onnx_opset_version()])
@pytest.mark.parametrize("format", ["onnx", "onnx_int8"])
def test_another_opset_on_request(
    supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path, format: str, opset: int
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    path = tmp_path / "net"
    export(supernet, subnet, path, format=format, calibration=calibration, opset=opset)
    assert versions_of(path)[1][""] == opset
    onnx.checker.check_model(path, full_check=True)


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("ofa_mbv3_fashion", 28),
        ("ofa_proxyless_w1.3", 36),
        ("ofa_resnet50", 36),
        ("resnet50", 36),
        ("resnet20_cifar10", 27),
        ("efficientnet_lite0", 35),
        ("efficientnet_b0", 36),
        ("mobilenet_v3_large", 36),
    ],
)
def test_every_block_computes_what_torch_computes(
    tmp_path: Path, name: str, size: int, opset: int
) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    family = get_family(name)
    torch.manual_seed(0)
    supernet = Supernet(family)
    subnet = SearchSpace(family, resolution=size).smallest()
    images = torch.randn(32, family.in_channels, size, size)
    export(
        supernet, subnet, tmp_path / "net", format="onnx", calibration=images, batch=2, opset=opset
    )
    export(supernet, subnet, tmp_path / "pt", format="torch_export", calibration=images, batch=2)
    found = compare_exported(tmp_path / "net", load_exported(tmp_path / "pt", trust=True), images)
    assert found.max_difference < 1e-3
    assert found.same_top1 == 1


@pytest.mark.parametrize("opset", [12, 10_000, True, 17.0, "17"])
def test_an_opset_that_cannot_be_written_is_refused(
    supernet: Supernet, subnet: Subnet, tmp_path: Path, opset: Any
) -> None:
    with pytest.raises(InvalidArgumentError, match="`opset` must be a whole number"):
        export(supernet, subnet, tmp_path / "a", format="onnx", calibration=None, opset=opset)


def test_other_formats_have_no_opset(supernet: Supernet, subnet: Subnet, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="`opset` must be None for 'ofa', but got 17"):
        export(supernet, subnet, tmp_path / "a", format="ofa", calibration=None, opset=17)
