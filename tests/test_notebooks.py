"""The notebooks of examples/ run from the first cell to the last, and are kept with outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.ipynb"))
PLOTLY = "application/vnd.plotly.v1+json"
PNG = "image/png"
DRAWN = {"start.ipynb": 3, "device.ipynb": 3}


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _printed(notebook: Any) -> str:
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    return "".join(output.text for output in outputs if output.get("name") == "stdout")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_are_kept_with_their_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    assert sum(PNG in output.get("data", {}) for output in outputs) == DRAWN[path.name]
    assert [cell.execution_count for cell in _code(notebook)] == [
        i + 1 for i in range(len(_code(notebook)))
    ]
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run_and_draw(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path.name == "device.ipynb":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    monkeypatch.setenv("OPTUNA_OFA_OFFLINE", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    assert sum(PLOTLY in output.get("data", {}) for output in outputs) == DRAWN[path.name]
    kept = _printed(nbformat.read(path, as_version=4))
    if path.name == "device.ipynb":  # which measures
        assert "ofa_mbv3_w1.0@224 | k" in _printed(notebook)
        assert len(_printed(notebook).split("\n")) == len(kept.split("\n"))
    else:
        assert _printed(notebook) == kept
