"""The picture of a front: what it shows, and how."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, SubnetStudy
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.space import Matrix, Subnet
from optuna_ofa.visualization import _front_info, plot_front
from optuna_ofa.visualization._front_info import front_info


class LogOfParameters(Predictor):
    """Accuracy that grows with the parameters, known to 0.1 points."""

    metric = "top1"

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._n_params = CostPredictor("n_params", space)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return 10 * np.log(self._n_params.predict(matrix)) - 80

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.full(len(matrix), 0.1)


class LatencyOfMacs(Predictor):
    """Latency that grows with the multiply-adds."""

    metric = "latency_ms"

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._n_macs = CostPredictor("n_macs", space)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return self._n_macs.predict(matrix) / 1e7


pytestmark = pytest.mark.usefixtures("quiet_optuna")


def make_study(n: int = 200, **arguments: Any) -> SubnetStudy:
    space = SearchSpace("ofa_mbv3_w1.0", resolution=224)
    study = optuna_ofa.study(
        space,
        accuracy=LogOfParameters(space),
        hardware=LatencyOfMacs(space),
        study_name="phone",
        seed=0,
        **arguments,
    )
    study.search(n)
    return study


def add_trial(study: SubnetStudy, values: list[float], kind: str, seed: int = 1) -> None:
    row = study.space.sample(1, seed=seed)
    trial = optuna.create_trial(
        params=study.space.to_params(row)[0],
        distributions=dict(study.space.distributions),
        values=values,
        user_attrs={"kind": kind},
    )
    study.add_trial(trial)


def add_measured(study: SubnetStudy, values: list[float]) -> None:
    add_trial(study, values, "measured", seed=int(values[1]))


class TestInfo:
    def test_front_and_others_are_the_feasible_trials(self) -> None:
        study = make_study(constraints={"latency_ms": 30.0})
        info = front_info(study)
        shown = [[*p.values.values()] for p in info.front] + info.others.tolist()
        feasible = [t.values for t in study.trials if t.values[1] <= 30]
        assert sorted(shown) == sorted(feasible)
        assert len(feasible) < 200

    def test_constraints_and_name(self) -> None:
        limits = {"latency_ms": 30.0, "n_macs": 3e8}
        info = front_info(make_study(constraints=limits))
        assert (info.constraints, info.title, info.kind) == (limits, "phone", "predicted")

    def test_many_others_are_thinned_out_and_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_front_info, "MAX_OTHERS", 50)
        study = make_study()
        info = front_info(study)
        assert len(info.others) == 50
        assert info.n_others == 200 - len(info.front)

    def test_kinds_are_not_mixed(self) -> None:
        study = make_study()
        add_measured(study, [99.0, 1.0])
        info = front_info(study, kind="measured")
        assert (len(info.front), len(info.others), info.kind) == (1, 0, "measured")

    def test_hypervolume_is_over_the_ends_of_the_front(self) -> None:
        study = make_study(constraints={"latency_ms": 30.0})
        info = front_info(study)
        front = np.array([[*p.values.values()] for p in study.front()])
        (low, fast), (high, slow) = front.min(axis=0), front.max(axis=0)
        expected = {"top1": low - (high - low) / 10, "latency_ms": slow + (slow - fast) / 10}
        assert info.reference == pytest.approx(expected)
        steps = np.diff([*front[:, 1], expected["latency_ms"]])  # sorted by latency
        area = (steps * (front[:, 0] - expected["top1"])).sum()
        assert info.hypervolume == pytest.approx(area)

    def test_both_kinds_have_one_reference(self) -> None:
        study = make_study()
        add_measured(study, [75.0, 90.0])
        predicted, measured = (front_info(study, kind=k) for k in ("predicted", "measured"))
        assert predicted.reference == measured.reference
        assert predicted.reference["latency_ms"] > 90

    def test_an_empty_front_is_refused(self) -> None:
        with pytest.raises(EmptyFrontError, match="call `search` first"):
            front_info(make_study(0))


class TestTwoObjectives:
    @pytest.mark.parametrize(
        "objectives", [("top1", "latency_ms"), ("latency_ms", "top1")], ids="-".join
    )
    def test_the_cost_is_across(self, objectives: tuple[str, str]) -> None:
        study = make_study(objectives=objectives)
        others, front, *_ = plot_front(study).data
        assert list(front.x) == [p.values["latency_ms"] for p in study.front()]
        assert list(front.y) == [p.values["top1"] for p in study.front()]
        assert len(others.x) == 200 - len(front.x)

    def test_the_line_goes_from_left_to_right(self) -> None:
        _, front, *_ = plot_front(make_study(objectives=["n_params", "n_macs"])).data
        assert list(front.x) == sorted(front.x)

    def test_axes_have_title_unit_and_kind(self) -> None:
        layout = plot_front(make_study()).layout
        assert layout.xaxis.title.text == "Latency (ms), predicted"
        assert layout.yaxis.title.text == "Top-1 accuracy (%), predicted"

    def test_measured_fronts_say_so(self) -> None:
        study = make_study(0)
        add_measured(study, [75.0, 20.0])
        figure = plot_front(study)
        assert figure.layout.xaxis.title.text == "Latency (ms), measured"
        assert figure.data[1].name == "Pareto front (measured)"

    def test_constraints_are_lines_with_their_bound(self) -> None:
        limits = {"latency_ms": 30.0, "top1": 72.0, "n_macs": 4e8}
        layout = plot_front(make_study(constraints=limits)).layout
        vertical, horizontal = layout.shapes
        assert (vertical.x0, vertical.x1) == (30.0, 30.0)
        assert (horizontal.y0, horizontal.y1) == (72.0, 72.0)
        assert [a.text for a in layout.annotations] == ["limit 30 ms", "limit 72 %"]

    def test_bars_show_the_standard_deviation_where_it_is_known(self) -> None:
        _, front, *_ = plot_front(make_study(50)).data
        assert len(front.x) <= 40
        assert set(front.error_y.array) == {0.1}
        assert front.error_x.array is None
        assert front.name == "Pareto front (predicted)"

    def test_many_bars_are_thinned_out_and_no_points(self) -> None:
        study = make_study(1000)
        _, front, *_ = plot_front(study).data
        has_bar = ~np.isnan(front.error_y.array)
        assert len(front.x) == len(study.front()) > 40
        assert 25 <= has_bar.sum() <= 40
        assert front.name == f"Pareto front (predicted; bars at {has_bar.sum()})"

    def test_bars_are_spread_along_the_front(self) -> None:
        _, front, *_ = plot_front(make_study(1000)).data
        has_bar = ~np.isnan(front.error_y.array)
        assert has_bar[[0, -1]].all()
        span = front.y[-1] - front.y[0]
        gaps = np.diff(np.array(front.y)[has_bar])
        widest = np.diff(front.y).max()  # between neighbours, where no bar could be
        assert gaps.max() < widest + span / 10

    def test_points_are_drawn_over_the_others(self) -> None:
        others, front, *_ = plot_front(make_study()).data
        assert others.type == front.type == "scatter"  # plotly draws scattergl on top

    def test_hovering_shows_the_subnet(self) -> None:
        study = make_study()
        _, front, *_ = plot_front(study).data
        assert len(front.hovertext) == len(study.front())
        assert front.hovertext[0].startswith("top1 70.4")
        assert "latency_ms 12.13 ms (predicted)<br>ofa_mbv3_w1.0@224<br>k3e3" in front.hovertext[0]

    def test_the_method_of_the_study_draws_it_too(self) -> None:
        study = make_study()
        assert study.plot_front().to_json() == plot_front(study).to_json()


class TestBothKinds:
    @pytest.fixture
    def study(self) -> SubnetStudy:
        study = make_study()
        add_measured(study, [75.0, 20.0])
        return study

    def test_they_are_drawn_apart(self, study: SubnetStudy) -> None:
        *others, predicted, measured, _ = plot_front(study).data
        assert [len(o.x) for o in others] == [200 - len(predicted.x), 0]
        assert (list(measured.x), list(measured.y)) == ([20.0], [75.0])
        assert list(predicted.y) == [p.values["top1"] for p in study.front(kind="predicted")]
        assert predicted.marker.color != measured.marker.color
        assert predicted.marker.symbol != measured.marker.symbol

    def test_title_and_axes_do_not_mix_them(self, study: SubnetStudy) -> None:
        layout = plot_front(study).layout
        n = len(study.front(kind="predicted"))
        text = layout.title.text.replace("</sup><br><sup>", " ").replace("<br>", " ")
        assert text.startswith(f"phone: {n} predicted and 1 measured subnets on the Pareto fronts")
        assert re.search(r"hypervolume [\d.]+ \(predicted\), [\d.]+ \(measured\) % x ms over", text)
        assert layout.xaxis.title.text == "Latency (ms)"

    def test_a_kind_without_feasible_subnets_is_left_out(self) -> None:
        study = make_study(0, constraints={"latency_ms": 40.0})
        add_measured(study, [75.0, 20.0])
        add_trial(study, [76.0, 50.0], kind="predicted")
        assert len(study.results(kind="predicted").values) == 1
        names = [trace.name for trace in plot_front(study).data]
        assert names == ["other subnets (measured)", "Pareto front (measured)"]

    def test_one_kind_can_be_asked_for(self, study: SubnetStudy) -> None:
        assert [t.name for t in plot_front(study, kind="measured").data] == [
            "other subnets (measured)",
            "Pareto front (measured)",
        ]

    def test_with_three_objectives(self) -> None:
        study = make_study(objectives=TestThreeObjectives.OBJECTIVES)
        add_measured(study, [75.0, 20.0, 5e6])
        *_, predicted, measured, _ = plot_front(study).data
        assert (measured.x, measured.y, measured.marker.color) == ((20.0,), (75.0,), (5e6,))
        assert predicted.marker.symbol != measured.marker.symbol
        assert {predicted.marker.coloraxis, measured.marker.coloraxis} == {"coloraxis"}

    def test_the_knee_is_of_the_measured_front_that_has_one(self, study: SubnetStudy) -> None:
        assert plot_front(study).data[-1].name == "knee (predicted)"  # of one point there is none
        for values in ([74.0, 15.0], [70.0, 14.0]):
            add_measured(study, values)
        knee = plot_front(study).data[-1]
        assert (knee.name, knee.x, knee.y) == ("knee (measured)", (15.0,), (74.0,))


class TestThreeObjectives:
    OBJECTIVES = ("top1", "latency_ms", "n_params")

    @pytest.mark.parametrize("objectives", [OBJECTIVES, OBJECTIVES[::-1]], ids="-".join)
    def test_the_third_is_the_colour(self, objectives: tuple[str, ...]) -> None:
        study = make_study(objectives=objectives)
        others, front, _ = plot_front(study).data
        shown = list(zip(front.x, front.y, front.marker.color, strict=True))
        points = study.front()
        expected = [tuple(p.values[m] for m in ("latency_ms", "top1", "n_params")) for p in points]
        assert sorted(shown) == sorted(expected)
        assert len(others.x) == 200 - len(shown)
        assert others.marker.color == "#BBBBBB"
        assert front.mode == "markers"  # a surface, which no line joins

    def test_hovering_shows_all_three(self) -> None:
        _, front, _ = plot_front(make_study(objectives=self.OBJECTIVES)).data
        assert all(
            name in words for words in front.hovertext for name in ("top1 ", "latency_ms ", "n_par")
        )

    def test_axes_and_colours_have_title_unit_and_kind(self) -> None:
        layout = plot_front(make_study(objectives=("top1", "latency_ms", "n_params"))).layout
        assert layout.xaxis.title.text == "Latency (ms), predicted"
        assert layout.yaxis.title.text == "Top-1 accuracy (%), predicted"
        assert layout.coloraxis.colorbar.title.text == "Parameters, exact"

    def test_own_metrics(self) -> None:
        energy = Metric("energy_mj", unit="mJ", direction="minimize", predictor=_energy)
        figure = plot_front(make_study(objectives=["top1", energy, "latency_ms"]))
        assert figure.layout.xaxis.title.text == "Latency (ms), predicted"
        assert figure.layout.coloraxis.colorbar.title.text == "Energy (mJ), predicted"

    def test_bars_only_where_they_do_not_hide_the_colours(self) -> None:
        study = make_study(8, objectives=self.OBJECTIVES)
        assert set(plot_front(study).data[1].error_y.array) == {0.1}
        study.search(192)
        front = plot_front(study).data[1]
        assert len(front.x) > 40
        assert front.error_y.array is None
        assert front.name == "Pareto front (predicted)"

    def test_limits_and_the_knee_are_marked(self) -> None:
        study = make_study(objectives=self.OBJECTIVES)
        front = study.front()
        limit = front[len(front) // 2].values["latency_ms"]
        *_, knee, low = study.plot_front(limits={"low": limit}).data
        for mark, point in ((knee, front.knee()), (low, front.best(latency_ms=limit))):
            assert (mark.x[0], mark.y[0]) == (point.values["latency_ms"], point.values["top1"])


def _energy(subnet: Subnet) -> float:
    return sum(subnet.depth) + subnet.kernel[0] / 10


class TestTitle:
    def test_counts_the_subnets(self) -> None:
        study = make_study()
        n = len(study.front())
        first, second, *_ = plot_front(study).layout.title.text.split("<br>")
        assert first == f"phone: {n} predicted subnets on the Pareto front"
        assert second.startswith(f"<sup>over {200 - n} others; hypervolume ")

    def test_every_number_is_that_of_the_data(self) -> None:
        study = make_study()
        info, meta = front_info(study), plot_front(study).layout.meta
        n_all = len(study.results(kind="predicted").numbers)
        assert info.n_others == len(info.others) == n_all - len(info.front) > 0
        found = [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", meta["title"])]
        assert found == [len(info.front)]
        assert meta["notes"][0].startswith(f"over {info.n_others:,} others; hypervolume ")

    def test_has_the_hypervolume_and_its_reference(self) -> None:
        study = make_study()
        line = plot_front(study).layout.meta["notes"][0]
        info = front_info(study)
        top1, ms = info.reference.values()
        amounts = f"top1 {top1:.4g} %, latency_ms {ms:.4g} ms"
        assert line.endswith(f"; hypervolume {info.hypervolume:,.4g} % x ms over {amounts}")

    def test_of_one_subnet(self) -> None:
        title = plot_front(make_study(1)).layout.title.text
        assert title.startswith("phone: 1 predicted subnet on the Pareto front")

    def test_says_how_many_are_drawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_front_info, "MAX_OTHERS", 50)
        assert " others, 50 of them drawn" in plot_front(make_study()).layout.title.text

    @pytest.mark.parametrize("objectives", [["top1", "latency_ms"], ["top1", "n_macs", "n_params"]])
    def test_has_all_limits(self, objectives: list[str]) -> None:
        study = make_study(
            objectives=objectives, constraints={"latency_ms": 40.0, "top1": 71.5, "n_params": 6e6}
        )
        expected = "; limits: latency_ms ≤ 40 ms, top1 ≥ 71.5 %, n_params ≤ 6,000,000; hyper"
        assert expected in plot_front(study).layout.meta["notes"][0]

    def test_a_study_without_a_name_has_those_of_its_family_and_device(self) -> None:
        study = optuna_ofa.study("ofa_mbv3_w1.0", seed=0)
        study.search(40)
        title = plot_front(study).layout.meta["title"]
        expected = f"ofa_mbv3_w1.0 on AMD EPYC family 25 model 17: {len(study.front())} predicted"
        assert title == f"{expected} subnets on the Pareto front"

    def test_a_study_without_a_name_and_a_device_has_that_of_its_family(self) -> None:
        study = optuna_ofa.study("ofa_mbv3_w1.0", objectives=("top1", "n_macs"), seed=0)
        study.search(40)
        assert plot_front(study).layout.meta["title"].startswith("ofa_mbv3_w1.0: ")

    def test_has_the_device_and_the_date(self) -> None:
        study = optuna_ofa.study("ofa_mbv3_w1.0", study_name="a", seed=0)
        study.search(40)
        last = max(t.datetime_complete for t in study.trials if t.datetime_complete)
        words = f"latency of AMD EPYC family 25 model 17, torch 2.13.0+cpu; {last:%-d %B %Y}"
        assert plot_front(study).layout.title.text.endswith(f"<br><sup>{words}</sup>")


@pytest.mark.parametrize(
    "objectives", [["top1"], ["top1", "latency_ms", "n_macs", "n_params"]], ids=len
)
def test_other_numbers_of_objectives_cannot_be_drawn(objectives: list[str]) -> None:
    study = make_study(5, objectives=objectives)
    expected = f"`study` must have 2 or 3 objectives to be drawn, but has {len(objectives)}"
    with pytest.raises(InvalidArgumentError, match=expected):
        plot_front(study)


@pytest.mark.parametrize("n_objectives", [2, 3])
def test_it_can_be_written(tmp_path: Path, n_objectives: int) -> None:
    study = make_study(objectives=["top1", "latency_ms", "n_macs"][:n_objectives])
    plot_front(study).write_html(tmp_path / "front.html", include_plotlyjs=False)
    assert "predicted subnets on the Pareto front" in (tmp_path / "front.html").read_text()


class TestMarks:
    """The knee, and the best subnets within limits."""

    def test_each_has_a_symbol_and_a_line_of_the_legend(self) -> None:
        study = make_study()
        front = study.front()
        limit = front[len(front) // 2].values["latency_ms"]
        figure = study.plot_front(limits={"low": limit}, picks={"first": front[0]})
        marks = figure.data[-3:]
        assert [m.name for m in marks] == [f"{n} (predicted)" for n in ("knee", "low", "first")]
        expected = [front.knee(), front.best(latency_ms=limit), front[0]]
        assert [m.x[0] for m in marks] == [p.values["latency_ms"] for p in expected]
        assert [m.y[0] for m in marks] == [p.values["top1"] for p in expected]
        assert len({m.marker.symbol for m in marks}) == 3

    def test_the_knee_is_always_marked(self) -> None:
        study = make_study()
        knee = study.plot_front().data[-1]
        assert (knee.name, knee.marker.symbol) == ("knee (predicted)", "star")
        assert (knee.x[0], knee.y[0]) == tuple(
            study.front().knee().values[m] for m in ("latency_ms", "top1")
        )

    def test_a_knee_among_the_picks_is_marked_once(self) -> None:
        study = make_study()
        names = [t.name for t in study.plot_front(picks={"knee": study.front().knee()}).data]
        assert names.count("knee (predicted)") == 1

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([[75.0, 20.0]], None),
            ([[75.0, 20.0], [70.0, 10.0]], None),
            ([[75.0, 20.0], [70.0, 10.0], [71.0, 19.0]], None),  # bent the other way
            ([[75.0, 20.0], [70.0, 10.0], [74.0, 11.0]], 11.0),
        ],
    )
    def test_a_front_without_a_bend_has_no_knee(
        self, values: list[list[float]], expected: float | None
    ) -> None:
        study = make_study(0)
        for seed, pair in enumerate(values):
            add_trial(study, pair, "measured", seed)
        knee = front_info(study).knee
        assert (knee.values["latency_ms"] if knee else None) == expected
        n_marks = len(plot_front(study).data) - 2
        assert n_marks == (expected is not None)

    def test_without_a_cost_nothing_but_picks_and_the_knee_is_marked(self) -> None:
        study = make_study(objectives=["n_params", "n_macs"])
        names = [t.name for t in study.plot_front(picks={"a": study.front()[0]}).data[2:]]
        assert names[-1] == "a (predicted)"
        assert not any(name.startswith("best") for name in names)

    def test_a_limit_that_nothing_is_within_is_refused(self) -> None:
        with pytest.raises(InvalidArgumentError, match="`limits` must be reached by a subnet"):
            make_study().plot_front(limits=[0.001])

    def test_a_pick_of_other_objectives_is_refused(self) -> None:
        other = make_study(objectives=["top1", "n_macs"]).front()[0]
        with pytest.raises(InvalidArgumentError, match="but 'a' has no latency_ms"):
            make_study().plot_front(picks={"a": other})
