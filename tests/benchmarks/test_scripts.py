"""The benchmarks as scripts: each can be started, and benchmarks/README.md says how."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("[!_]*.py"))
README = (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_starts(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.syspath_prepend(str((FOLDER / script).parent))
    before = set(sys.modules)
    try:
        with pytest.raises(SystemExit, match="0"):
            runpy.run_path(str(FOLDER / script), run_name="__main__")
    finally:  # names such as `_runs` are the benchmarks' own
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", None) and Path(
                str(sys.modules[name].__file__)
            ).is_relative_to(FOLDER):
                del sys.modules[name]
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_readme_has_the_command(script: str) -> None:
    section = README.split(f"\n## {script}: ")
    assert len(section) == 2, f"benchmarks/README.md has no section of {script}"
    assert f"    python benchmarks/{script}" in section[1].split("\n## ")[0]


def test_the_readme_has_no_command_of_a_script_that_is_gone() -> None:
    assert set(re.findall(r"python benchmarks/([\w/]+\.py)", README)) == set(SCRIPTS)
