"""Optuna stays as loud as it was, and the default storage is in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest


@pytest.fixture(autouse=True)
def _verbosity() -> Iterator[None]:
    """The commands make Optuna quiet; other tests have it as it was."""
    verbosity = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The commands run in an empty folder."""
    monkeypatch.chdir(tmp_path)
