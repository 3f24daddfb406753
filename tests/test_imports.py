"""Optional dependencies: imported on use, and the extra is named when they are missing."""

from __future__ import annotations

import json
import sys

import pytest

from optuna_ofa._imports import try_import
from optuna_ofa.exceptions import MissingDependencyError


def test_check_returns_the_module() -> None:
    assert try_import("json", extra="image").check() is json


def test_naming_a_missing_module_is_harmless() -> None:
    assert try_import("no_such_module", extra="image").module == "no_such_module"


def test_check_names_the_module_and_the_extra() -> None:
    expected = r'`no_such_module`.*pip install "optuna-ofa\[image\]"'
    with pytest.raises(MissingDependencyError, match=expected):
        try_import("no_such_module", extra="image").check()


def test_the_error_is_an_import_error_with_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)
    with pytest.raises(ImportError, match="kaleido") as info:
        try_import("kaleido", extra="image").check()
    assert isinstance(info.value.__cause__, ImportError)
