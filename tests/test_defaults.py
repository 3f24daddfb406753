"""Defaults of the public names: numbers, words and switches that every caller relies on.

``python tests/test_defaults.py`` writes the file anew, after a change that is in the changelog.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("defaults.json")
PROJECT = tomllib.loads((FILE.parents[1] / "pyproject.toml").read_text())
ROOMS = [
    name.removeprefix("optuna_ofa")
    for name in PROJECT["tool"]["setuptools"]["packages"]
    if name.count(".") < 2
]


def public() -> Iterator[tuple[str, Any]]:
    """Yield the functions and classes of the rooms, and the classes' public methods."""
    for room in sorted(ROOMS):
        module = import_module(f"optuna_ofa{room}")
        for name in sorted(module.__all__):
            value = getattr(module, name)
            if not callable(value) or not getattr(value, "__module__", "").startswith("optuna_ofa"):
                continue
            yield f"{module.__name__}.{name}", value
            if inspect.isclass(value):
                methods = inspect.getmembers(value, inspect.isroutine)
                for method, of in methods:
                    if not method.startswith("_") and "optuna_ofa" in str(
                        getattr(of, "__module__", "")
                    ):
                        yield f"{module.__name__}.{name}.{method}", of


def defaults_of(value: Any) -> dict[str, Any]:
    """Return the defaults that are numbers, words or switches."""
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return {}
    found = {p.name: p.default for p in parameters if p.default is not p.empty}
    if dataclasses.is_dataclass(value):
        found |= {f.name: f.default for f in dataclasses.fields(value)}
    return {k: v for k, v in found.items() if isinstance(v, bool | int | float | str)}


@functools.cache
def every_default() -> dict[str, dict[str, Any]]:
    found = {name: defaults_of(value) for name, value in public()}
    return {name: dict(sorted(of.items())) for name, of in sorted(found.items()) if of}


RECORDED: dict[str, dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else {}


@pytest.mark.parametrize("name", RECORDED)
def test_defaults_are_as_documented(name: str) -> None:
    found = every_default()[name]
    assert {k: found.get(k) for k in RECORDED[name]} == pytest.approx(RECORDED[name], nan_ok=True)


if __name__ == "__main__":
    lines = [f" {json.dumps(name)}: {json.dumps(of)}" for name, of in every_default().items()]
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
