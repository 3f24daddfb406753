"""Optuna Dashboard and reports in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.storages import RDBStorage

import optuna_ofa
from optuna_ofa.dashboard import Published, dashboard_app, dashboard_server
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.space import net_config
from optuna_ofa.studies import SubnetStudy

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
LIMITS = [10, 12, 15]
TIMEOUT_MS = 180_000  # for machines that do other things as well


class Shown(NamedTuple):
    """A published study, and the address of a dashboard of it."""

    study: SubnetStudy
    published: Published
    address: str

    @property
    def page(self) -> str:
        return f"{self.address}/dashboard/studies/{self.study._study_id}"

    @property
    def pick(self) -> FrontPoint:
        point = self.published.picks["under 15 ms"]
        assert point is not None
        return point


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = tmp_path_factory.mktemp("dashboard")
    address = f"sqlite:///{folder}/study.db"
    study = optuna_ofa.study(
        "ofa_mbv3_w1.0",
        constraints={"latency_ms": 20.0},
        storage=address,
        study_name="laptop",
        seed=0,
    )
    study.search(100)
    (folder / "files").mkdir()
    store = FileSystemArtifactStore(folder / "files")
    published = study.publish(limits=LIMITS, artifact_store=store)
    app = dashboard_app(RDBStorage(address), artifact_store=store)
    server = dashboard_server(app, host="127.0.0.1", port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Shown(study, published, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    server.server_close()
    optuna.logging.set_verbosity(verbosity)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One profile for all tabs, which reads the dashboard's 6 MB of scripts once."""
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium.new_context(viewport={"width": 1600, "height": 1200})
        chromium.close()


@contextlib.contextmanager
def tab_of(browser: Any) -> Iterator[Any]:
    """A new tab, in which no script may fail."""
    tab = browser.new_page()
    tab.set_default_timeout(TIMEOUT_MS)
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    yield tab
    tab.close()
    assert errors == []


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    with tab_of(browser) as tab:
        yield tab


@pytest.fixture(scope="module")
def study_page(browser: Any, shown: Shown) -> Iterator[Any]:
    """The page of the study, drawn."""
    with tab_of(browser) as tab:
        tab.goto(shown.page)
        tab.wait_for_selector("#graph-pareto-front .scatterlayer .point")
        yield tab


def points_of(page: Any) -> list[set[tuple[float, float]]]:
    """What the dashboard's own Pareto plot has: infeasible, dominated and best trials."""
    traces = page.evaluate(
        "document.getElementById('graph-pareto-front').data.map(t => [t.x, t.y])"
    )
    return [set(zip(x, y, strict=True)) for x, y in traces[1:]]  # the first: not selected


def test_the_study_is_listed(page: Any, shown: Shown) -> None:
    page.goto(shown.address)
    page.get_by_text("laptop").first.click()
    page.wait_for_url(f"**/studies/{shown.study._study_id}")


def test_the_pareto_plot_has_the_front_and_infeasible_trials_apart(
    study_page: Any, shown: Shown
) -> None:
    infeasible, dominated, best = points_of(study_page)
    results = shown.study.results()
    front = {tuple(p.values.values()) for p in shown.study.front()}
    assert best == front
    expected = {tuple(v) for v in results.values[~results.feasible].tolist()}
    assert len(infeasible) > 0
    assert infeasible == expected
    assert len(dominated) + len(best) + len(infeasible) == len(np.unique(results.values, axis=0))


def test_axes_have_the_names_of_metrics(study_page: Any) -> None:
    panel = study_page.locator("text=Pareto Front").first.locator("xpath=../..").inner_text()
    assert "top1" in panel
    assert "latency_ms" in panel


def test_our_figures_are_in_place(study_page: Any, shown: Shown) -> None:
    page = study_page
    assert len(shown.published.figures) == 7
    for name in shown.published.figures:
        box = page.locator(f'[id="user-defined-plot:{name}"]')
        box.locator(".main-svg").first.wait_for()
        outer, inner = box.bounding_box(), box.locator(".main-svg").first.bounding_box()
        assert inner["height"] <= outer["height"] + 1
        assert inner["width"] <= outer["width"] + 1
    titles = page.locator(".gtitle").all_text_contents()
    assert sum("Hypervolume by time" in title for title in titles) == 1
    traces = page.evaluate(
        "document.getElementById('user-defined-plot:front').data.map(t => [t.name, t.x.length])"
    )
    (front,) = (n for name, n in traces if name.startswith("Pareto front"))
    assert front == len(shown.study.front())


