"""Models of single quantities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_ofa.predictors import CostPredictor
from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.samplers.models._quantity import Estimate, QuantityLearner
from optuna_ofa.space import Matrix, SearchSpace

TABLE = SearchSpace.of_choices({f"gene{i}": range(6) for i in range(12)})


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace("ofa_mbv3_w1.0").restrict(resolution=224)


def depths(matrix: Matrix) -> np.ndarray:
    """A quantity that is not in the features as such."""
    return np.exp((matrix[:, :12] > 3).sum(axis=1) / 5)


def learnt(
    space: SearchSpace, values: np.ndarray, matrix: Matrix, **options: object
) -> Callable[[Matrix], Estimate]:
    options = {"prior": None, "is_cost": True} | options
    features = RowFeatures(space)
    model = QuantityLearner(space, features, **options).fit(matrix, values, seed=0)
    return lambda rows: model.estimate(rows, features(rows), 1.0)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["positive", "negative"])
def test_estimates_follow_the_quantity(space: SearchSpace, sign: float) -> None:
    known, new = space.sample(120, seed=0), space.sample(200, seed=1)
    model = learnt(space, sign * depths(known), known)
    errors = model(new).mean - sign * depths(new)
    assert errors.std() < 0.4 * depths(new).std()


def test_intervals_hold_what_they_promise(space: SearchSpace) -> None:
    known, new = space.sample(80, seed=0), space.sample(300, seed=1)
    model = learnt(space, depths(known), known)
    inside = np.abs(model(new).mean - depths(new)) < 2 * model(new).std
    assert inside.mean() > 0.85
    assert model(known).std.mean() < model(new).std.mean()


def test_positive_costs_stay_positive(space: SearchSpace) -> None:
    known = space.sample(12, seed=0)
    model = learnt(space, depths(known) ** 4, known)
    assert (model(space.sample(500, seed=1)).mean > 0).all()


def test_one_bad_outlier_of_a_table_does_not_make_all_others_uncertain() -> None:
    space = TABLE
    known, new = space.sample(40, seed=0), space.sample(200, seed=1)
    accuracies = -90 - depths(known)
    std = learnt(space, accuracies, known)(new).std.mean()
    accuracies[0] = -40.0
    assert learnt(space, accuracies, known)(new).std.mean() < 16 * std


def test_bounds_are_those_of_the_scale() -> None:
    space = TABLE
    known, new = space.sample(40, seed=0), space.sample(200, seed=1)
    of = learnt(space, -90 + depths(known) ** 3, known)(new)
    assert (of.optimistic < of.mean).all()
    # values have a long tail above, so estimates are closer to their bounds below
    assert np.mean((of.mean - of.optimistic) / of.std) < 1


@pytest.mark.parametrize("value", [5.0, 0.0, -3.0], ids=["positive", "zero", "negative"])
def test_a_constant_is_exact(space: SearchSpace, value: float) -> None:
    known = space.sample(8, seed=0)
    model = learnt(space, np.full(8, value), known)
    assert model(known[:3]).mean == pytest.approx([value] * 3)
    assert model(known[:3]).std.tolist() == [0.0] * 3


def test_one_row_is_enough(space: SearchSpace) -> None:
    known = space.sample(1, seed=0)
    assert learnt(space, np.array([7.0]), known)(known).mean == pytest.approx([7.0])


def test_repeats_are_averaged(space: SearchSpace) -> None:
    rows = space.sample(40, seed=0)
    known = np.concatenate([rows, rows])
    values = np.r_[depths(rows) - 0.5, depths(rows) + 0.5]
    model = learnt(space, values, known, is_cost=False)
    assert np.abs(model(rows).mean - depths(rows)).mean() < 0.4


class TestPrior:
    def test_a_perfect_one_leaves_nothing(self, space: SearchSpace) -> None:
        macs = CostPredictor("n_macs", space).predict
        known, new = space.sample(10, seed=0), space.sample(50, seed=1)
        model = learnt(space, macs(known), known, prior=macs)
        assert model(new).mean == pytest.approx(macs(new))
        assert model(new).std.tolist() == [0.0] * 50

    def test_a_shifted_one_is_corrected(self, space: SearchSpace) -> None:
        macs = CostPredictor("n_macs", space).predict
        known, new = space.sample(10, seed=0), space.sample(50, seed=1)
        model = learnt(space, 70 + 2e-8 * macs(known), known, prior=macs, is_cost=False)
        assert model(new).mean == pytest.approx(70 + 2e-8 * macs(new))

    def test_a_good_one_is_better_than_none(self, space: SearchSpace) -> None:
        known, new = space.sample(15, seed=0), space.sample(200, seed=1)
        prior = lambda m: 1.1 * depths(m) + 0.05 * (m[:, 20] > 3)  # noqa: E731
        errors = [
            np.abs(learnt(space, depths(known), known, prior=p)(new).mean - depths(new)).mean()
            for p in (None, prior)
        ]
        assert errors[1] < 0.3 * errors[0]

    def test_a_useless_one_does_no_harm(self, space: SearchSpace) -> None:
        known, new = space.sample(80, seed=0), space.sample(200, seed=1)
        constant = lambda m: np.full(len(m), 4.0)  # noqa: E731
        model = learnt(space, depths(known), known, prior=constant)
        assert (model(new).mean - depths(new)).std() < 0.35 * depths(new).std()


def test_two_rows_determine_no_line(space: SearchSpace) -> None:
    macs = CostPredictor("n_macs", space).predict
    known, new = space.sample(2, seed=0), space.sample(200, seed=1)
    model = learnt(space, macs(known) * np.array([1.0, 1.1]), known, prior=macs)
    assert (model(new).std > 0).all()
    assert np.abs(model(new).mean / macs(new) - 1.05).mean() < 0.1


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["as it is", "reversed"])
def test_a_prior_in_another_unit_is_corrected(space: SearchSpace, sign: float) -> None:
    known, new = space.sample(30, seed=0), space.sample(200, seed=1)

    def of(matrix: Matrix) -> np.ndarray:
        return 70 + 1e-8 * CostPredictor("n_macs", space).predict(matrix) + 0.1 * depths(matrix)

    prior = lambda m: sign * CostPredictor("n_macs", space).predict(m)  # noqa: E731
    errors = [
        learnt(space, of(known), known, prior=p, is_cost=False)(new).mean - of(new)
        for p in (None, prior)
    ]
    assert errors[1].std() < errors[0].std()


@pytest.mark.parametrize("corrects", [False, True])
def test_hyper_parameters_are_kept_until_there_are_more_rows(
    space: SearchSpace, corrects: bool
) -> None:
    prior = CostPredictor("n_macs", space).predict if corrects else None
    learner = QuantityLearner(space, prior=prior, is_cost=True)
    rows = space.sample(50, seed=0)
    learner.fit(rows[:30], depths(rows[:30]), seed=0)
    first = learner._settings
    learner.fit(rows[:35], depths(rows[:35]), seed=0)
    assert learner._settings is first
    learner.fit(rows, depths(rows), seed=0)
    assert learner._settings is not first


def test_a_prior_of_one_value_says_nothing_of_its_slope(space: SearchSpace) -> None:
    matrix = space.sample(400, seed=0)
    prior = CostPredictor("n_macs", space).predict(matrix) > 2e8
    alike = matrix[prior][:12]

    def steps(rows: Matrix) -> np.ndarray:  # 1000 / 1.1 twice, up to rounding
        small = CostPredictor("n_macs", space).predict(rows) <= 2e8
        return np.where(small, 100.0, 1000 / 1.1)

    model = learnt(space, np.full(len(alike), 0.9 * 1000 / 1.1), alike, prior=steps)
    assert model(matrix).mean == pytest.approx(0.9 * steps(matrix))
