"""The supernet that comes with the package: whole, as accurate as its files say, and searchable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import optuna_ofa
from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.data import (
    fashion_mnist,
    halves,
    packaged_accuracies,
    packaged_accuracy,
    packaged_supernet,
    table_names,
)
from optuna_ofa.data._fashion_mnist import DEBIAN
from optuna_ofa.exceptions import InvalidArgumentError

SPACE = SearchSpace("ofa_mbv3_fashion")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "package_fashion.py"


@pytest.fixture(scope="module")
def accuracy() -> AccuracyPredictor:
    path = packaged_accuracy(SPACE.family)
    assert path is not None
    return AccuracyPredictor.load(path)


def test_it_loads_and_is_small() -> None:
    supernet = packaged_supernet()
    assert supernet.family == SPACE.family
    assert not supernet.training
    folder = Path(optuna_ofa.data.__file__).parent
    assert sum(f.stat().st_size for f in folder.glob("ofa_mbv3_fashion.*")) < 5e6


def test_another_name_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="one of ofa_mbv3_fashion, but got 'toaster'"):
        packaged_supernet("toaster")


def test_accuracies_of_other_families_are_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="one of ofa_mbv3_fashion, but got 'ofa_resnet"):
        packaged_accuracies("ofa_resnet50")


def test_its_accuracies_are_of_different_subnets_of_every_size() -> None:
    matrix, top1 = packaged_accuracies()
    assert len(matrix) == len(top1) >= 500
    assert len(np.unique(matrix, axis=0)) == len(matrix)
    np.testing.assert_array_equal(SPACE.to_matrix(SPACE.from_matrix(matrix)), matrix)
    ends = SPACE.to_matrix([SPACE.smallest(), SPACE.largest()])
    np.testing.assert_array_equal(matrix[:2], ends)
    assert 50 < top1.min() < top1.max() < 100


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="dataset-fashion-mnist is not installed")
def test_a_subnet_is_as_accurate_as_its_row_says(import_path: Callable[[Path], ModuleType]) -> None:
    example = import_path(EXAMPLE)
    matrix, top1 = packaged_accuracies()
    data = fashion_mnist()
    found = optuna_ofa.evaluate(
        packaged_supernet(),
        matrix[:1],
        halves(data.test)[0],
        optuna_ofa.EvaluationSettings(calibration=data.train[: example.N_CALIBRATION][0]),
        progress=False,
    )
    # rounding differs between processors, and with it a few of 5,000 images
    assert found.top1[0] == pytest.approx(top1[0], abs=0.2)


def test_the_predictor_is_fitted_to_these_accuracies(accuracy: AccuracyPredictor) -> None:
    matrix, top1 = packaged_accuracies()
    assert accuracy.space == SPACE
    errors = accuracy.predict(matrix) - top1
    assert np.sqrt(np.mean(errors**2)) < accuracy.metadata["held_out"]["splits"][0]["rmse"]


def test_held_out_subnets_are_predicted_better_than_by_macs(accuracy: AccuracyPredictor) -> None:
    (scores,) = accuracy.metadata["held_out"]["splits"]
    assert scores["tau"] > scores["macs_tau"]
    assert 0.8 <= scores["coverage_90"] <= 1.0


def test_a_study_needs_nothing_but_its_name() -> None:
    assert "cpu-torch" in table_names(SPACE.family)
    study = optuna_ofa.study("ofa_mbv3_fashion", seed=0)
    study.search(300)
    front = study.front()
    assert front[0].values["latency_ms"] < front[-1].values["latency_ms"]
    assert all("top1" in point.std for point in front)
