"""Fronts and results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import optuna_ofa
from optuna_ofa import Front, SearchSpace, SubnetStudy
from optuna_ofa.exceptions import EmptyFrontError, ImplausibleValueWarning, InvalidArgumentError
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.fronts._rows import columns_of
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem._metric import RESERVED
from optuna_ofa.space import Matrix

Make = Callable[..., SubnetStudy]


def add(
    study: SubnetStudy, row: Matrix, values: tuple[float, ...], *, kind: str | None = None
) -> None:
    """Add a finished trial by hand; without a kind as an objective of one's own leaves it."""
    attrs = {"kind": kind} if kind else {}
    trial = optuna.create_trial(
        params=study.space.to_params(row[None])[0],
        distributions=dict(study.space.distributions),
        values=values,
        user_attrs=attrs,
    )
    study.add_trial(trial)


def better(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
@pytest.mark.parametrize(
    "objectives",
    [("top1",), ("top1", "latency_ms"), ("n_params", "top1"), ("top1", "latency_ms", "n_params")],
    ids="-".join,
)
def test_the_front_is_what_no_trial_dominates(
    make_study: Make, sqlite: str, storage: str, objectives: tuple[str, ...]
) -> None:
    study = make_study(objectives=objectives, storage=sqlite if storage == "sqlite" else None)
    study.search(200)
    values = np.array([t.values for t in study.trials]) * study.problem.signs
    expected = {i for i, v in enumerate(values) if not any(better(w, v) for w in values)}
    assert {p.trial_number for p in study.front()} == expected


def test_points_are_sorted_by_latency(make_study: Make) -> None:
    study = make_study(objectives=["top1", "latency_ms", "n_params"])
    study.search(200)
    latency = [p.values["latency_ms"] for p in study.front()]
    assert latency == sorted(latency)
    assert len(latency) > 5


@pytest.mark.parametrize("objectives", [("top1", "n_macs"), ("n_macs", "top1")], ids="-".join)
def test_without_latency_points_are_sorted_by_another_cost(
    make_study: Make, objectives: tuple[str, ...]
) -> None:
    study = make_study(objectives=objectives)
    study.search(200)
    macs = [p.values["n_macs"] for p in study.front()]
    assert macs == sorted(macs)
    assert len(macs) > 5


def test_a_front_that_is_not_convex_is_kept_whole(make_study: Make) -> None:
    study = make_study()
    x = np.linspace(0, 1, 20)
    for row, step in zip(study.space.sample(20, seed=0), x, strict=True):
        add(study, row, (70 + 5 * step**3, 10 + 10 * step))  # a convex hull has 2 of these
    assert len(study.front()) == 20


def test_infeasible_trials_are_never_on_the_front(make_study: Make) -> None:
    study = make_study(constraints={"latency_ms": 25.0, "n_params": 5e6, "top1": 71.5})
    study.search(300)
    rows = study.space.to_matrix([p.subnet for p in study.front()])
    assert len(rows) > 0
    assert (study.problem.evaluate(rows).excess <= 0).all()


def test_measured_values_beyond_a_bound_are_infeasible(make_study: Make) -> None:
    study = make_study(constraints={"latency_ms": 25.0})
    rows = study.space.sample(3, seed=0)
    for row, values in zip(rows, [(76.0, 26.0), (75.0, 25.0), (74.0, 24.0)], strict=True):
        add(study, row, values)  # an objective of one's own sets no constraint
    assert [p.values["latency_ms"] for p in study.front()] == [24.0, 25.0]


@pytest.mark.parametrize("kind", ["predicted", "measured"])
def test_kinds_are_never_mixed(make_study: Make, kind: Any) -> None:
    study = make_study()
    study.search(50)
    for row in study.space.sample(5, seed=7):
        add(study, row, (99.0, 1.0))
    assert {p.kind for p in study.front(kind=kind)} == {kind}
    assert set(study.results(kind=kind).kind.tolist()) == {kind}


def test_no_metric_is_named_like_a_field_of_a_point() -> None:
    assert {field.name for field in fields(FrontPoint)} <= set(RESERVED)
    assert set(columns_of([])) <= set(RESERVED)


def test_an_unknown_kind_is_refused(make_study: Make) -> None:
    study = make_study()
    study.search(5)
    with pytest.raises(InvalidArgumentError, match="or None, but got 'guessed'"):
        study.front(kind="guessed")  # type: ignore[arg-type]


class TestEmptyFront:
    def test_without_trials(self, make_study: Make) -> None:
        with pytest.raises(EmptyFrontError, match="no finished trial yet; call `search` first"):
            make_study().front()

    def test_without_trials_of_the_kind(self, make_study: Make) -> None:
        study = make_study()
        study.search(5)
        with pytest.raises(EmptyFrontError, match="The study has no measured trial"):
            study.front(kind="measured")

    def test_names_the_nearest_trial(self, make_study: Make) -> None:
        study = make_study(constraints={"latency_ms": 20.0, "top1": 77.0})
        rows = study.space.sample(3, seed=0)
        for row, values in zip(rows, [(76.0, 40.0), (76.5, 19.0), (70.0, 20.0)], strict=True):
            add(study, row, values)
        expected = (
            "None of 3 trials satisfies .* least, trial 1, has top1 76.50 %, latency_ms 19.00 ms"
        )
        with pytest.raises(EmptyFrontError, match=expected):
            study.front()

    def test_failed_trials_are_no_trials(self, make_study: Make) -> None:
        study = make_study()
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
        with pytest.raises(EmptyFrontError, match="no finished trial"):
            study.front()


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
@pytest.mark.parametrize(
    "subnet",
    [SearchSpace("ofa_mbv3_w1.0").smallest().to_dict(), {"family": "ofa_mbv3_w1.0"}, "nonsense", 3],
    ids=["other-resolution", "incomplete", "text", "number"],
)
def test_trials_with_a_subnet_that_is_none_of_the_space_are_passed_over(
    make_study: Make, sqlite: str, storage: str, subnet: object
) -> None:
    study = make_study(storage=sqlite if storage == "sqlite" else None)
    study.search(20)
    trial = study.trials[0]
    trial.set_user_attr("subnet", subnet)
    study.add_trial(trial)
    assert study.results().numbers.tolist() == list(range(20))


def test_trials_with_parameters_of_another_space_are_passed_over(make_study: Make) -> None:
    study = make_study()
    study.search(20)
    other = SearchSpace("ofa_mbv3_w1.0", resolution=128)
    trial = optuna.create_trial(
        params=other.to_params(other.sample(1, seed=0))[0],
        distributions=dict(other.distributions),
        values=[99.0, 1.0],
    )
    study.add_trial(trial)  # which Optuna accepts in memory
    assert study.results().numbers.tolist() == list(range(20))
    study.search(10)
    assert len(study.results().numbers) == 30


def test_infinite_values_do_not_break_the_front(make_study: Make) -> None:
    study = make_study()
    add(study, study.space.sample(1, seed=0)[0], (70.0, float("inf")), kind="predicted")
    study.search(30)
    assert len(study.front()) > 1


@pytest.mark.parametrize("storage", ["memory", "sqlite"])
def test_results_are_all_trials_as_arrays(make_study: Make, sqlite: str, storage: str) -> None:
    study = make_study(
        constraints={"latency_ms": 25.0}, storage=sqlite if storage == "sqlite" else None
    )
    study.search(120)
    results = study.results()
    trials = study.trials
    trials = [trials[i] for i in results.numbers.tolist()]
    assert sorted(results.numbers.tolist()) == list(range(120))
    assert results.values.tolist() == [t.values for t in trials]
    assert results.excess.tolist() == [[t.constraints["latency_ms"]] for t in trials]
    assert results.matrix.tolist() == study.space.from_params([t.params for t in trials]).tolist()
    assert results.feasible.tolist() == [t.values[1] <= 25 for t in trials]


def test_points_say_the_standard_deviation_where_it_is_known(
    make_study: Make, predictor: Callable[..., Predictor], space: SearchSpace
) -> None:
    hardware = predictor("latency_ms", space)
    unknown = space.to_matrix([space.smallest()])

    def predict_std(matrix: Matrix) -> np.ndarray:
        return np.where((matrix == unknown).all(axis=1), np.nan, 0.25)

    hardware.predict_std = predict_std  # type: ignore[method-assign]
    study = make_study(hardware=hardware)
    study.search(50)
    first, *others = study.front()
    assert (first.subnet, first.std) == (space.smallest(), {})
    assert [p.std for p in others] == [{"latency_ms": 0.25}] * len(others)


def test_measured_points_have_no_standard_deviation(make_study: Make, shared_data: Path) -> None:
    study = optuna_ofa.study(
        "ofa_mbv3_w1.2",
        hardware=shared_data / "note10_w1.2",
        accuracy=shared_data / "ofa_mbv3_w1.2_acc_predictor.pth",
    )
    row = study.space.sample(1, seed=0)[0]
    add(study, row, (70.0, 20.0))
    add(study, row, (70.0, 20.0), kind="predicted")
    assert study.front(kind="measured")[0].std == {}
    assert set(study.front(kind="predicted")[0].std) == {"latency_ms"}


@pytest.fixture
def point(space: SearchSpace) -> FrontPoint:
    return FrontPoint(
        subnet=space.smallest(),
        values={"top1": 70.0, "latency_ms": 10.0},
        std={"latency_ms": 0.2},
        kind="predicted",
        trial_number=0,
    )


@pytest.fixture
def front(point: FrontPoint) -> Front:
    values = [(70.0, 10.0), (74.0, 20.0), (76.0, 30.0)]
    points = [
        replace(point, values={"top1": t, "latency_ms": ms}, trial_number=i)
        for i, (t, ms) in enumerate(values)
    ]
    return Front(points, ("top1", "latency_ms"))


class TestBest:
    def test_an_accuracy_that_is_a_fraction_is_warned_of(self, front: Front) -> None:
        with pytest.warns(ImplausibleValueWarning, match="`top1` is probably a fraction"):
            front.best(top1=0.75)

    @pytest.mark.parametrize(
        ("limits", "number"),
        [
            pytest.param({}, 2, id="no-limit"),
            pytest.param({"latency_ms": 25.0}, 1, id="between"),
            pytest.param({"latency_ms": 20.0}, 1, id="on-the-limit"),
            pytest.param({"top1": 72.0}, 1, id="cheapest-that-is-good-enough"),
            pytest.param({"top1": 70.0, "latency_ms": 29.0}, 1, id="both"),
        ],
    )
    def test_within_limits(self, front: Front, limits: dict[str, float], number: int) -> None:
        assert front.best(**limits).trial_number == number

    @pytest.mark.parametrize(
        ("limits", "nearest"),
        [
            pytest.param({"latency_ms": 9.0}, "top1 70.00 %, latency_ms 10.00", id="latency"),
            pytest.param({"top1": 80.0}, "top1 76.00 %, latency_ms 30.00", id="accuracy"),
        ],
    )
    def test_outside_of_them_names_the_nearest(
        self, front: Front, limits: dict[str, float], nearest: str
    ) -> None:
        with pytest.raises(EmptyFrontError, match=f"No point .* the nearest has {nearest}"):
            front.best(**limits)

    def test_a_limit_on_what_is_no_objective_is_refused(self, front: Front) -> None:
        expected = "`n_macs` must be None, because the objectives are top1, latency_ms, but got 1"
        with pytest.raises(InvalidArgumentError, match=expected):
            front.best(n_macs=1.0)

    @pytest.mark.parametrize("objectives", [("n_macs", "top1"), ("top1", "n_macs")], ids="-".join)
    def test_the_aim_is_accuracy_unless_it_alone_is_limited(
        self, point: FrontPoint, objectives: tuple[str, ...]
    ) -> None:
        points = [replace(point, values={"n_macs": 1.0 + i, "top1": 70.0 + i}) for i in range(3)]
        front = Front(points, objectives)
        assert front.best().values["top1"] == 72.0
        assert front.best(n_macs=2.5).values["top1"] == 71.0
        assert front.best(n_macs=2.5, top1=70.0).values["top1"] == 71.0
        assert front.best(top1=70.5).values["n_macs"] == 2.0


class TestKnee:
    @pytest.mark.parametrize(
        ("values", "number"),
        [
            pytest.param([(70.0, 10.0), (75.0, 12.0), (76.0, 30.0)], 1, id="bend"),
            pytest.param([(70.0, 10.0), (71.0, 25.0), (76.0, 30.0)], 0, id="bent-inwards"),
            pytest.param([(70.0, 10.0), (72.0, 14.0), (75.0, 20.0), (80.0, 110.0)], 2, id="steep"),
            pytest.param([(70.0, 10.0)], 0, id="one-point"),
            pytest.param([(70.0, 10.0), (75.0, 12.0), (76.0, float("inf"))], 0, id="infinite"),
        ],
    )
    def test_is_the_farthest_from_the_chord(
        self, point: FrontPoint, values: list[tuple[float, float]], number: int
    ) -> None:
        points = [
            replace(point, values={"top1": t, "latency_ms": ms}, trial_number=i)
            for i, (t, ms) in enumerate(values)
        ]
        assert Front(points, ("top1", "latency_ms")).knee().trial_number == number

    def test_units_do_not_count(self, point: FrontPoint) -> None:
        for scale in (1.0, 1e6):
            values = [(70.0, 1.0), (75.0, 2.0), (76.0, 9.0)]
            points = [
                replace(point, values={"top1": t, "n_macs": n * scale}, trial_number=i)
                for i, (t, n) in enumerate(values)
            ]
            assert Front(points, ("top1", "n_macs")).knee().trial_number == 1

    def test_of_an_empty_front_is_refused(self) -> None:
        with pytest.raises(EmptyFrontError, match="no point with finite values"):
            Front([], ("top1", "latency_ms")).knee()


class TestModes:
    def test_are_the_best_under_each_limit(self, front: Front) -> None:
        modes = front.modes({"full": 40, "saver": 25, "low": 12})
        assert {name: p.trial_number for name, p in modes.items()} == {
            "full": 2,
            "saver": 1,
            "low": 0,
        }

    def test_may_share_a_subnet(self, front: Front) -> None:
        modes = front.modes({"full": 29, "saver": 21})
        assert modes["full"] == modes["saver"] == front[1]

    def test_a_limit_that_is_out_of_reach_names_the_mode_and_the_nearest(
        self, front: Front
    ) -> None:
        expected = "no subnet for mode 'low': .* nearest has top1 70.00 %, latency_ms 10.00"
        with pytest.raises(EmptyFrontError, match=expected):
            front.modes({"full": 40, "low": 5})

    @pytest.mark.parametrize("limit", [0, -1.0, float("nan"), "20", True])
    def test_a_limit_that_is_no_latency_is_refused(self, front: Front, limit: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"`limits\['low'\]` must be a pos"):
            front.modes({"full": 40, "low": limit})

    def test_no_mode_is_refused(self, front: Front) -> None:
        with pytest.raises(InvalidArgumentError, match="`limits` must have at least one mode"):
            front.modes({})

    def test_without_latency_they_are_refused(self, point: FrontPoint) -> None:
        front = Front([replace(point, values={"top1": 70.0})], ("top1",))
        with pytest.raises(InvalidArgumentError, match="`latency_ms` must be None, because"):
            front.modes({"full": 40})


def test_a_front_is_a_sequence(front: Front) -> None:
    assert len(front) == 3
    assert front[-1].trial_number == 2
    assert [p.trial_number for p in front[1:]] == [1, 2]
    assert repr(front) == "Front(3 predicted points, top1 / latency_ms)"


def test_a_point_in_words(point: FrontPoint) -> None:
    expected = "top1 70.00 %, latency_ms 10.00 ± 0.20 ms (predicted): ofa_mbv3_w1.0@224 | k3e3"
    assert str(point).startswith(expected)


def test_counts_in_words(point: FrontPoint) -> None:
    words = str(replace(point, values={"n_params": 3_410_792.0}, std={}))
    assert words.startswith("n_params 3,410,792 (exact): ")


def test_exact_costs_are_not_called_predicted(point: FrontPoint) -> None:
    both = replace(point, values={"top1": 70.0, "n_macs": 2e8}, std={"top1": 0.1})
    assert str(both).startswith("top1 70.00 ± 0.10 %, n_macs 200,000,000 (predicted, n_macs exact)")
    measured = str(replace(both, kind="measured"))
    assert "(measured, n_macs exact): " in measured
