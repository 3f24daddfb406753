"""A report of studies in one file."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import plotly.graph_objects as go
import pytest

from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts import find_picks
from optuna_ofa.predictors import MissingPredictor
from optuna_ofa.problem import METRICS
from optuna_ofa.reports import (
    Section,
    Table,
    _report as module,
    find_sources,
    pick_table,
    report,
    study_sections,
)
from optuna_ofa.reports._setups import setup_words
from optuna_ofa.reports._sources import _error, _of_predictor
from optuna_ofa.space import Matrix, SearchSpace, Subnet
from optuna_ofa.studies import SubnetStudy
from optuna_ofa.verification import Meter, Readings

Make = Callable[..., SubnetStudy]
ALL = [
    "front",
    "architectures",
    "choices",
    "layers",
    "accuracy-macs",
    "hypervolume",
    "hypervolume-time",
]


def text_of(path: Path) -> str:
    """The page without its scripts."""
    return re.sub(r"<script.*?</script>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


class TestPage:
    def test_it_is_whole_and_needs_nothing(self, searched: Make, tmp_path: Path) -> None:
        study = searched()
        assert study.report(tmp_path / "a.html", limits=[12, 15]) == tmp_path / "a.html"
        page = (tmp_path / "a.html").read_text(encoding="utf-8")
        assert page.count("plotly.js v") == 1
        assert re.findall(r"<(?:script|link|img|iframe)[^>]* (?:src|href)=", page) == []
        text = text_of(tmp_path / "a.html")
        assert [f'<section id="{name}">' in text for name in ALL] == [True] * len(ALL)
        assert re.findall(r'href="#([\w-]+)"', text) == [*ALL, "sources", "words"]
        assert "<title>Subnets found by laptop</title>" in text
        assert "<td>under 12 ms</td>" in text
        assert re.search(r"root mean square 0\.\d+ .*points on held-out subnets", text)
        assert [p.name for p in tmp_path.iterdir()] == ["a.html"]

    def test_picks_can_be_copied(self, searched: Make, tmp_path: Path) -> None:
        study = searched()
        study.report(tmp_path / "a.html", limits=[12], picks={"knee": study.front().knee()})
        text = text_of(tmp_path / "a.html")
        copied = [html.unescape(x) for x in re.findall(r'<pre class="subnet">(.*?)</pre>', text)]
        expected = [study.front().best(latency_ms=12).subnet, study.front().knee().subnet]
        assert [Subnet.from_dict(json.loads(x)) for x in copied] == expected
        assert f'<p class="subnet">{expected[1]}</p>' in text
        assert text.count("Copy JSON</button>") == 2

    def test_titles_of_figures_are_words_of_the_page(self, searched: Make, tmp_path: Path) -> None:
        study = searched(study_name="a <b>bold</b> name " * 6)
        foreign = Section(
            "other", "Another one", "Of others.", go.Figure().update_layout(title="T")
        )
        report(study, tmp_path / "a.html", sections=[foreign])
        page = (tmp_path / "a.html").read_text(encoding="utf-8")
        text = text_of(tmp_path / "a.html")
        assert "<strong>a &lt;b&gt;bold" in text
        assert "subnets on the Pareto front</strong><br>over " in text
        assert page.count('"title":{"text":"T"}') == 1
        assert '"text":"Hypervolume by time' not in page

    def test_names_cannot_break_the_page(self, searched: Make, tmp_path: Path) -> None:
        study = searched(study_name="<script>alert(1)</script>")
        study.report(tmp_path / "a.html", title="a < b & c")
        text = (tmp_path / "a.html").read_text(encoding="utf-8")
        assert "alert(1)</script>" not in text
        assert "<h1>a &lt; b &amp; c</h1>" in text

    def test_an_error_leaves_what_was_there(
        self, searched: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.html"
        path.write_text("before")
        study = searched()
        monkeypatch.setattr(module, "page", lambda **_: "\ud800")  # cannot be encoded
        with pytest.raises(UnicodeEncodeError):
            study.report(path)
        assert [p.name for p in tmp_path.iterdir()] == ["a.html"]
        assert path.read_text() == "before"

    def test_a_missing_folder_is_named(self, searched: Make, tmp_path: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="missing"):
            searched().report(tmp_path / "missing" / "a.html")

    def test_an_empty_study_is_refused(self, searched: Make, tmp_path: Path) -> None:
        with pytest.raises(EmptyFrontError, match="has no feasible trial"):
            searched(0).report(tmp_path / "a.html")

    def test_limits_that_nothing_satisfies_are_refused(
        self, searched: Make, tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`limits` must be reached .* got 0.001 ms"):
            searched().report(tmp_path / "a.html", limits=[15, 0.001])
        assert not (tmp_path / "a.html").exists()

    def test_several_devices(self, searched: Make, tmp_path: Path) -> None:
        studies = {
            name: searched(hardware=packaged_table(f"cpu-{name}", searched(0).space.family))
            for name in ("torch", "openvino")
        }
        extra = Section("transfer", "What transfers", "How to read it.", go.Figure())
        report(studies, tmp_path / "a.html", limits=[15], sections=[extra])
        text = text_of(tmp_path / "a.html")
        assert re.findall(r'<section id="([\w-]+)">', text) == [
            "picks",
            "transfer",
            "fronts",
            "front-1",
            "front-2",
            "architectures",
            "choices-1",
            "choices-2",
            "layers-1",
            "layers-2",
            "accuracy-macs",
            "hypervolume",
            "hypervolume-time",
            "sources",
            "words",
        ]
        assert "<td>torch</td><td>under 15 ms</td>" in text
        assert "<h3>openvino</h3>" in text

    def test_picks_are_of_one_study(self, searched: Make, tmp_path: Path) -> None:
        study = searched()
        picks = {"knee": study.front().knee()}
        study.report(tmp_path / "a.html", picks=picks)
        assert "<td>knee</td>" in text_of(tmp_path / "a.html")
        with pytest.raises(InvalidArgumentError, match="`picks` must be None for several studies"):
            report({"a": study, "b": study}, tmp_path / "a.html", picks=picks)

    def test_trials_are_read_once(
        self, searched: Make, counted: Callable[[SubnetStudy], Counter[str]], tmp_path: Path
    ) -> None:
        study = searched()
        study.tell_batch(study.ask_batch(2), [(70.0, 10.0), (71.0, 11.0)])
        counts = counted(study)
        study.report(tmp_path / "a.html")
        assert counts == {"read": 1, "find_front": 2}  # one of each kind


class TestContents:
    def test_measured_values_come_first(self, searched: Make, tmp_path: Path) -> None:
        study = searched()
        asked = study.ask_batch(3)
        study.tell_batch(asked, [(70.0 + i, 10.0 + i) for i in range(3)])
        study.report(tmp_path / "a.html", limits=[11.5])
        text = text_of(tmp_path / "a.html")
        assert "are <strong>measured</strong>" in text
        assert re.search(r"under 11.5 ms</td>.*71\.00.*11\.00.*<td>measured", text)
        study.report(tmp_path / "a.html", kind="predicted")
        assert "are <strong>predicted</strong>" in text_of(tmp_path / "a.html")

    @pytest.mark.parametrize(
        ("objectives", "missing"),
        [
            (("top1", "n_macs"), {"layers", "accuracy-macs"}),
            (("top1", "n_macs", "latency_ms"), set()),
            (("top1",), {"front", "layers", "accuracy-macs", "hypervolume", "hypervolume-time"}),
        ],
        ids=["macs", "three", "one"],
    )
    def test_what_cannot_be_drawn_is_left_out(
        self, searched: Make, objectives: tuple[str, ...], missing: set[str]
    ) -> None:
        study = searched(objectives=objectives, constraints=None)
        found = study.snapshot()
        shown = {"a": (found, find_picks(found.front()))}
        sections = study_sections(shown, kind="predicted")
        assert [s.id for s in sections] == [name for name in ALL if name not in missing]

    def test_a_table_of_picks(self, searched: Make) -> None:
        found = searched().snapshot()
        front = found.front()
        table = pick_table({"a": (found, find_picks(front, limits=[5], picks={"first": front[0]}))})
        assert table.head == (
            "Pick",
            "Top-1 accuracy (%)",
            "Latency (ms)",
            "Multiply-adds, exact",
            "Parameters, exact",
            "Values are",
            "Input",
            "Blocks",
            "Trial",
        )
        none, first = table.rows
        assert none == ("under 5 ms", "-", "-", "-", "-", "none found", "-", "-", "-")
        values, std = front[0].values, front[0].std
        mark = "† " * bool(front[0].extrapolated)
        assert first[1] == f"{mark}{values['top1']:.2f} ± {std['top1']:.2f}"
        pixels, blocks = first[6:8]
        assert first[5] == "predicted"
        assert pixels == f"{front[0].subnet.resolution} px"
        assert blocks == f"{1 + sum(front[0].subnet.stage_depths)}"  # the first is not elastic
        assert first[8] == f"{front[0].trial_number}"

    def test_sources_name_predictors_errors_versions_and_seeds(self, searched: Make) -> None:
        found = dict(find_sources(searched()))
        assert found["Limits"] == "latency_ms ≤ 20 ms"
        assert found["Trials"].startswith("60 predicted, 0 measured, ")
        assert found["Latency predictor: runtime"] == "torch"
        assert "threads 1" in found["Latency predictor: settings"]
        error = found["Top-1 accuracy predictor: error"]
        assert error.startswith("root mean square 0.0576 to 0.252 points on held-out subnets")
        assert "Kendall's tau 0.9" in error
        assert found["Seed"] == "7"
        assert "optuna 5" in found["Software"]

    def test_studies_that_keep_less_say_how_many_there_were(self, searched: Make) -> None:
        found = dict(find_sources(searched(keep="front")))
        assert "60 subnets were evaluated" in found["Trials"]

    def test_counted_costs_have_no_error(self, searched: Make) -> None:
        study = searched(objectives=("top1", "n_macs"), constraints=None)
        found = dict(find_sources(study))
        assert found["Multiply-adds"] == "counted exactly from the layers"
        assert found["Limits"] == "none"

    @pytest.mark.parametrize(
        ("is_measured", "words"),
        [(True, "none, this metric is only measured"), (False, "not in the database")],
    )
    def test_a_metric_without_a_predictor_says_why(self, is_measured: bool, words: str) -> None:
        space = SearchSpace("ofa_mbv3_fashion")
        missing = MissingPredictor("top1", space, "lost", is_measured=is_measured)
        problem = Mock(metrics={"top1": METRICS["top1"]}, predictors={"top1": missing})
        assert list(_of_predictor(problem, "top1")) == [("Top-1 accuracy: predictor", words)]

    def test_errors_of_predictors_are_words(self) -> None:
        splits = [{"rmse": 0.1, "tau": 0.9}, {"rmse": 0.3, "tau": 0.8}]
        facts = {
            "held_out": {"splits": splits},
            "repeat_std": 0.02,
            "heldout_mape": {"torch": 3.0, "openvino": 4.5},
        }
        assert _error(facts) == (
            "root mean square 0.100 to 0.300 points on held-out subnets, Kendall's tau 0.850; "
            "repeat measurements have a standard deviation of 0.0200 points; "
            "mean absolute error on held-out subnets: torch 3.00 %, openvino 4.50 %"
        )

    @pytest.mark.parametrize("n", [2, 3])
    def test_fronts_of_several_studies_are_drawn_with_their_picks(
        self, searched: Make, n: int
    ) -> None:
        objectives = ("top1", "latency_ms", "n_params")[:n]
        shown = {}
        for name in ("a", "b"):
            found = searched(objectives=objectives, constraints=None, study_name=name).snapshot()
            front = found.front()
            picks = find_picks(front, limits=[5], picks={f"first of {name}": front[0]})
            shown[name] = (found, picks)
        sections = study_sections(shown, kind="predicted")
        assert sections[0].id == "fronts"
        own = [s for s in sections if s.id.startswith("front-")]
        assert len(own) == 2
        for name, section in zip(shown, own, strict=True):
            drawn = " ".join(str(trace.name) for trace in section.figure.data)
            assert f"first of {name}" in drawn


def test_tables_escape_what_would_break_them() -> None:
    table = Table(("a", "b"), (("x | y", "<1>"),), (False, True))
    assert table.to_markdown().split("\n") == [
        "| &nbsp;a&nbsp; | &nbsp;b&nbsp; |",
        "| --- | ---: |",
        "| &nbsp;x \\| y&nbsp; | &nbsp;<1>&nbsp; |",
    ]
    assert '<td>x | y</td><td class="number">&lt;1&gt;</td>' in table.to_html()
    dash = Table(("a",), (("-",), ("--",)), (False,)).to_markdown().split("\n")
    assert dash[2] == "| &nbsp;-&nbsp; |"  # a value, not the rule below a head


class TestAfterVerifying:
    @pytest.fixture
    def verified(self, searched: Make) -> SubnetStudy:
        study = searched()
        values, images = iter(range(100)), {"images": "abcdef0123", "n_images": 500}
        measure = {
            "top1": Exact(study, {"data": images, "runtime": "torch"}),
            "latency_ms": lambda _: (10.0 + next(values), 0.25),
        }
        study.verify(measure, points=4)
        return study

    def test_it_says_what_measured_the_values_and_how_far_predictions_are_off(
        self, verified: SubnetStudy
    ) -> None:
        sources = {source.name: source.text for source in find_sources(verified)}
        measured = sources["Top-1 accuracy: measured"]
        assert measured == "4 subnets on 500 images (abcdef01), in torch"
        assert "by the function `" in sources["Latency: measured"]
        errors = sources["Top-1 accuracy: predicted against measured"]
        assert errors.startswith(
            "root mean square 2.00 points, mean error -2.00 points (measured minus predicted)"
        )
        assert errors.endswith("over 4 measured subnets")

    @pytest.mark.parametrize("here", [False, True], ids=["elsewhere", "here"])
    def test_it_says_that_latencies_are_of_another_device(self, searched: Make, here: bool) -> None:
        study = searched()
        facts = study.problem.facts("latency_ms")
        setup = facts if here else {**facts, "processor": "Samsung Note10"}
        study.verify(
            {"top1": Exact(study, {}), "latency_ms": Exact(study, setup, "latency_ms")}, points=4
        )
        sources = {source.name: source.text for source in find_sources(study)}
        name = "Latency: predicted for another device"
        assert (name in sources) == (not here)
        if not here:
            assert "of another processor (" in sources[name]
            assert "measured on Samsung Note10): measured times are " in sources[name]

    def test_values_have_their_deviations(self, verified: SubnetStudy, tmp_path: Path) -> None:
        verified.report(tmp_path / "a.html")
        text = text_of(tmp_path / "a.html")
        assert "10.00 ± 0.25" in text
        assert "± 0.80" in text

    def test_trials_that_were_added_at_once_have_no_course_in_time(self, searched: Make) -> None:
        study = searched()
        study.tell_batch(study.ask_batch(3), [(70.0 + i, 10.0 + i) for i in range(3)])
        found = study.snapshot()
        picks = find_picks(found.front(kind="measured"))
        ids = [s.id for s in study_sections({"a": (found, picks)}, kind="measured")]
        assert "hypervolume" in ids
        assert "hypervolume-time" not in ids

    def test_values_that_were_told_say_so(self, searched: Make) -> None:
        study = searched()
        study.tell_batch(study.ask_batch(1), [(70.0, 10.0)])
        sources = {source.name: source.text for source in find_sources(study)}
        assert sources["Latency: measured"].startswith("1 subnet by an objective, or told")


class Exact(Meter):
    """Measures 2 points less than what is predicted, with this setup."""

    def __init__(self, study: SubnetStudy, setup: dict[str, Any], metric: str = "top1") -> None:
        self._predictor, self._setup = study.problem.predictors[metric], setup

    def measure(self, space: SearchSpace, matrix: Matrix, storage: object) -> Readings:
        values = self._predictor.predict(matrix) - 2.0
        return Readings(values, np.full(len(matrix), 0.8), {}, setup=self._setup)


@pytest.mark.parametrize("setup", [{"runtime": [[1]]}, {"runtime": "onnx", "versions": 5}])
def test_a_setup_of_another_program_is_shown_as_it_is(setup: dict[str, Any]) -> None:
    assert setup_words(setup) == f"in {setup['runtime']}"


def test_an_accuracy_in_integers_says_so() -> None:
    versions = {"onnxruntime": "1.32.0"}
    setup = {"precision": "int8", "runtime": "onnxruntime", "versions": versions}
    assert setup_words(setup) == "in onnxruntime 1.32.0, INT8"