def test_our_figures_come_first_and_in_order(study_page: Any, shown: Shown) -> None:
    boxes = {
        name: study_page.locator(f'[id="user-defined-plot:{name}"]').bounding_box()
        for name in shown.published.figures
    }
    inside = sorted(boxes, key=lambda name: (boxes[name]["y"], boxes[name]["x"]))
    assert inside == list(shown.published.figures)
    assert inside[0] == "front"
    own = study_page.locator("#graph-pareto-front").bounding_box()
    assert own["y"] > max(box["y"] for box in boxes.values())


@pytest.mark.parametrize("width", [1280, 420])
@pytest.mark.parametrize(
    "place", ["", "/note", "/trials?numbers={}"], ids=["study", "note", "trial"]
)
def test_no_page_is_wider_than_the_window(page: Any, shown: Shown, place: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{shown.page}{place.format(shown.pick.trial_number)}")
    last = {"/note": "text=Written by optuna_ofa", "": ".js-plotly-plot .main-svg"}
    page.locator(last.get(place, "text=User Attributes")).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_note_has_a_table_that_leads_to_the_trials(page: Any, shown: Shown) -> None:
    page.goto(f"{shown.page}/note")
    row = page.get_by_role("row", name="under 15 ms")
    row.wait_for()
    assert f"{shown.pick.values['top1']:.2f} ± " in row.inner_text()
    assert "optuna_ofa begin" not in page.inner_text("body")
    row.get_by_role("link").click()
    page.get_by_text(f"Trial {shown.pick.trial_number} ").first.wait_for()


@pytest.fixture(scope="module")
def trial_page(browser: Any, shown: Shown) -> Iterator[Any]:
    """The page of a picked trial, with its note."""
    with tab_of(browser) as tab:
        tab.goto(f"{shown.page}/trials?numbers={shown.pick.trial_number}")
        tab.get_by_role("columnheader", name="Expand ratio").wait_for()
        yield tab


def test_a_trials_page_says_what_its_subnet_is(trial_page: Any, shown: Shown) -> None:
    subnet = shown.pick.subnet
    rows = trial_page.get_by_role("row").filter(has_text="block").all_inner_texts()
    kernels = [row.split("\t")[2].strip() for row in rows]
    active = [k for k, on in zip(subnet.kernel, subnet.active, strict=True) if on]
    assert kernels == ["3x3", *(f"{k}x{k}" for k in active)]
    text = trial_page.inner_text("body")
    assert str(subnet) in text
    assert "stage1.depth" in text
    assert "kind predicted" in text


def test_a_pick_has_its_config_to_download(trial_page: Any, shown: Shown) -> None:
    trial_page.get_by_text("net.config").first.wait_for()
    with trial_page.expect_download() as waiting:
        trial_page.locator("a[download='net.config']").first.click()
    content = Path(waiting.value.path()).read_text(encoding="utf-8")
    assert json.loads(content) == net_config(shown.pick.subnet)


def test_a_report_needs_no_network_and_fits_on_paper(
    page: Any, shown: Shown, tmp_path: Path
) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    shown.study.report(tmp_path / "report.html", limits=LIMITS)
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("#picture-hypervolume-time .main-svg")
    assert len(page.query_selector_all("figure .plotly-graph-div")) == 7
    away = [url for url in requests if not url.startswith(("file:", "data:", "blob:"))]
    assert away == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 420, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") == 420
    page.locator(".picked summary").first.click()
    page.locator(".picked button").first.click()
    page.get_by_text("Copied").wait_for()
    page.set_viewport_size({"width": 1600, "height": 1200})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function(
        "[...document.querySelectorAll('.plotly-graph-div')].every(p => p._fullLayout.width == 680)"
    )
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.wait_for_function("document.getElementById('picture-front')._fullLayout.width > 900")
