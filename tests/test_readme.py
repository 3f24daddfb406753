"""The code in README.md runs as it stands, top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[1] / "README.md"


def test_readme_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 3
    namespace: dict[str, object] = {}
    for block in blocks:  # one after the other, as a reader would type them
        exec(compile(block, str(README), "exec"), namespace)
    assert (tmp_path / "front.html").stat().st_size > 0
    assert (tmp_path / "nas.db").exists()
