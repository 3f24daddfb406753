"""Optional dependencies: imported on use, and the extra is named when they are missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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


WITHOUT_TORCH = (
    "AccuracyPredictor",
    "Front",
    "LatencyPredictor",
    "LatencyTable",
    "NetworkLatencyPredictor",
    "SearchSpace",
    "Subnet",
    "SubnetStudy",
    "data",
    "exceptions",
    "families",
    "fetch",
    "fleet",
    "fronts",
    "get_family",
    "predictors",
    "published",
    "read_measurements",
    "samplers",
    "space",
    "study",
    "visualization",
)


def _modules_after(code: str, *names: str) -> str:
    """Return which of some modules a process has imported after some code."""
    code = f"import sys\n{code}\nprint([m for m in {names!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("\n")[-1]


def test_names_that_need_no_torch_do_not_import_it() -> None:
    imported = [
        f"optuna_ofa.{name}; assert 'torch' not in sys.modules, {name!r}" for name in WITHOUT_TORCH
    ]
    assert _modules_after("\n".join(["import optuna_ofa", *imported]), "torch") == "[]"


@pytest.mark.parametrize(
    "arguments", ["'ofa_mbv3_w1.0'", "'ofa_mbv3_w1.0', accuracy='linear'", "'ofa_mbv3_fashion'"]
)
def test_a_study_with_packaged_accuracies_does_not_import_torch(arguments: str) -> None:
    """From its creation to its front, with standard deviations and what lies outside."""
    code = (
        f"import optuna_ofa\nstudy = optuna_ofa.study({arguments}, seed=0)\n"
        "study.search(120, progress=False)\nfront = study.front()\nprint(front, front[0])"
    )
    assert _modules_after(code, "torch") == "[]"


def test_importing_the_package_imports_nothing_else() -> None:
    assert _modules_after("import optuna_ofa", "torch", "optuna", "numpy", "plotly") == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ["families"],
        ["devices"],
        ["search", "--supernet", "ofa_mbv3_w1.0", "--accuracy", "linear", "--n", "30"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_that_need_no_torch_do_not_import_it(tmp_path: Path, arguments: list[str]) -> None:
    """A search with linear accuracies, and what reads its study, among them."""
    follow = [["front", "--plot", "front.html"], ["studies"]] if arguments[0] == "search" else []
    calls = "\n".join(f"assert main({line!r}) == 0" for line in [arguments, *follow])
    code = f"import os\nos.chdir({str(tmp_path)!r})\nfrom optuna_ofa.commands import main\n{calls}"
    assert _modules_after(code, "torch") == "[]"
