"""Studies are searched without a line for each trial."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quiet(quiet_optuna: None) -> None:
    """Optuna reports warnings alone."""
