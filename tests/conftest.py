"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of published tables, predictors and measured subnets beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"the published data is not at {SHARED}")
    return SHARED
