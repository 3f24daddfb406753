"""The `ofa` package as the reference, without two packages that it imports and never uses here."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from unittest.mock import MagicMock

import pytest

_UNUSED: dict[str, tuple[str, ...]] = {
    "gdown": (),
    "torchvision": ("datasets", "transforms", "transforms.functional"),
}


@pytest.fixture(scope="session")
def ofa() -> ModuleType:
    """The reference package."""
    for package, modules in _UNUSED.items():
        if package in sys.modules or find_spec(package) is not None:
            continue
        for name in (package, *(f"{package}.{module}" for module in modules)):
            sys.modules[name] = MagicMock(name=name)
    module: ModuleType = pytest.importorskip("ofa")
    return module
