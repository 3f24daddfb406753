"""The code in docs/dashboard.md runs as it stands, top to bottom."""

from __future__ import annotations

import re
from pathlib import Path

import optuna
import pytest

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "dashboard.md"


def test_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("n_trials=1_000") == 2
    text = text.replace("n_trials=1_000", "n_trials=500")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), namespace)
    assert (tmp_path / "report.html").stat().st_size > 1_000_000
    assert len(list((tmp_path / "files").iterdir())) >= 3
    (study,) = optuna.get_all_study_summaries("sqlite:///nas.db")
    assert study.n_trials == 1_000
    (view,) = optuna.get_all_study_summaries("sqlite:///view.db")
    assert 200 <= view.n_trials <= 204
