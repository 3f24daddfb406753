"""Studies are searched in one thread, without a line for each trial."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quiet(one_thread: None, quiet_optuna: None) -> None:
    """One thread, and Optuna reports warnings alone."""
