"""What the project installs: its packages, its data, and nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = (".json", ".csv", ".npz", ".pth")
VERSIONS = ROOT / "docs" / "versions.md"
SOURCES = ("optuna_ofa", "samplers", "predictors")
# Extras that are too large for `.ci/packages`: their lower bounds are not tested.
UNTESTED = ("ai-edge-litert", "ai-edge-quantizer", "ray", "tflite-micro")
# The lower bound of torch is tested by `.ci/debian-torch`.
TORCH = "2.6"
# What the extras install, by the names under which it is imported.
EXTRAS = (
    "ai_edge_litert",
    "ai_edge_quantizer",
    "executorch",
    "kaleido",
    "litert_torch",
    "ofa",
    "onnx",
    "onnxruntime",
    "openvino",
    "optuna_dashboard",
    "optunahub",
    "pandas",
    "psycopg",
    "pymoo",
    "pymysql",
    "pynvml",
    "pytest",
    "safetensors",
    "sphinx",
    "tflite_micro",
)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names of the files in a wheel, built from a copy so that no old build is reused."""
    copy = tmp_path_factory.mktemp("project")
    for name in SOURCES:
        shutil.copytree(
            ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "."]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (path,) = copy.glob("*.whl")
    with ZipFile(path) as archive:
        return archive.namelist()


def run_python(code: str, folder: Path) -> str:
    """What ``code`` prints in a fresh interpreter that has only the installed packages."""
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def packages_on_disk() -> list[str]:
    """Dotted names of the folders with an ``__init__.py``, the two linked ones under their own."""
    names = []
    for source in SOURCES:
        for init in (ROOT / source).rglob("__init__.py"):
            name = ".".join(init.parent.relative_to(ROOT).parts)
            names.append(name if source == "optuna_ofa" else f"optuna_ofa.{name}")
    return sorted(set(names))


def test_every_package_is_declared(project: dict[str, Any]) -> None:
    assert sorted(project["tool"]["setuptools"]["packages"]) == packages_on_disk()


def test_every_module_is_in_the_wheel(wheel: list[str]) -> None:
    on_disk = {
        str(path.relative_to(ROOT)) if source == "optuna_ofa" else f"optuna_ofa/{source}/{name}"
        for source in SOURCES
        for path in (ROOT / source).rglob("*.py")
        if (name := path.relative_to(ROOT / source))
    }
    assert {name for name in wheel if name.endswith(".py")} == on_disk


def test_the_wheel_has_one_top_level_name(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"optuna_ofa"}


def test_the_package_data_is_in_the_wheel(wheel: list[str]) -> None:
    files = (f for f in (ROOT / "optuna_ofa/data").iterdir() if f.suffix in DATA)
    data = [f"optuna_ofa/data/{path.name}" for path in files]
    assert {Path(name).suffix for name in data} == set(DATA)
    assert {"optuna_ofa/py.typed", "optuna_ofa/__init__.pyi", *data} <= set(wheel)


def test_the_licence_is_in_the_wheel(wheel: list[str]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in wheel)


@pytest.mark.parametrize("name", ["samplers", "predictors"])
def test_nothing_else_is_importable_at_top_level(name: str, tmp_path: Path) -> None:
    code = f"from importlib.util import find_spec; print(find_spec({name!r}))"
    assert run_python(code, tmp_path) == "None"


@pytest.mark.parametrize("name", ["samplers", "predictors"])
def test_the_linked_folders_are_importable_as_subpackages(name: str, tmp_path: Path) -> None:
    code = f"import optuna_ofa.{name} as module; print(module.__name__)"
    assert run_python(code, tmp_path) == f"optuna_ofa.{name}"


def test_every_module_imports_without_any_extra(tmp_path: Path) -> None:
    code = f"""
import importlib, pkgutil, sys
for name in {EXTRAS}:
    sys.modules[name] = None  # importing it raises ImportError
import optuna_ofa
for module in pkgutil.walk_packages(optuna_ofa.__path__, "optuna_ofa."):
    importlib.import_module(module.name)
print("optuna_ofa.exceptions" in sys.modules)
"""
    assert run_python(code, tmp_path) == "True"


