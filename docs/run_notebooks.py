"""Run the notebooks of examples/ and keep their outputs: ``python docs/run_notebooks.py``.

Figures are kept as static pictures, which needs Chrome or Chromium; who runs a notebook gets them
interactive.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbclient
import nbformat

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def main() -> None:
    """Run all notebooks, each in an empty folder."""
    os.environ |= {"PLOTLY_RENDERER": "png", "OMP_NUM_THREADS": "1", "OPTUNA_OFA_OFFLINE": "1"}
    for path in sorted(EXAMPLES.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            resources = {"metadata": {"path": folder}}
            nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times
            if cell.cell_type == "code":
                cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
