"""Optuna stays as loud as it was."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest


@pytest.fixture(autouse=True)
def _verbosity() -> Iterator[None]:
    """The commands make Optuna quiet; other tests have it as it was."""
    verbosity = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(verbosity)
