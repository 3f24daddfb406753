"""Several fronts, and the hypervolume of several studies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import optuna
import plotly.graph_objects as go
import pytest

import optuna_ofa
from optuna_ofa import SubnetStudy, get_family
from optuna_ofa.data import packaged_table
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts import Front
from optuna_ofa.visualization import plot_fronts, plot_hypervolume
from optuna_ofa.visualization._fronts import fronts_info
from optuna_ofa.visualization._hypervolume import hypervolume_info

FAMILY = get_family("ofa_mbv3_w1.0")
REFERENCE = {"top1": 70.0, "latency_ms": 30.0}


def make_study(runtime: str, n: int = 150, **arguments: Any) -> SubnetStudy:
    path = packaged_table(f"cpu-{runtime}", FAMILY)
    study = optuna_ofa.study(FAMILY, hardware=path, study_name=runtime, seed=0, **arguments)
    study.search(n)
    return study


@pytest.fixture(scope="module")
def studies() -> dict[str, SubnetStudy]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    swapped = ("latency_ms", "top1")
    made = {"torch": make_study("torch"), "onnx": make_study("onnxruntime", objectives=swapped)}
    optuna.logging.set_verbosity(verbosity)
    return made


def lines_of(figure: go.Figure) -> list[Any]:
    """The traces of fronts, without the marks below them."""
    return [trace for trace in figure.data if not trace.name.startswith("extrapolated")]


class TestFronts:
    def test_studies_and_fronts_are_drawn_alike(self, studies: dict[str, SubnetStudy]) -> None:
        fronts = {name: study.front() for name, study in studies.items()}
        of_fronts, of_studies = plot_fronts(fronts).to_dict(), plot_fronts(studies).to_dict()
        assert of_fronts["data"] == of_studies["data"]
        assert plot_fronts(fronts).layout.title.text.endswith("<sup>latency of 2 devices</sup>")
        assert re.search(r"2 devices; \d+ \w+ 20\d\d</sup>$", of_studies["layout"]["title"]["text"])

    def test_the_cost_is_across_whatever_the_order(self, studies: dict[str, SubnetStudy]) -> None:
        info = fronts_info(studies)
        assert (info.across, info.up) == ("latency_ms", "top1")
        for trace, study in zip(lines_of(plot_fronts(studies)), studies.values(), strict=True):
            assert list(trace.x) == [p.values["latency_ms"] for p in study.front()]
            assert list(trace.y) == [p.values["top1"] for p in study.front()]

    def test_each_has_its_colour_symbol_and_name(self, studies: dict[str, SubnetStudy]) -> None:
        first, second = lines_of(plot_fronts(studies))
        assert first.line.color != second.line.color
        assert first.marker.symbol != second.marker.symbol
        assert first.name == f"torch ({len(studies['torch'].front())} subnets)"

    def test_hovering_says_which_and_the_subnet(self, studies: dict[str, SubnetStudy]) -> None:
        front = studies["onnx"].front()
        hover = lines_of(plot_fronts(studies))[1].hovertext
        assert len(hover) == len(front)
        assert hover[0].startswith("onnx<br>latency_ms ")
        assert str(front[0].subnet).replace(" | ", "<br>") in hover[0]

    def test_axes_say_the_kind(self, studies: dict[str, SubnetStudy]) -> None:
        assert plot_fronts(studies).layout.xaxis.title.text == "Latency (ms), predicted"

    def test_different_objectives_are_refused(self, studies: dict[str, SubnetStudy]) -> None:
        other = make_study("torch", 5, objectives=("top1", "n_macs"))
        expected = (
            "`fronts` must have the same objectives, but 'a' has top1, latency_ms and 'b' top1, "
            "n_macs"
        )
        with pytest.raises(InvalidArgumentError, match=expected):
            plot_fronts({"a": studies["torch"], "b": other})

    def test_of_three_objectives_the_third_is_the_colour(self) -> None:
        study = make_study("torch", 60, objectives=("n_macs", "top1", "latency_ms"))
        figure = plot_fronts({"a": study, "b": study})
        a, b = lines_of(figure)
        for name, values in (("latency_ms", a.x), ("top1", a.y), ("n_macs", a.marker.color)):
            assert list(values) == [p.values[name] for p in study.front()]
        assert a.marker.symbol != b.marker.symbol
        assert a.mode == "markers"
        assert figure.layout.coloraxis.colorbar.title.text == "Multiply-adds, exact"

    def test_four_objectives_are_refused(self) -> None:
        study = make_study("torch", 5, objectives=("top1", "latency_ms", "n_macs", "n_params"))
        with pytest.raises(InvalidArgumentError, match="must have 2 or 3 objectives to be drawn"):
            plot_fronts({"a": study})

    def test_no_fronts_and_empty_ones_are_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`fronts` must have at least one entry"):
            plot_fronts({})
        with pytest.raises(InvalidArgumentError, match="must have points, but 'a' has none"):
            plot_fronts({"a": Front([], ("top1", "latency_ms"))})


class TestHypervolume:
    def test_it_is_that_of_the_trials_so_far(self, studies: dict[str, SubnetStudy]) -> None:
        reference = {"top1": 60.0, "latency_ms": 30.0}
        info = hypervolume_info(studies, reference=reference)
        for name, study in studies.items():
            x = [study.problem.objectives.index(m) for m in reference]
            values = np.array([trial.values for trial in study.trials])[:, x]
            found = info.progress[name]
            assert found.n_trials[0] == 1
            assert found.n_trials[-1] == len(values) == 150
            expected = [
                moocore.hypervolume(values[:n], ref=[60.0, 30.0], maximise=[True, False])
                for n in found.n_trials
            ]
            np.testing.assert_allclose(found.hypervolume, expected, rtol=1e-12)
            assert 0 < expected[0] < expected[-1]

    def test_infeasible_trials_count_as_evaluations_only(self) -> None:
        study = make_study("torch", 100, constraints={"latency_ms": 12.0})
        (progress,) = hypervolume_info(study, reference=REFERENCE).progress.values()
        values = np.array([t.values for t in study.trials if t.values[1] <= 12])
        assert len(values) < 100
        assert progress.n_trials[-1] == 100
        expected = moocore.hypervolume(values, ref=[70.0, 30.0], maximise=[True, False])
        assert progress.hypervolume[-1] == pytest.approx(expected)

    def test_the_reference_is_beyond_the_ends_of_all_fronts(
        self, studies: dict[str, SubnetStudy]
    ) -> None:
        points = [p.values for study in studies.values() for p in study.front()]
        top1, ms = ([p[m] for p in points] for m in ("top1", "latency_ms"))
        assert hypervolume_info(studies).reference == pytest.approx(
            {
                "top1": min(top1) - (max(top1) - min(top1)) / 10,
                "latency_ms": max(ms) + (max(ms) - min(ms)) / 10,
            }
        )

    def test_a_line_a_study_over_its_trials(self, studies: dict[str, SubnetStudy]) -> None:
        figure = plot_hypervolume(studies, reference=REFERENCE)
        assert [line.name for line in figure.data] == ["torch", "onnx"]
        assert figure.layout.yaxis.title.text == "Hypervolume (% x ms)"
        lines = figure.layout.title.text.split("<br>")
        assert lines[1] == "<sup>of predicted values, over top1 70 %, latency_ms 30 ms</sup>"
        assert lines[2].startswith("<sup>latency of 2 devices; ")

    @pytest.mark.parametrize("storage", [None, "sqlite:///{}/times.db"], ids=["memory", "sqlite"])
    def test_by_time(self, storage: str | None, tmp_path: Path) -> None:
        study = make_study("torch", 0, storage=storage and storage.format(tmp_path))
        study.search(100)
        study.search(50)
        trials = study.trials
        begin = min(t.datetime_start for t in trials)
        (progress,) = hypervolume_info(study).progress.values()
        at = [trials[n - 1].datetime_complete for n in progress.n_trials]
        expected = [(moment - begin).total_seconds() for moment in at]
        np.testing.assert_allclose(progress.seconds, expected)
        assert 0 < expected[0] < expected[-1]
        (line,) = plot_hypervolume(study, by="time").data
        np.testing.assert_array_equal(line.x, progress.seconds)

    def test_trials_that_finish_out_of_turn_count_when_they_do(self) -> None:
        study = make_study("torch", 0)
        asked = study.ask_batch(2)
        study.tell_batch(asked[1:], [(75.0, 10.0)])
        study.tell_batch(asked[:1], [(76.0, 10.0)])
        (progress,) = hypervolume_info(study, reference=REFERENCE).progress.values()
        assert progress.hypervolume.tolist() == [5.0 * 20.0, 6.0 * 20.0]
        assert progress.seconds[0] <= progress.seconds[1]

    def test_times_are_since_the_first_of_the_kind(self) -> None:
        study = make_study("torch", 50)
        study.tell_batch(study.ask_batch(1), [(75.0, 10.0)])
        trial = study.trials[-1]
        (progress,) = hypervolume_info(study, kind="measured").progress.values()
        assert progress.seconds.tolist() == [trial.duration.total_seconds()]

    def test_another_axis_is_refused(self, studies: dict[str, SubnetStudy]) -> None:
        with pytest.raises(InvalidArgumentError, match="`by` must be one of 'evaluations', 'time'"):
            plot_hypervolume(studies, by="money")  # type: ignore[arg-type]

    def test_one_study_has_its_own_name(self, studies: dict[str, SubnetStudy]) -> None:
        (line,) = plot_hypervolume(studies["torch"]).data
        assert line.name == "torch"

    def test_a_reference_of_other_metrics_is_refused(self, studies: dict[str, SubnetStudy]) -> None:
        expected = "`reference` must have a value for each of top1, latency_ms, but got {'top1': 7}"
        with pytest.raises(InvalidArgumentError, match=expected):
            plot_hypervolume(studies, reference={"top1": 7})

    def test_one_objective_is_refused(self) -> None:
        study = make_study("torch", 5, objectives=("top1",))
        with pytest.raises(InvalidArgumentError, match="must have 2 or more objectives"):
            plot_hypervolume(study)

    def test_a_study_without_trials_is_refused(self) -> None:
        with pytest.raises(EmptyFrontError, match="'torch' has no feasible trial"):
            plot_hypervolume(make_study("torch", 0))