def test_the_installed_version_is_the_declared_one(project: dict[str, Any]) -> None:
    assert metadata.version("optuna-ofa") == project["project"]["version"]


def test_no_module_repeats_the_version(project: dict[str, Any]) -> None:
    literal = re.compile(rf"""["']{re.escape(project["project"]["version"])}["']""")
    repeated = [
        path.name
        for source in SOURCES
        for path in (ROOT / source).rglob("*.py")
        if literal.search(path.read_text())
    ]
    assert repeated == []


def _pins(name: str) -> dict[str, str]:
    """Version by package of a file of constraints, of several that of the newest Python."""
    lines = (ROOT / name).read_text().splitlines()
    pins = (re.split("[#;]", line)[0].strip() for line in lines)
    return dict(pin.lower().split("==") for pin in pins if pin)


def _bounds(requirements: Iterable[str]) -> dict[str, str]:
    """Lower bound by package, empty where there is none."""
    pattern = re.compile(r"([\w-]+)(?:\[\w+\])?(?:>=([^,]*)(?:,!=.*)?)?$")
    parts = (pattern.match(text).groups("") for text in requirements)  # type: ignore[union-attr]
    return {package.lower(): bound for package, bound in parts}


def _required(project: dict[str, Any]) -> list[str]:
    """The requirements of the package and of its extras."""
    extras = project["project"]["optional-dependencies"].values()
    return [*project["project"]["dependencies"], *chain.from_iterable(extras)]


def _development(project: dict[str, Any], *but: str) -> list[str]:
    """The requirements of the groups for development, without those of the groups ``but``."""
    groups = project["dependency-groups"].items()
    listed = chain.from_iterable(group for name, group in groups if name not in but)
    return [entry for entry in listed if isinstance(entry, str)]


def test_every_direct_dependency_has_a_tested_version(project: dict[str, Any]) -> None:
    direct = _bounds([*_required(project), *_development(project, "botorch")])
    assert set(direct) <= set(_pins("constraints.txt"))


def test_the_groups_for_development_have_the_bounds_of_the_package(project: dict[str, Any]) -> None:
    bounds = _bounds(_required(project))
    groups = _bounds(_development(project)).items()
    assert {name: bound for name, bound in groups if name in bounds} == {
        name: bounds[name] for name, _ in groups if name in bounds
    }


def test_the_group_dev_is_all_that_make_needs(project: dict[str, Any]) -> None:
    included = {entry["include-group"] for entry in project["dependency-groups"]["dev"]}
    assert included == {"docs", "lint", "test"}


def test_the_oldest_versions_are_the_lower_bounds(project: dict[str, Any]) -> None:
    oldest = _pins("constraints-oldest.txt")
    # the package's own bounds last: that of plotly is a higher one in an extra
    required = _bounds([*_required(project), *project["project"]["dependencies"]]).items()
    bounds = {package: bound for package, bound in required if package not in UNTESTED}
    assert bounds.pop("torch") == TORCH
    assert {*bounds, "torch"} == set(oldest)
    for package, bound in bounds.items():
        released = oldest[package].split(".")
        assert released[: bound.count(".") + 1] == bound.split("."), package


def test_the_page_of_versions_says_what_is_tested() -> None:
    row = re.compile(r"^\| ([\w ]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
    rows = row.findall(VERSIONS.read_text())
    assert len(rows) > 5
    oldest = {**_pins("constraints-oldest.txt"), "torch": f"{TORCH}.0"}
    for name, *versions in rows:
        package = {"ONNX Runtime": "onnxruntime"}.get(name, name.lower().replace(" ", "-"))
        assert versions == [oldest[package], _pins("constraints.txt")[package]], name
