"""The `ofa` package as the reference, without two packages that it imports and never uses here."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

import pytest

_UNUSED = (
    "gdown",
    "torchvision",
    "torchvision.datasets",
    "torchvision.transforms",
    "torchvision.transforms.functional",
)


@pytest.fixture(scope="session")
def ofa() -> ModuleType:
    """The reference package."""
    for name in _UNUSED:
        if name not in sys.modules and find_spec(name.split(".")[0]) is None:
            sys.modules[name] = MagicMock(name=name)
    return pytest.importorskip("ofa")
