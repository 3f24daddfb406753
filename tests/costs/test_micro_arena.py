"""Arena and file of INT8 networks, against TFLite Micro's and the converter's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optuna_ofa.costs import ArenaBytes, arena_bytes, flash_bytes, layer_operators, placements
from optuna_ofa.costs._memory_bounds import Bounds
from optuna_ofa.costs._micro_operators import micro_operators
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.graphs import arena_of, write_quantized_litert
from optuna_ofa.graphs._litert_file import compacted
from optuna_ofa.predictors import COSTS, CostPredictor
from optuna_ofa.space import Layer, SearchSpace, subnet_layers

# arena as tflite-micro 0.dev20261023182759 reports it, and size of the file
RECORDED = [
    pytest.param("ofa_mbv3_fashion", "smallest", 73_584, 205_568, id="fashion smallest"),
    pytest.param("ofa_mbv3_fashion", "largest", 271_152, 793_704, id="fashion largest"),
    pytest.param("resnet20_cifar10", "smallest", 35_136, 28_912, id="resnet20 smallest"),
    pytest.param("resnet20_cifar10", "largest", 81_680, 296_816, id="resnet20 largest"),
    pytest.param("microcontroller_fashion", "smallest", 43_712, 60_400, id="small smallest"),
    pytest.param("microcontroller_fashion", "largest", 235_536, 451_776, id="small largest"),
    pytest.param("efficientnet_b0", "smallest", 680_976, 2_484_792, id="silu and sigmoid"),
]


@pytest.mark.parametrize(("family", "which", "arena", "flash"), RECORDED)
def test_the_numbers_are_those_of_the_runtime(
    family: str, which: str, arena: int, flash: int
) -> None:
    layers = subnet_layers(getattr(SearchSpace(family), which)())
    assert arena_bytes(layers) == arena
    assert flash_bytes(layers) == pytest.approx(flash, abs=100)


@pytest.mark.parametrize(
    "name", ["ofa_mbv3_fashion", "ofa_mbv3_w1.0", "ofa_proxyless_w1.3", "resnet20_cifar10"]
)
def test_a_matrix_has_the_numbers_of_its_networks(name: str) -> None:
    space = SearchSpace(name)
    space = space.restrict(resolution=space.resolutions[:2])
    matrix = space.sample(6, seed=1)
    layers = [subnet_layers(subnet) for subnet in space.from_matrix(matrix)]
    arenas = CostPredictor("sram_kb", space).predict(matrix) * 1024
    assert arenas.tolist() == [arena_bytes(one) for one in layers]
    files = CostPredictor("flash_kb", space).predict(matrix) * 1024
    # of a space, all constants that its layers can share are counted
    extra = files - [flash_bytes(one) for one in layers]
    assert ((extra >= -1e-6) & (extra < 1_000)).all()


@pytest.mark.parametrize("name", ["ofa_mbv3_fashion", "ofa_resnet50", "efficientnet_b0"])
def test_buffers_that_are_left_out_decide_on_no_plan(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SearchSpace(name)
    space = space.restrict(resolution=space.resolutions[:2])
    matrix = space.sample(200, seed=3)
    arenas = ArenaBytes(space)
    found = arenas(matrix)
    monkeypatch.setattr(Bounds, "least", lambda self, indices, sizes, inputs: np.zeros((1, 1)))
    np.testing.assert_array_equal(arenas(matrix), found)


def test_absent_blocks_and_invalid_rows_are_as_in_other_costs() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    arenas = ArenaBytes(space)
    rows = space.sample(30, seed=2)
    raw = np.where(rows == 0, space.to_matrix([space.largest()]), rows).astype(np.int16)
    raw[:, :1] = rows[:, :1]
    np.testing.assert_array_equal(arenas(raw), arenas(space.canonicalize(raw)))
    assert arenas(rows[:0]).tolist() == []
    with pytest.raises(InvalidSubnetError, match="resolution"):
        arenas(np.full_like(rows[:1], 9))


@pytest.mark.parametrize("name", ["ofa_mbv3_w1.0", "ofa_resnet50", "efficientnet_b0"])
def test_operators_have_the_weights_of_those_in_float32(name: str) -> None:
    space = SearchSpace(name)
    for layer in {p.layer for p in placements(space.restrict(resolution=space.resolutions[0]))}:
        micro = micro_operators(layer)
        # the converter adds a bias of zeros where there is none
        has_bias = layer.kind != "conv" or layer.use_bn or layer.bias
        biases = sum(op.channels for op in micro if op.n_weights and has_bias)
        n_weights = sum(op.n_weights for op in micro) + biases
        assert n_weights == sum(op.n_weights for op in layer_operators(layer))
        assert micro[-1].n_written == layer.out_channels * layer.out_size**2
        assert all(max(op.reads) <= i for i, op in enumerate(micro))


@pytest.mark.parametrize("cost", [arena_bytes, flash_bytes])
def test_a_network_without_layers_is_refused(cost: Callable[[list[Layer]], int]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`layers` must be one or more layers.*\[\]"):
        cost([])


def test_arenas_and_files_are_predictions() -> None:
    assert {"sram_kb", "flash_kb"} < set(COSTS)
    space = SearchSpace("ofa_mbv3_fashion").restrict(resolution=24)
    assert "plan of the memory" in str(CostPredictor("sram_kb", space).terms())
    flash = CostPredictor("flash_kb", space)
    matrix = space.sample(5, seed=0)
    terms = flash.terms()
    assert not isinstance(terms, str)
    np.testing.assert_array_equal(terms(matrix), flash.predict(matrix))


def separable() -> list[Layer]:
    """A MobileNetV1 of a quarter of the width, at 96 pixels."""
    layers = [Layer("stem", "conv", 3, 8, 96, 48, kernel=3, stride=2, act="relu", padding="same")]
    for n_out, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (256, 2)):
        n_in, size = layers[-1].out_channels, layers[-1].out_size
        block = Layer("block", "mbconv", n_in, n_out, size, size // stride, n_in, 3, expand=1)
        padding = "same" if stride > 1 else "half"
        layers.append(replace(block, stride=stride, act="relu", padding=padding))
    return [*layers, *head(256, 3)]


def residual() -> list[Layer]:
    """A ResNet-8, whose shortcuts have strided convolutions, at an odd size."""
    layers = [Layer("stem", "conv", 3, 16, 33, 33, kernel=3, act="relu")]
    for n_in, n_out, size, out_size in ((16, 16, 33, 33), (16, 32, 33, 17), (32, 64, 17, 9)):
        block = Layer("block", "basic", n_in, n_out, size, out_size, n_out, 3, expand=1, act="relu")
        is_same = n_in == n_out
        stride = 1 if is_same else 2
        layers.append(replace(block, stride=stride, shortcut=is_same, downsample="conv"))
    return [*layers, *head(64, 9)]


def head(channels: int, size: int) -> list[Layer]:
    pool = Layer("pool", "avg_pool", channels, channels, size, 1, kernel=size)
    return [pool, Layer("classifier", "linear", channels, 10, 1, 1)]


@pytest.mark.litert
@pytest.mark.parametrize("make", [separable, residual])
def test_so_does_a_network_of_no_space(make: Callable[[], list[Layer]], tmp_path: Path) -> None:
    layers = make()
    write_quantized_litert(layers, tmp_path / "net.tflite", 1)
    content = compacted((tmp_path / "net.tflite").read_bytes())
    assert arena_bytes(layers) == arena_of(content).total
    assert flash_bytes(layers) == pytest.approx(len(content), abs=100)


@pytest.mark.litert
@pytest.mark.parametrize(
    "name",
    [
        "ofa_mbv3_fashion",
        "microcontroller_fashion",
        "ofa_proxyless_w1.3",
        "resnet20_cifar10",
        "efficientnet_lite0",
        "efficientnet_b0",
        "ofa_resnet50",
    ],
)
def test_the_runtime_itself_needs_these_bytes(name: str, tmp_path: Path) -> None:
    space = SearchSpace(name)
    space = space.restrict(resolution=space.resolutions[0])
    row = space.sample(1, seed=7)
    layers = subnet_layers(space.from_matrix(row)[0])
    path = tmp_path / "net.tflite"
    write_quantized_litert(layers, path, 1)
    content = compacted(path.read_bytes())
    assert CostPredictor("sram_kb", space).predict(row)[0] * 1024 == arena_of(content).total
    assert CostPredictor("flash_kb", space).predict(row)[0] * 1024 == pytest.approx(
        len(content), rel=0.01
    )
