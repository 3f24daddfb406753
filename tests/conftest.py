"""Fixtures that several rooms share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import optuna
import pytest
import torch

import optuna_ofa
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
