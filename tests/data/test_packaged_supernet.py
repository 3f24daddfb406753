"""The supernets that come with the package: whole, as accurate as their files say, searchable."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.data import (
    fashion_mnist,
    halves,
    packaged_accuracies,
    packaged_accuracy,
    packaged_images,
    packaged_supernet,
    table_names,
)
from optuna_ofa.data._fashion_mnist import DEBIAN
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import CostPredictor

# bytes of all files, and subnets whose accuracies are packaged
SUPERNETS = {"ofa_mbv3_fashion": (5e6, 500), "microcontroller_fashion": (1e6, 150)}
SPACES = {name: SearchSpace(name) for name in SUPERNETS}
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "package_fashion.py"
each = pytest.mark.parametrize("name", SUPERNETS)


@pytest.fixture(scope="module", params=SUPERNETS)
def accuracy(request: pytest.FixtureRequest) -> AccuracyPredictor:
    path = packaged_accuracy(SPACES[request.param].family)
    assert path is not None
    return AccuracyPredictor.load(path)


@each
def test_it_loads_and_is_small(name: str) -> None:
    supernet = packaged_supernet(name)
    assert supernet.family == SPACES[name].family
    assert not supernet.training
    assert {weights.dtype for weights in supernet.parameters()} == {torch.float32}
    folder = Path(optuna_ofa.data.__file__).parent
    assert sum(f.stat().st_size for f in folder.glob(f"{name}.*")) < SUPERNETS[name][0]


def test_another_name_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="_fashion, ofa_mbv3_fashion, but got 'toaster'"):
        packaged_supernet("toaster")


def test_accuracies_of_other_families_are_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="_fashion, ofa_mbv3_fashion, but got 'ofa_r"):
        packaged_accuracies("ofa_resnet50")


@each
def test_its_accuracies_are_of_different_subnets_of_every_size(name: str) -> None:
    space = SPACES[name]
    matrix, top1 = packaged_accuracies(name)
    assert len(matrix) == len(top1) >= SUPERNETS[name][1]
    assert len(np.unique(matrix, axis=0)) == len(matrix)
    np.testing.assert_array_equal(space.to_matrix(space.from_matrix(matrix)), matrix)
    ends = space.to_matrix([space.smallest(), space.largest()])
    np.testing.assert_array_equal(matrix[:2], ends)
    assert 50 < top1.min() < top1.max() < 100


@each
@pytest.mark.skipif(not DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_a_subnet_is_as_accurate_as_its_row_says(
    name: str, import_path: Callable[[Path], ModuleType]
) -> None:
    example = import_path(EXAMPLE)
    matrix, top1 = packaged_accuracies(name)
    data = fashion_mnist()
    found = optuna_ofa.evaluate(
        packaged_supernet(name),
        matrix[:1],
        halves(data.test)[0],
        optuna_ofa.EvaluationSettings(calibration=data.train[: example.N_CALIBRATION][0]),
        progress=False,
    )
    # rounding differs between processors, and with it a few of 5,000 images
    assert found.top1[0] == pytest.approx(top1[0], abs=0.2)


def test_the_predictor_is_fitted_to_these_accuracies(accuracy: AccuracyPredictor) -> None:
    matrix, top1 = packaged_accuracies(accuracy.space.family.name)
    assert accuracy.space == SPACES[accuracy.space.family.name]
    errors = accuracy.predict(matrix) - top1
    assert np.sqrt(np.mean(errors**2)) < accuracy.metadata["held_out"]["splits"][0]["rmse"]


def test_held_out_subnets_are_predicted_better_than_by_macs(accuracy: AccuracyPredictor) -> None:
    (scores,) = accuracy.metadata["held_out"]["splits"]
    assert scores["tau"] > scores["macs_tau"]
    assert 0.8 <= scores["coverage_90"] <= 1.0


def test_a_study_needs_nothing_but_its_name() -> None:
    assert "cpu-torch" in table_names(SPACES["ofa_mbv3_fashion"].family)
    study = optuna_ofa.study("ofa_mbv3_fashion", seed=0)
    study.search(300)
    front = study.front()
    assert front[0].values["latency_ms"] < front[-1].values["latency_ms"]
    assert all("top1" in point.std for point in front)


def test_a_study_for_a_microcontroller_needs_nothing_but_its_name() -> None:
    study = optuna_ofa.study("microcontroller_fashion", objectives=["top1", "n_macs"], seed=0)
    study.search(300)
    front = study.front()
    assert front[0].values["n_macs"] < front[-1].values["n_macs"]
    assert all("top1" in point.std for point in front)


def test_supernets_of_the_same_images_share_them() -> None:
    ours, theirs = (packaged_images(name).test.tensors for name in SUPERNETS)
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


def test_the_measured_int8_front_is_that_of_the_predicted_memories() -> None:
    file = Path(optuna_ofa.data.__file__).with_name("microcontroller_fashion.int8.json")
    front = json.loads(file.read_text(encoding="utf-8"))
    space, points = SPACES[front["family"]], front["points"]
    assert len(points) >= 10
    matrix = np.array([point["genotype"] for point in points])
    assert [subnet.text for subnet in space.from_matrix(matrix)] == [
        point["subnet"] for point in points
    ]
    for metric, rel in (("sram_kb", 1e-9), ("flash_kb", 0.01)):
        predicted = CostPredictor(metric, space).predict(matrix)
        measured = np.array([point["measured"][metric] for point in points])
        np.testing.assert_allclose(predicted, measured, rtol=rel, atol=1e-3)
    path = packaged_accuracy(space.family)
    assert path is not None
    predicted = AccuracyPredictor.load(path).predict(matrix)
    stored = [point["predicted"]["top1"] for point in points]
    np.testing.assert_allclose(predicted, stored, atol=0.02)
    lost = [point["top1_float32"] - point["measured"]["top1"] for point in points]
    assert abs(np.mean(lost)) < 1
