"""Studies of metrics of the user's own: predicted, by functions, and only measured."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa import Metric, SearchSpace, Subnet, SubnetStudy
from optuna_ofa.deployment import KnownValue, figures_of, value_in_words
from optuna_ofa.exceptions import (
    EmptyFrontError,
    InfeasibleConstraintError,
    InvalidArgumentError,
    PredictionError,
    StudyMismatchError,
)
from optuna_ofa.predictors import ConfidenceBound, CostPredictor, Predictor
from optuna_ofa.space import Matrix, mobilenet_v3_small_images

SPACE = SearchSpace(mobilenet_v3_small_images("mine", width=0.5))
MACS = CostPredictor("n_macs", SPACE)


def energy_of(matrix: Matrix) -> NDArray[np.float64]:
    """Millijoule: a share for each multiply-add, and what the device takes anyway."""
    return np.asarray(0.5 + MACS.predict(matrix) / 1e6)


def throughput_of(subnet: Subnet) -> float:
    return 1000.0 / sum(subnet.depth)


def accuracy_of(subnet: Subnet) -> float:
    return 60.0 + sum(subnet.depth) + 0.2 * sum(subnet.kernel)


def measured_energy(subnet: Subnet) -> tuple[float, float]:
    return 1.1 * float(energy_of(SPACE.to_matrix([subnet]))[0]), 0.05


ENERGY = Metric("energy_mj", unit="mJ", direction="minimize", predictor=energy_of)
THROUGHPUT = Metric("throughput", unit="images/s", direction="maximize", predictor=throughput_of)
LAYERS = Metric("n_layers", direction="minimize", predictor=lambda s: sum(s.depth))
SCORE = Metric("score", direction="maximize", predictor=lambda s: -0.01 * sum(s.kernel))
MEASURED = Metric("energy_mj", unit="mJ", direction="minimize")


def make_study(*objectives: str | Metric, n: int = 60, **arguments: Any) -> SubnetStudy:
    given = {
        "accuracy": accuracy_of,
        "predictors": [ENERGY, THROUGHPUT, LAYERS, SCORE],
        "seed": 0,
        **arguments,
    }
    study = optuna_ofa.study(SPACE, objectives=list(objectives), **given)
    if n:
        study.search(n)
    return study


@pytest.mark.parametrize(
    ("objectives", "constraints", "limits", "words"),
    [
        (("top1", "energy_mj"), {"energy_mj": 1.6}, {"energy_mj": 1.5}, r"energy_mj [\d.]+ mJ"),
        (("top1", "throughput"), {"throughput": 90}, {"throughput": 100}, r"[\d.]+ images/s"),
        (("top1", "n_layers"), {"n_layers": 11}, {"n_layers": 9}, r"n_layers \d+ \("),
        (("score", "energy_mj"), {"score": -0.5}, {"score": -0.4}, r"score -0\.\d+, "),
    ],
    ids=lambda x: " / ".join(x) if isinstance(x, tuple) else None,
)
def test_own_metrics_are_searched_bounded_and_picked(
    objectives: tuple[str, ...],
    constraints: dict[str, float],
    limits: dict[str, float],
    words: str,
    tmp_path: Path,
) -> None:
    study = make_study(*objectives, constraints=constraints)
    front, sign = study.front(), {m: of.sign for m, of in study.problem.metrics.items()}
    for name, bound in {**constraints}.items():
        assert all(sign[name] * p.values[name] <= sign[name] * bound for p in front)
    best, (name, limit) = front.best(**limits), next(iter(limits.items()))
    assert sign[name] * best.values[name] <= sign[name] * limit
    assert front.modes({"low": limit}, metric=name)["low"] == best
    assert front.knee() in front
    assert optuna_ofa.fronts.Front([*front], front.objectives).best(**limits) == best
    assert re.search(words, str(best))
    text = study.report(tmp_path / "a.html").read_text(encoding="utf-8")
    for metric in study.problem.objective_metrics.values():
        assert metric.axis in text


def test_a_front_is_sorted_from_the_best_of_what_limits_are_of() -> None:
    throughput = [p.values["throughput"] for p in make_study("top1", THROUGHPUT).front()]
    assert throughput == sorted(throughput, reverse=True)
    assert len(throughput) > 2


def test_objectives_may_be_metrics_themselves() -> None:
    by_name, itself = make_study("top1", "energy_mj"), make_study("top1", ENERGY, predictors=())
    assert [p.values for p in itself.front()] == [p.values for p in by_name.front()]


def test_the_order_of_objectives_plays_no_role() -> None:
    first, second = make_study("energy_mj", "throughput"), make_study("throughput", "energy_mj")
    assert {str(p.subnet) for p in first.front()} == {str(p.subnet) for p in second.front()}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"predictors": [ENERGY, Metric("energy_mj", unit="J", direction="minimize")]},
         "must have different names for different metrics"),
        ({"predictors": ["energy_mj"]}, r"`predictors\[0\]` must be a Metric"),
        ({"constraints": {"energy_mj": float("inf")}}, r"`constraints\['energy_mj'\]`"),
        ({"constraints": {"power": 3.0}}, "must be among top1, .*throughput.* but got 'power'"),
        ({"predictors": [Metric("energy_mj", direction="minimize", predictor=MACS)]},
         "must be a predictor of 'energy_mj', but got one of 'n_macs'"),
    ],
    ids=["two of a name", "no metric", "no bound", "unknown", "another's predictor"],
)  # fmt: skip
def test_wrong_metrics_are_refused(arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidArgumentError, match=expected):
        make_study("top1", "energy_mj", n=0, **arguments)


def test_a_bound_that_nothing_reaches_is_refused_with_its_unit() -> None:
    with pytest.raises(InfeasibleConstraintError, match=r"throughput >= 5000 images/s is not"):
        make_study("top1", "energy_mj", constraints={"throughput": 5000})


def test_a_function_that_returns_no_number_ends_the_search() -> None:
    def wrong(subnet: Subnet) -> float:
        return float("nan") if sum(subnet.depth) == 8 else 1.0

    with pytest.raises(PredictionError, match="wrong`, which predicts x, must return a finite"):
        make_study("top1", Metric("x", direction="minimize", predictor=wrong))


def test_functions_stand_for_hardware_too() -> None:
    study = make_study("top1", "latency_ms", hardware=lambda s: 0.1 * sum(s.depth))
    assert study.front()[0].values["latency_ms"] == pytest.approx(0.6)
    assert study.front()[0].origin["top1"] == {"function": "accuracy_of"}


class _Uncertain(Predictor):
    metric, space = "throughput", SPACE

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        return matrix.sum(axis=1).astype(float)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        return np.ones(len(matrix))


class _Upwards(_Uncertain):
    direction = "maximize"  # type: ignore[assignment]


def test_a_bound_needs_the_direction_of_its_metric() -> None:
    worse = ConfidenceBound(_Upwards(), 2.0)
    matrix = SPACE.sample(3, seed=0)
    assert (worse.predict(matrix) == _Upwards().predict(matrix) - 2).all()
    make_study("top1", Metric("throughput", direction="maximize", predictor=worse), predictors=())
    wrong = Metric("throughput", direction="maximize", predictor=ConfidenceBound(_Uncertain()))
    with pytest.raises(InvalidArgumentError, match="bound of a metric to maximize, but its `dir"):
        make_study("top1", wrong, predictors=())


class TestStored:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        url = f"sqlite:///{tmp_path}/a.db"
        make_study("top1", "energy_mj", storage=url, study_name="e")
        return url

    def test_is_read_everywhere_without_its_predictor(self, url: str, tmp_path: Path) -> None:
        study = optuna_ofa.load_study("e", url)
        assert study.problem.metrics["energy_mj"] == ENERGY
        assert "mJ (predicted)" in str(study.front()[0])
        assert "Energy (mJ)" in study.plot_front().layout.xaxis.title.text
        assert study.report(tmp_path / "a.html").is_file()

    @pytest.mark.parametrize("call", ["search", "ask_batch"])
    def test_says_what_it_lacks_to_predict(self, url: str, call: str) -> None:
        study = optuna_ofa.load_study("e", url, accuracy=accuracy_of)
        expected = "`predictors` must have the Metric 'energy_mj' with its predictor to predict"
        with pytest.raises(InvalidArgumentError, match=expected):
            getattr(study, call)(2)

    def test_goes_on_with_its_predictor(self, url: str) -> None:
        given = {"accuracy": accuracy_of, "predictors": [ENERGY]}
        study = optuna_ofa.load_study("e", url, **given)
        study.search(20)
        assert len(study.trials) == 80

    def test_refuses_another_metric(self, url: str) -> None:
        with pytest.raises(InvalidArgumentError, match="`predictors` must be metrics of the study"):
            optuna_ofa.load_study("e", url, predictors=[THROUGHPUT])
        joule = Metric("energy_mj", unit="J", direction="minimize", predictor=energy_of)
        again = {"storage": url, "study_name": "e", "load_if_exists": True}
        with pytest.raises(StudyMismatchError, match=r"has metrics .*'mJ'.* instead of .*'J'"):
            make_study("top1", joule, predictors=(), **again)

    def test_built_in_metrics_are_described_as_before(self) -> None:
        study = make_study("top1", "n_macs", n=0)
        assert "metrics" not in study.problem.describe()


class TestMeasuredOnly:
    def test_search_refuses_and_names_it(self) -> None:
        study = make_study("top1", MEASURED, n=0, predictors=())
        with pytest.raises(InvalidArgumentError, match="`predictor` of the metric 'energy_mj' m"):
            study.search(10)
        with pytest.raises(InvalidArgumentError, match="`predictor` of the metric 'energy_mj' m"):
            study.problem(study.ask())

    @pytest.mark.parametrize("learn", [False, True])
    def test_what_to_measure_is_chosen_by_what_was_measured(self, learn: bool) -> None:
        study = make_study("top1", MEASURED, n=0, predictors=(), learn=learn)
        for n in (20, 20, 15):
            asked = study.ask_batch(n)
            assert all("top1" in one.predicted for one in asked)
            rows = [[accuracy_of(one.subnet), measured_energy(one.subnet)[0]] for one in asked]
            study.tell_batch(asked, rows)
        subnets = [str(t.user_attrs["subnet"]) for t in study.trials]
        assert len(set(subnets)) == len(subnets) == 55
        assert study.front().kind == "measured"
        assert ("energy_mj" in asked[0].predicted) == learn  # by models of what was measured

    def test_optimize_measures_it(self) -> None:
        study = make_study("top1", MEASURED, n=0, predictors=())

        def objective(trial: Any) -> tuple[float, float]:
            subnet = study.space.suggest(trial)
            return accuracy_of(subnet), measured_energy(subnet)[0]

        study.optimize(objective, n_trials=8)
        assert len(study.front(kind="measured")) >= 1

    def test_a_constraint_that_is_not_measured_counts_as_satisfied(self) -> None:
        study = make_study(
            "top1", "n_macs", n=0, constraints={"energy_mj": 1.0}, predictors=[MEASURED]
        )
        first, second = study.ask_batch(2)
        study.tell_batch([first], [[70.0, 1e6]], constraints={"energy_mj": [9.0]})
        with pytest.raises(EmptyFrontError, match="None of 1 trials satisfies"):
            study.front()
        study.tell_batch([second], [[70.0, 1e6]])
        assert [p.trial_number for p in study.front()] == [second.number]

    def test_is_verified_of_subnets_that_are_given(self) -> None:
        study = make_study("top1", MEASURED, n=0, predictors=())
        measure: dict[str, Any] = {"energy_mj": measured_energy, "top1": accuracy_of}
        with pytest.raises(InvalidArgumentError, match="`points` must be subnets where nothing"):
            study.verify(measure)
        subnets = SPACE.from_matrix(SPACE.sample(3, seed=0))
        found = study.verify(measure, points=subnets)
        assert list(found.errors) == ["top1"]
        assert "mJ" not in str(found)
        assert "energy_mj" in str(found)
        assert "not predicted" in str(found)
        figure = optuna_ofa.visualization.plot_verification(found)
        assert "Energy (mJ)" in figure.layout.xaxis.title.text

    def test_is_reopened_as_it_is(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path}/a.db"
        given = {"storage": url, "study_name": "e", "accuracy": accuracy_of}
        make_study("top1", MEASURED, n=0, predictors=(), **given)
        study = optuna_ofa.load_study(**given)
        assert study.problem.measured_only == ("energy_mj",)
        assert len(study.ask_batch(3)) == 3


def test_predicted_metrics_are_verified_with_their_units() -> None:
    study = make_study("top1", "energy_mj")
    found = study.verify({"energy_mj": measured_energy, "top1": accuracy_of}, points=3)
    assert found.errors["energy_mj"].mape == pytest.approx(100 * 0.1 / 1.1)
    assert found.front.metrics["energy_mj"].unit == "mJ"
    assert study.front(kind="measured")[0].std["energy_mj"] == 0.05


@pytest.mark.parametrize("learn", [False, True])
def test_batches_are_chosen_on_own_predictors(learn: bool) -> None:
    study = make_study("throughput", "energy_mj", n=0, learn=learn)
    for _ in range(2):
        asked = study.ask_batch(12)
        rows = [[0.9 * throughput_of(x.subnet), measured_energy(x.subnet)[0]] for x in asked]
        study.tell_batch(asked, rows)
    (one,) = study.ask_batch(1)
    factor = 0.9 if learn else 1.0
    assert one.predicted["throughput"] == pytest.approx(factor * throughput_of(one.subnet))


def test_what_a_front_gives_has_own_metrics(tmp_path: Path) -> None:
    front = make_study("top1", "throughput").front()
    assert front[0].throughput == front[0].values["throughput"]
    assert front.hypervolume({"top1": 60, "throughput": 10}) > 0
    front.to_csv(tmp_path / "front.csv")
    head, *rows = (tmp_path / "front.csv").read_text(encoding="utf-8").splitlines()
    assert "throughput" in head.split(",")
    assert len(rows) == len(front)


def test_lines_of_maximised_metrics_step_down_before_they_go_on() -> None:
    throughput, energy = make_study("top1", "throughput"), make_study("top1", "energy_mj")
    figures = [study.plot_front() for study in (throughput, energy)]
    shapes = [t.line.shape for f in figures for t in f.data if t.name.startswith("Pareto front")]
    assert shapes == ["vh", "hv"]


def test_values_beside_an_export_have_units() -> None:
    point = make_study("top1", "energy_mj").front()[0]
    figures = figures_of(point, device="meter")
    assert [(of.metric, of.unit, of.device) for of in figures] == [
        ("top1", "%", None),
        ("energy_mj", "mJ", "meter"),
    ]
    assert value_in_words(figures[1].to_dict()).endswith(" mJ")
    with pytest.raises(InvalidArgumentError, match="`metric` must be one of top1"):
        KnownValue("energy_mj", 1.0, "measured")


def test_a_fleet_has_own_metrics_by_device(tmp_path: Path) -> None:
    twice = Metric(
        "energy_mj", unit="mJ", direction="minimize", predictor=lambda m: 2 * energy_of(m)
    )
    given: dict[str, Any] = {
        "hardware": {"a": "x", "b": "y"},
        "accuracy": accuracy_of,
        "objectives": ["top1", "energy_mj"],
        "seed": 0,
    }
    fleet = optuna_ofa.fleet(SPACE, predictors={"a": [ENERGY], "b": [twice]}, **given)
    fleet.search(40)
    for device, factor in (("a", 1), ("b", 2)):
        point = fleet[device].front()[0]
        expected = factor * energy_of(SPACE.to_matrix([point.subnet]))[0]
        assert point.values["energy_mj"] == pytest.approx(expected)
    assert fleet.report(tmp_path / "a.html").is_file()
    with pytest.raises(
        InvalidArgumentError, match="`predictors` must be given for the devices a, b"
    ):
        optuna_ofa.fleet(SPACE, predictors={"a": [ENERGY]}, **given)
