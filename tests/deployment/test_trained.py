"""Subnets that were fine-tuned, exported in floating point and in integers."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from optuna_ofa import EvaluationSettings, Subnet, Supernet, evaluate
from optuna_ofa.deployment import compare_exported, export, load_exported
from optuna_ofa.evaluation import weights_hash
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.training import FineTuning, train


def quadrants(n: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with one bright quadrant, and which one it is."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=rng)
    images = torch.randn(n, 3, 16, 16, generator=rng)
    for image, label in zip(images, labels.tolist(), strict=True):
        y, x = divmod(label, 2)
        image[:, y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] += 1.5
    return images, labels


def test_a_fine_tuned_subnet_is_exported_as_it_was_evaluated(
    supernet: Supernet, subnet: Subnet, tmp_path: Path
) -> None:
    before = weights_hash(supernet)
    images, labels = quadrants(256, seed=0)
    loader = list(zip(images.split(32), labels.split(32), strict=True))
    own = copy.deepcopy(supernet)
    recipe = FineTuning(subnet=subnet, n_steps=80, learning_rate=0.02)
    train(own, loader, recipe=recipe)
    assert weights_hash(supernet) == before

    test_images, test_labels = quadrants(200, seed=1)
    nets = [
        evaluate(net, subnet, [(test_images, test_labels)], EvaluationSettings(calibration=images))
        for net in (supernet, own)
    ]
    guessed, tuned = (float(found.top1[0]) for found in nets)
    assert tuned > guessed + 5

    export(own, subnet, tmp_path / "net", format="torch_export", calibration=images, batch=None)
    net = own.extract(subnet)
    export(net, subnet, tmp_path / "plain", format="ofa", calibration=images)
    for name in ("net", "plain"):
        found = compare_exported(
            tmp_path / name,
            lambda x: torch.nn.functional.one_hot(test_labels).float(),
            test_images,
            trust=True,
        )
        assert 100 * found.same_top1 == pytest.approx(tuned, abs=1)  # two images may be ties


@pytest.mark.parametrize("batch", [1, None])
def test_eight_bit_integers_are_smaller_and_nearly_as_good(
    supernet: Supernet, subnet: Subnet, tmp_path: Path, batch: int | None
) -> None:
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    images, labels = quadrants(256, seed=0)
    own = copy.deepcopy(supernet)
    loader = list(zip(images.split(32), labels.split(32), strict=True))
    recipe = FineTuning(subnet=subnet, n_steps=40, learning_rate=0.02)
    train(own, loader, recipe=recipe)
    export(own, subnet, tmp_path / "net", format="onnx_int8", calibration=images, batch=batch)
    export(own, subnet, tmp_path / "float", format="ofa", calibration=images)
    net = load_exported(tmp_path / "float")
    found = compare_exported(tmp_path / "net", net, quadrants(200, seed=1)[0])
    assert found.max_difference > 1e-3  # they are integers
    assert found.same_top1 > 0.9
    session = pytest.importorskip("onnx").load(tmp_path / "net")
    assert {node.op_type for node in session.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}


def test_eight_bit_integers_need_images(supernet: Supernet, subnet: Subnet, tmp_path: Path) -> None:
    expected = "`calibration` must be images for 'onnx_int8', but got None"
    with pytest.raises(InvalidArgumentError, match=expected):
        export(supernet, subnet, tmp_path / "net", format="onnx_int8", calibration=None)


def test_a_batch_may_have_more_images_than_the_calibration(
    supernet: Supernet, subnet: Subnet, calibration: Tensor, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    weights = {}
    for batch in (1, 64, None):
        path = tmp_path / f"{batch}"
        export(supernet, subnet, path, format="onnx_int8", calibration=calibration, batch=batch)
        graph = onnx.load(path).graph
        shape = graph.input[0].type.tensor_type.shape.dim
        assert shape[0].dim_value == (batch or 0)
        weights[batch] = [(i.name, i.raw_data) for i in graph.initializer]
    assert weights[1] == weights[64] == weights[None]
