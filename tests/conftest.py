"""Fixtures that several rooms share."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import numpy as np
import optuna
import pytest
import torch
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import SearchSpace, fronts, studies
from optuna_ofa.fronts._pareto import Values
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.samplers import Constant, NSGAIISampler
from optuna_ofa.space import Matrix
from optuna_ofa.studies import SubnetStudy

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published tables, predictors and measured subnets beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the published data is not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Torch computes in one thread from then on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def import_path() -> Callable[[Path], ModuleType]:
    """Import a file that is in no package."""

    def load(path: Path) -> ModuleType:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def reference(import_path: Callable[[Path], ModuleType]) -> ModuleType:
    """``tests/_reference_ofa.py``."""
    pytest.importorskip("ofa", reason="the ofa package is not installed")
    return import_path(Path(__file__).parent / "_reference_ofa.py")


@pytest.fixture(scope="session")
def ofa(reference: ModuleType) -> ModuleType:
    """The ``ofa`` package, whose modules can be imported from then on."""
    for name in (reference.NETWORKS, "ofa.tutorial", "ofa.nas.accuracy_predictor"):
        reference.import_reference(name)
    module: ModuleType = reference.import_reference("ofa")
    return module


@pytest.fixture
def quiet_optuna() -> Iterator[None]:
    """Optuna reports warnings alone."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def searched() -> Callable[..., SubnetStudy]:
    """Make a study on the packaged predictors and search it a little."""

    def make(n: int = 60, **arguments: object) -> SubnetStudy:
        arguments.setdefault("constraints", {"latency_ms": 20.0})
        arguments.setdefault("study_name", "laptop")
        study = optuna_ofa.study("ofa_mbv3_w1.0", seed=7, **arguments)  # type: ignore[arg-type]
        study.search(n)
        return study

    return make


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[SubnetStudy], Counter[str]]:
    """Count how often the trials of a study are read and its fronts found, from then on."""

    def count(study: SubnetStudy) -> Counter[str]:
        counts: Counter[str] = Counter()

        def watch(owner: object, name: str) -> None:
            original = getattr(owner, name)

            def call(*args: object, **options: object) -> object:
                counts[name] += 1
                return original(*args, **options)

            monkeypatch.setattr(owner, name, call)

        watch(type(study.store), "read")
        for module in (fronts._findings, studies._study):
            watch(module, "find_front")
        return counts

    return count


@pytest.fixture(params=[1, 2, 3], ids=["1-objective", "2-objectives", "3-objectives"])
def points(request: pytest.FixtureRequest) -> Values:
    """Random points with many ties and duplicates."""
    rng = np.random.default_rng(request.param)
    return rng.integers(0, 6, size=(80, request.param)).astype(float)


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
