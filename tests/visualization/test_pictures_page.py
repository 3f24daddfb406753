"""The code in docs/pictures.md runs as it stands, top to bottom, and has every picture."""

from __future__ import annotations

import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from optuna_ofa import visualization

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pictures.md"


pytestmark = pytest.mark.usefixtures("quiet_optuna")


def test_every_picture_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = [name for name in visualization.__all__ if name.startswith("plot_")]
    assert [name for name in names if name not in text] == []


def test_code_runs_and_each_block_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {}
    exec(compile(blocks[0], str(PAGE), "exec"), namespace)
    for block in blocks[1:]:
        *before, last = block.strip().split("\n")
        exec(compile("\n".join(before), str(PAGE), "exec"), namespace)
        figure = eval(compile(last, str(PAGE), "eval"), namespace)
        assert isinstance(figure, go.Figure)
        assert figure.data
    assert len(blocks) == 12
