"""The examples run as their users run them; `.ci/run` runs the quickstart itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def _run(folder: Path, script: str, *arguments: object) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_search_published_prices_each_pick_on_both_devices(
    shared_data: Path, tmp_path: Path
) -> None:
    out = _run(tmp_path, "search_published.py", "--data", shared_data, "--evaluations", 400)
    assert out.count("(predicted)") == 6
    assert "note10's pick on i7-8700k" in out


def test_measure_default_table_writes_a_table(tmp_path: Path) -> None:
    _run(tmp_path, "measure_default_table.py", tmp_path / "table.json", "--rounds", 2)
    assert (tmp_path / "table.json").stat().st_size > 10_000


def test_measure_batches_goes_on_where_it_stopped(tmp_path: Path) -> None:
    arguments = ("--storage", f"sqlite:///{tmp_path}/a.db", "--batches", 2, "--size", 2)
    for n in (4, 8):
        out = _run(tmp_path, "measure_batches.py", *arguments)
        assert out.count("(predicted ") == 4
        assert f"of {n} measured subnets" in out
        assert "(evaluated)" in out
