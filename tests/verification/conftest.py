"""Studies of a small family on predictors that need no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, TensorDataset

import optuna_ofa
from optuna_ofa import SearchSpace, SubnetStudy, Supernet
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.space import Matrix


class OfCost(Predictor):
    """Predicts a line in the logarithm of a cost."""

    def __init__(self, metric: str, space: SearchSpace, std: float | None) -> None:
        self.metric, self.space, self.std, self.offset = metric, space, std, 0.0
        self._cost = CostPredictor("n_macs" if metric == "latency_ms" else "n_params", space)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        cost = self._cost.predict(matrix)
        values = cost / 1e6 if self.metric == "latency_ms" else 10 * np.log(cost / 1e4)
        return self.offset + values

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        return None if self.std is None else np.full(len(matrix), self.std)


@pytest.fixture(autouse=True)
def _quiet(one_thread: None, quiet_optuna: None) -> None:
    """One thread, and Optuna reports warnings alone."""


@pytest.fixture
def space() -> SearchSpace:
    """Small images at two resolutions."""
    return SearchSpace("ofa_mbv3_fashion").restrict(resolution=[20, 28], kernel=3)


@pytest.fixture
def make_study(space: SearchSpace) -> Callable[..., SubnetStudy]:
    """A study that has searched a little; top-1 is known to 1 point, latency to no interval."""

    def make(n: int = 60, **arguments: object) -> SubnetStudy:
        study = optuna_ofa.study(
            space,
            accuracy=OfCost("top1", space, 1.0),
            hardware=OfCost("latency_ms", space, None),
            seed=0,
            **arguments,  # type: ignore[arg-type]
        )
        if n > len(study.results(kind="predicted").numbers):
            study.search(n)
        return study

    return make


@pytest.fixture
def study(make_study: Callable[..., SubnetStudy]) -> SubnetStudy:
    return make_study()


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def supernet(space: SearchSpace) -> Supernet:
    """A supernet with random weights."""
    torch.manual_seed(0)
    return Supernet(space.family)


@pytest.fixture
def loader() -> DataLoader:
    """Forty images of noise."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randn(40, 1, 28, 28, generator=rng)
    return DataLoader(TensorDataset(images, torch.arange(40) % 10), batch_size=20)
