"""From a state dict to an exported network of a front: ResNet-20 on CIFAR-10, in seconds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import optuna_ofa
from optuna_ofa.deployment import export, load_exported
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.fronts import Front
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import SearchSpace
from optuna_ofa.supernet import Supernet
from optuna_ofa.verification import MicroMeter

parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
N_IMAGES, N_CALIBRATION, N_SUBNETS = 500, 200, 12
# of the published network on all 10,000 test images, which were compressed again
PUBLISHED_TOP1 = 81.3


def read_images(path: Path, n: int) -> tuple[Tensor, Tensor]:
    """The first images of a file, normalised as the network was trained, and their labels."""
    image_module = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    rows: Any = next(parquet.ParquetFile(path).iter_batches(n, columns=["image", "label"]))
    pixels = [np.asarray(image_module.open(io.BytesIO(jpeg))) for jpeg in rows["image"].to_pylist()]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255
    mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]).view(2, 1, 3, 1, 1)
    return (images - mean) / std, torch.tensor(rows["label"].to_pylist())


@pytest.fixture(scope="module")
def weights(shared_data: Path) -> Path:
    path = shared_data / "pretrained" / "resnet20-12fca82f.th"
    if not path.exists():
        pytest.skip("the weights of ResNet-20 are not in the shared folder")
    return path


@pytest.fixture(scope="module")
def images(shared_data: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Training images for the statistics, test images for everything else."""
    folder, counts = shared_data / "images", {"train": N_CALIBRATION, "test": N_IMAGES}
    paths = {name: folder / f"cifar10_jpeg_{name}.parquet" for name in counts}
    if not all(path.exists() for path in paths.values()):
        pytest.skip("the images of CIFAR-10 are not in the shared folder")
    return {name: read_images(path, counts[name]) for name, path in paths.items()}


@pytest.fixture(scope="module")
def supernet(weights: Path, images: dict[str, tuple[Tensor, Tensor]]) -> Supernet:
    calibration = images["train"][0]
    found = optuna_ofa.supernet_from(weights, "resnet20_cifar10", calibration=calibration)
    return found.eval()


@torch.no_grad()
def test_the_largest_subnet_is_as_good_as_the_published_network(
    supernet: Supernet, images: dict[str, tuple[Tensor, Tensor]]
) -> None:
    inputs, labels = images["test"]
    logits = supernet.extract(SearchSpace("resnet20_cifar10").largest())(inputs)
    top1 = 100 * (logits.argmax(1) == labels).float().mean().item()
    sampling = 100 * (0.813 * 0.187 / N_IMAGES) ** 0.5
    assert abs(top1 - PUBLISHED_TOP1) < 3 * sampling


def test_calibration_loses_less_than_slicing(
    weights: Path, supernet: Supernet, images: dict[str, tuple[Tensor, Tensor]]
) -> None:
    inputs, labels = images["test"]
    settings = optuna_ofa.EvaluationSettings(calibration=images["train"][0])
    subnet = SearchSpace("resnet20_cifar10").subnet(resolution=32, depth=3, expand=0.5)
    sliced = optuna_ofa.supernet_from(weights, "resnet20_cifar10")
    found = [
        optuna_ofa.evaluate(net, subnet, [(inputs, labels)], settings).top1[0]
        for net in (sliced, supernet)
    ]
    assert found[1] > found[0] + 10  # 46 and 67 on 1,000 images, with 320 for calibration


def test_from_the_state_dict_to_an_exported_network(
    supernet: Supernet, images: dict[str, tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    space = SearchSpace("resnet20_cifar10", resolution=32).restrict(expand=(0.5, 0.75, 1))
    inputs, labels = images["test"]
    loader = list(zip(inputs.split(250), labels.split(250), strict=True))
    calibration = images["train"][0]
    settings = optuna_ofa.EvaluationSettings(calibration=calibration)

    matrix = space.sample(N_SUBNETS, seed=0, uniform_over="sizes")
    found = optuna_ofa.evaluate(supernet, matrix, loader, settings)
    accuracy = optuna_ofa.AccuracyPredictor.fit(space, found.matrix, found.top1)

    study = optuna_ofa.study(space, accuracy=accuracy, objectives=("top1", "n_macs"), seed=0)
    study.search(n_trials=200)
    meter = optuna_ofa.AccuracyMeter(supernet, loader, settings)
    verified = study.verify({"top1": meter}, points=4)
    front = study.front(kind="measured")
    assert len(verified.points) == 4
    assert_front_is_right(front)
    # from chance to what the whole network has after its statistics were computed anew
    assert max(point.values["top1"] for point in front) > 70

    subnet = front.knee().subnet
    export(supernet, subnet, tmp_path / "net.onnx", format="onnx", calibration=calibration)
    net = supernet.extract(subnet)
    recalibrate(net, calibration)
    assert_the_same_logits(tmp_path / "net.onnx", net, inputs[:1])


@pytest.mark.litert
def test_it_runs_on_a_microcontroller_in_integers(
    supernet: Supernet, images: dict[str, tuple[Tensor, Tensor]]
) -> None:
    inputs, labels = images["test"]
    settings = optuna_ofa.EvaluationSettings(calibration=images["train"][0])
    space = SearchSpace("resnet20_cifar10", resolution=32)
    largest = space.to_matrix([space.largest()])

    def top1(**options: Any) -> float:
        meter = optuna_ofa.AccuracyMeter(supernet, [(inputs, labels)], settings, **options)
        return float(meter.measure(space, largest, None).values[0])

    plain, eight = top1(), top1(runtime="litert", precision="int8")
    assert abs(eight - plain) < 1.5  # 0.8 points are four images
    for metric, most in {"sram_kb": 0.03, "flash_kb": 0.01}.items():
        found = MicroMeter(metric, supernet, settings)  # type: ignore[arg-type]
        measured = found.measure(space, largest, None).values[0]
        predicted = CostPredictor(metric, space).predict(largest)[0]
        assert measured == pytest.approx(predicted, rel=most)
        assert predicted - measured >= 0 or metric == "flash_kb"


def assert_front_is_right(front: Front) -> None:
    macs = [point.values["n_macs"] for point in front]
    top1 = [point.values["top1"] for point in front]
    assert macs == sorted(macs)
    assert top1 == sorted(top1)


@torch.no_grad()
def assert_the_same_logits(path: Path, net: nn.Module, inputs: Tensor) -> None:
    expected = net.eval()(inputs)
    torch.testing.assert_close(load_exported(path)(inputs), expected, atol=1e-4, rtol=1e-4)
