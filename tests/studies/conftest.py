"""Studies on predictors that need no file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import numpy as np
import optuna
import pytest
import torch
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.samplers import Constant, NSGAIISampler
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies import SubnetStudy

Formula = Callable[[Matrix], NDArray[np.float64]]
DATABASES = {"postgresql": "OPTUNA_OFA_TEST_POSTGRESQL", "mysql": "OPTUNA_OFA_TEST_MYSQL"}


class FormulaPredictor(Predictor):
    """Predicts by a function, which tests exchange."""

    def __init__(self, metric: str, space: SearchSpace, formula: Formula) -> None:
        self.metric = metric
        self.space = space
        self.formula = formula

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return self.formula(matrix)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    verbosity, threads = optuna.logging.get_verbosity(), torch.get_num_threads()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    yield
    optuna.logging.set_verbosity(verbosity)
    torch.set_num_threads(threads)


@pytest.fixture
def space() -> SearchSpace:
    """MobileNetV3 at one resolution."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


@pytest.fixture
def small_space() -> SearchSpace:
    """243 subnets."""
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224, kernel=3, expand=3)


@pytest.fixture
def predictor() -> Callable[..., Predictor]:
    """Make a predictor from a function; by default one that is not unlike the real thing.

    Accuracy grows with the logarithm of the parameters, and latency with the multiply-adds.
    """

    def make(metric: str, space: SearchSpace, formula: Formula | None = None) -> Predictor:
        if formula is None and metric == "top1":
            params = CostPredictor("n_params", space)
            formula = lambda m: 70 + 10 * np.log(params.predict(m) / 3_410_792)  # noqa: E731
        elif formula is None:
            macs = CostPredictor("n_macs", space)
            formula = lambda m: macs.predict(m) / 1e7  # noqa: E731
        return FormulaPredictor(metric, space, formula)

    return make


@pytest.fixture
def make_study(
    space: SearchSpace, predictor: Callable[..., Predictor]
) -> Callable[..., SubnetStudy]:
    """`optuna_ofa.study` with predictors by formula and generations of 100, if none are given."""

    def make(over: SearchSpace = space, **arguments: object) -> SubnetStudy:
        arguments.setdefault("accuracy", predictor("top1", over))
        arguments.setdefault("hardware", predictor("latency_ms", over))
        if "sampler" not in arguments:
            arguments["sampler"] = NSGAIISampler(
                over,
                population_size=100,
                generation_size=Constant(100),
                n_candidates=1000,
                seed=arguments.pop("seed", 0),
            )
        return optuna_ofa.study(over, **arguments)

    return make


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """Address of a new SQLite database."""
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture(params=["sqlite", *DATABASES])
def url(request: pytest.FixtureRequest, sqlite: str) -> str:
    """Address of a database of each kind that can be had."""
    if request.param == "sqlite":
        return sqlite
    variable = DATABASES[request.param]
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set; see .ci/start-databases")
    return os.environ[variable]


@pytest.fixture
def names(url: str) -> Iterator[Callable[[], str]]:
    """Make names of studies in that database, which are deleted afterwards."""
    made: list[str] = []

    def make() -> str:
        made.append(f"test-{uuid4()}")
        return made[-1]

    yield make
    existing = set(optuna.get_all_study_names(url))
    for name in made:
        if name in existing:
            optuna.delete_study(study_name=name, storage=url)
