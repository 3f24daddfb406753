"""What the quickstart prints of Optuna Dashboard, done: its command, and its page in a browser."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import plotly.graph_objects as go
import pytest

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
QUICKSTART = Path(__file__).resolve().parents[2] / "examples" / "quickstart.py"
TIMEOUT_MS = 180_000  # for machines that do other things as well
# the pictures from top to bottom and left to right, the dashboard's own among them
PICTURES = """
[...document.querySelectorAll('[id^="user-defined-plot:"], [id^="graph-"]')]
  .map(tile => [tile.getBoundingClientRect(), tile.id])
  .sort(([a], [b]) => Math.abs(a.top - b.top) > 50 ? a.top - b.top : a.left - b.left)
  .map(([box, id]) => id)
"""


@pytest.fixture
def printed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quiet_optuna: None,
    import_path: Callable[[Path], ModuleType],
) -> list[str]:
    """The command and the address that the first half of the quickstart prints."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    quickstart = import_path(QUICKSTART)
    monkeypatch.setattr(quickstart, "N_TRIALS", 300)
    monkeypatch.setattr(go.Figure, "write_image", lambda *_, **__: None)
    quickstart.predict()
    return [line.strip() for line in capsys.readouterr().out.splitlines() if "dashboard" in line]


@pytest.fixture
def address(printed: list[str]) -> Iterator[str]:
    """The address where that command serves the dashboard, at a free port."""
    *_, command, url = printed
    program, *arguments = shlex.split(command)
    assert Path(program).name == "optuna-ofa"
    # as installed beside this Python, wherever the tests run
    words = [str(Path(sys.executable).with_name("optuna-ofa")), *arguments, "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        served = re.search(r"http://\S+", server.stderr.readline())
        assert served is not None
        host, path = re.fullmatch(r"(http://[\d.:]+)(/.*)", url).groups()  # type: ignore[union-attr]
        assert host == "http://127.0.0.1:8080"
        assert served[0].endswith(path)
        yield served[0]
        server.terminate()


def test_the_page_that_it_names_has_our_front_first(address: str) -> None:
    with playwright.sync_playwright() as driver:
        chromium: Any = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        front = page.locator('[id="user-defined-plot:front"] .scatterlayer .point').first
        front.wait_for()
        page.locator("#graph-pareto-front .main-svg").first.wait_for()
        assert page.evaluate(PICTURES)[0] == "user-defined-plot:front"
        assert front.bounding_box()["y"] < 1000  # without scrolling
        chromium.close()
