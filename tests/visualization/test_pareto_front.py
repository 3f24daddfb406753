"""The picture of a front: what it shows, and how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import EmptyFrontError, InvalidArgumentError, SearchSpace, SubnetStudy
from optuna_ofa.predictors import CostPredictor, Predictor
from optuna_ofa.space._space import Matrix
from optuna_ofa.visualization import _pareto_front, front_info, plot_front


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


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(verbosity)


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


def add_evaluated(study: SubnetStudy, values: list[float]) -> None:
    row = study.space.sample(1, seed=1)
    distributions = dict(study.space.distributions)
    params = study.space.to_params(row)[0]
    study.add_trial(optuna.create_trial(params=params, distributions=distributions, values=values))


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
        monkeypatch.setattr(_pareto_front, "_MAX_OTHERS", 50)
        study = make_study()
        info = front_info(study)
        assert len(info.others) == 50
        assert info.n_others == 200 - len(info.front)

    def test_kinds_are_not_mixed(self) -> None:
        study = make_study()
        add_evaluated(study, [99.0, 1.0])
        info = front_info(study, kind="evaluated")
        assert (len(info.front), len(info.others), info.kind) == (1, 0, "evaluated")

    def test_an_empty_front_is_refused(self) -> None:
        with pytest.raises(EmptyFrontError, match="call `search` first"):
            front_info(make_study(0))


class TestTwoObjectives:
    @pytest.mark.parametrize(
        "objectives", [("top1", "latency_ms"), ("latency_ms", "top1")], ids="-".join
    )
    def test_the_cost_is_across(self, objectives: tuple[str, str]) -> None:
        study = make_study(objectives=objectives)
        others, front = plot_front(study).data
        assert list(front.x) == [p.values["latency_ms"] for p in study.front()]
        assert list(front.y) == [p.values["top1"] for p in study.front()]
        assert len(others.x) == 200 - len(front.x)

    def test_the_line_goes_from_left_to_right(self) -> None:
        _, front = plot_front(make_study(objectives=["n_params", "n_macs"])).data
        assert list(front.x) == sorted(front.x)

    def test_axes_have_title_unit_and_kind(self) -> None:
        layout = plot_front(make_study()).layout
        assert layout.xaxis.title.text == "Latency (ms), predicted"
        assert layout.yaxis.title.text == "Top-1 accuracy (%), predicted"

    def test_evaluated_fronts_say_so(self) -> None:
        study = make_study(0)
        add_evaluated(study, [75.0, 20.0])
        figure = plot_front(study)
        assert figure.layout.xaxis.title.text == "Latency (ms), evaluated"
        assert figure.data[1].name == "Pareto front (evaluated)"

    def test_constraints_are_lines_with_their_bound(self) -> None:
        limits = {"latency_ms": 30.0, "top1": 72.0, "n_macs": 4e8}
        layout = plot_front(make_study(constraints=limits)).layout
        vertical, horizontal = layout.shapes
        assert (vertical.x0, vertical.x1) == (30.0, 30.0)
        assert (horizontal.y0, horizontal.y1) == (72.0, 72.0)
        assert [a.text for a in layout.annotations] == ["limit 30 ms", "limit 72 %"]

    def test_bars_show_the_standard_deviation_where_it_is_known(self) -> None:
        _, front = plot_front(make_study()).data
        assert set(front.error_y.array) == {0.1}
        assert front.error_x.array is None

    def test_hovering_shows_the_subnet(self) -> None:
        study = make_study()
        _, front = plot_front(study).data
        assert len(front.hovertext) == len(study.front())
        assert front.hovertext[0].startswith("top1 70.4")
        assert "latency_ms 12.13 ms (predicted)<br>ofa_mbv3_w1.0@224<br>k3e3" in front.hovertext[0]

    def test_the_method_of_the_study_draws_it_too(self) -> None:
        study = make_study()
        assert study.plot_front().to_dict() == plot_front(study).to_dict()


class TestThreeObjectives:
    OBJECTIVES = ("top1", "latency_ms", "n_params")

    def test_all_three_are_shown(self) -> None:
        study = make_study(objectives=self.OBJECTIVES)
        others, front = plot_front(study).data
        shown = list(zip(front.x, front.y, front.z, strict=True))
        assert shown == [tuple(p.values[m] for m in self.OBJECTIVES) for p in study.front()]
        assert len(others.x) == 200 - len(shown)

    def test_axes_have_title_unit_and_kind(self) -> None:
        scene = plot_front(make_study(objectives=self.OBJECTIVES)).layout.scene
        titles = [axis.title.text for axis in (scene.xaxis, scene.yaxis, scene.zaxis)]
        assert titles == [
            "Top-1 accuracy (%), predicted",
            "Latency (ms), predicted",
            "Parameters, predicted",
        ]


class TestTitle:
    def test_counts_the_subnets(self) -> None:
        study = make_study()
        n = len(study.front())
        expected = f"phone: {n} predicted subnets on the Pareto front<br><sup>over {200 - n} others"
        assert plot_front(study).layout.title.text == expected + "</sup>"

    def test_of_one_subnet(self) -> None:
        title = plot_front(make_study(1)).layout.title.text
        assert title.startswith("phone: 1 predicted subnet on the Pareto front")

    def test_says_how_many_are_drawn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_pareto_front, "_MAX_OTHERS", 50)
        assert " others, 50 of them drawn" in plot_front(make_study()).layout.title.text

    @pytest.mark.parametrize("objectives", [["top1", "latency_ms"], ["top1", "n_macs", "n_params"]])
    def test_has_all_limits(self, objectives: list[str]) -> None:
        study = make_study(
            objectives=objectives, constraints={"latency_ms": 40.0, "top1": 71.5, "n_params": 6e6}
        )
        expected = "; limits: latency_ms ≤ 40 ms, top1 ≥ 71.5 %, n_params ≤ 6,000,000</sup>"
        assert plot_front(study).layout.title.text.endswith(expected)


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
