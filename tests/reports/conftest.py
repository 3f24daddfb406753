"""Small studies on the packaged predictors."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import optuna
import pytest

import optuna_ofa
from optuna_ofa.studies import SubnetStudy


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture
def searched() -> Callable[..., SubnetStudy]:
    """Make a study and search it a little."""

    def make(n: int = 60, **arguments: object) -> SubnetStudy:
        arguments.setdefault("constraints", {"latency_ms": 20.0})
        arguments.setdefault("study_name", "laptop")
        study = optuna_ofa.study("ofa_mbv3_w1.0", seed=7, **arguments)  # type: ignore[arg-type]
        study.search(n)
        return study

    return make
