"""The names of the package: what the stub promises is there, and comes when it is asked for."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import optuna_ofa

STUB = Path(optuna_ofa.__file__).with_suffix(".pyi")
PACKAGES = sorted(
    path.parent.name for path in Path(optuna_ofa.__file__).parent.glob("*/__init__.py")
)


def _stub_names() -> list[str]:
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def test_type_checkers_are_told_of_every_name() -> None:
    assert sorted(optuna_ofa.__all__) == sorted(_stub_names())
    assert set(dir(optuna_ofa)) >= set(optuna_ofa.__all__) - {"__version__"}


@pytest.mark.parametrize("name", optuna_ofa.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(optuna_ofa, name) is not None


def test_there_is_no_other_name() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        optuna_ofa.no_such_name  # noqa: B018


def test_rooms_that_users_reach_from_the_root_are_attributes() -> None:
    assert set(PACKAGES) - set(optuna_ofa.__all__) == {
        "commands",
        "costs",
        "executors",
        "fleets",
        "graphs",
        "measurements",
        "pretrained",
        "problem",
        "storage",
        "studies",
        "supernet",
        "verification",
    }


def test_there_are_few_public_names() -> None:
    rooms = {name: importlib.import_module(f"optuna_ofa.{name}").__all__ for name in PACKAGES}
    assert len(optuna_ofa.__all__) <= 45
    assert sum(map(len, rooms.values())) <= 120


def test_every_package_can_be_the_first_that_is_imported() -> None:
    code = f"""
import importlib, sys
for name in {PACKAGES}:
    for module in [m for m in sys.modules if m.split(".")[0] == "optuna_ofa"]:
        del sys.modules[module]
    importlib.import_module("optuna_ofa." + name)
print("all imported")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "all imported", done.stderr
