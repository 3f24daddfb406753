"""Devices with latencies by formula, that differ in what is slow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.space import Matrix


class ByKernels(Predictor):
    """Latency of multiply-adds, and of what large kernels cost more on this device."""

    metric = "latency_ms"

    def __init__(self, space: SearchSpace, per_pixel: float) -> None:
        self.space, self._per_pixel = space, per_pixel
        self._n_macs = CostPredictor("n_macs", space)
        self._kernels = list(space.family.columns("kernel"))

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        kernels = np.asarray(matrix)[:, self._kernels].astype(float)
        return self._n_macs.predict(matrix) / 1e7 + self._per_pixel * (kernels**2).sum(axis=1)


class Accuracy(Predictor):
    """Grows with parameters and kernels; counts the subnets that it is asked for."""

    metric = "top1"

    def __init__(self, space: SearchSpace) -> None:
        self.space, self.asked = space, []
        self._n_params = CostPredictor("n_params", space)
        self._kernels = list(space.family.columns("kernel"))

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        self.asked += [row.tobytes() for row in np.asarray(matrix, dtype=np.int16)]
        kernels = np.asarray(matrix)[:, self._kernels].astype(float)
        params = self._n_params.predict(matrix)
        return 70 + 5 * np.log(params / 3_410_792) + 0.02 * kernels.sum(axis=1)


@pytest.fixture(autouse=True)
def _quiet(one_thread: None, quiet_optuna: None) -> None:
    """One thread, and Optuna reports warnings alone."""


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


@pytest.fixture
def accuracy(space: SearchSpace) -> Accuracy:
    return Accuracy(space)


@pytest.fixture
def hardware(space: SearchSpace) -> dict[str, Predictor]:
    return {"wide": ByKernels(space, 0.001), "narrow": ByKernels(space, 0.02)}


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/fleet.db"
