"""Accuracy predictors that start from a predictor of other weights."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    InvalidSubnetError,
    PredictionError,
)
from optuna_ofa.predictors import AccuracyPredictor, CostPredictor, Predictor, kendall_tau
from optuna_ofa.predictors._function import FunctionPredictor
from optuna_ofa.predictors.accuracy._prior import PriorPredictor
from optuna_ofa.space import Matrix, SearchSpace, read_measured_subnets

Vector = NDArray[np.float64]
SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=(192, 224))
OTHER = SearchSpace("ofa_mbv3_w1.2", resolution=(192, 224))
MATRIX, TEST = SPACE.sample(60, seed=0), SPACE.sample(400, seed=1)


def truth(matrix: Matrix) -> Vector:
    """An accuracy that depends on kernels, depths and resolution."""
    return np.asarray(60 + 0.01 * matrix.sum(axis=1) + 0.4 * (matrix[:, 1:6] > 3).sum(axis=1))


def top1(matrix: Matrix) -> Vector:
    """The accuracies of other weights: on another line, with something of their own."""
    return np.asarray(5 + 0.9 * truth(matrix) + 0.05 * (matrix[:, 10:20] > 5).sum(axis=1))


class Truth(Predictor):
    metric = "top1"

    def __init__(self, space: SearchSpace, function: Callable[[Matrix], Vector] = truth) -> None:
        self.space, self.function = space, function

    def predict(self, matrix: Matrix) -> Vector:
        return self.function(self.space.check(matrix))


def rmse(predictor: Predictor, of: Callable[[Matrix], Vector] = top1) -> float:
    return float(np.sqrt(np.mean((predictor.predict(TEST) - of(TEST)) ** 2)))


def fit(
    n: int, prior: Predictor | None, of: Callable[[Matrix], Vector] = top1, **options: Any
) -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX[:n], of(MATRIX[:n]), prior=prior, **options)


@pytest.fixture(scope="module", params=["ridge", "gaussian_process"])
def prior(request: pytest.FixtureRequest) -> AccuracyPredictor:
    matrix = OTHER.sample(400, seed=2)
    return AccuracyPredictor.fit(OTHER, matrix, truth(matrix), model=request.param)


@pytest.fixture(scope="module")
def fitted(prior: AccuracyPredictor) -> AccuracyPredictor:
    return fit(30, prior)


# ---------------------------------------------------------------------- what is predicted


@pytest.mark.parametrize("n", [5, 10, 20, 60])
def test_few_measurements_are_enough(n: int) -> None:
    errors = [rmse(fit(n, prior)) for prior in (None, Truth(OTHER))]
    assert errors[1] < (0.5 if n < 60 else 0.8) * errors[0]


def test_three_are_enough_with_a_prior_only() -> None:
    assert rmse(fit(3, Truth(OTHER))) < 0.25
    with pytest.raises(InvalidArgumentError, match="`subnets` must be at least 5 different ones"):
        fit(3, None)
    with pytest.raises(InvalidArgumentError, match="`subnets` must be at least 3 different ones"):
        fit(2, Truth(OTHER))


@pytest.mark.parametrize(
    "function",
    [
        lambda m: 70 + np.random.default_rng(abs(int(m.sum()))).normal(size=len(m)),
        lambda m: 140 - truth(m),
        lambda m: np.full(len(m), 70.0),
        lambda m: 1e3 * truth(m),
    ],
    ids=["random", "reversed", "constant", "other unit"],
)
def test_a_useless_prior_does_little_harm(function: Callable[[Matrix], Vector]) -> None:
    without, with_prior = fit(40, None), fit(40, Truth(OTHER, function))
    assert rmse(with_prior) < 1.15 * rmse(without)


def test_a_perfect_prior_is_followed() -> None:
    assert rmse(fit(10, Truth(OTHER), truth), truth) < 0.05


def test_published_accuracies_of_another_width(shared_data: Path) -> None:
    published = AccuracyPredictor.load(shared_data / "ofa_mbv3_w1.2_acc_predictor.pth")
    path = shared_data / "ofa_mbv3_w1.0_measured" / "mbnv3w10_evounsga3_acc_macs_params.csv"
    measured = read_measured_subnets(path, SPACE.family)
    matrix, values = SPACE.to_matrix(measured.subnets), measured.top1
    taus = []
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(values))
        few, rest = order[:10], order[10:]
        predictors = [
            AccuracyPredictor.fit(SPACE, matrix[few], values[few], prior=prior)
            for prior in (None, published)
        ]
        taus.append([kendall_tau(p.predict(matrix[rest]), values[rest]) for p in predictors])
    alone, together = np.mean(taus, axis=0)
    assert together > max(alone, kendall_tau(published.predict(matrix), values))


@pytest.mark.parametrize("n", [10, 50])
def test_intervals_cover(n: int) -> None:
    covered = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        matrix = SPACE.sample(n, seed=100 + seed)
        values = top1(matrix) + rng.normal(0, 0.1, n)
        predictor = AccuracyPredictor.fit(SPACE, matrix, values, prior=Truth(OTHER))
        std = predictor.predict_std(TEST)
        assert std is not None
        errors = predictor.predict(TEST) - top1(TEST) - rng.normal(0, 0.1, len(TEST))
        covered.append(np.mean(np.abs(errors) < 1.645 * std))
    assert 0.8 <= np.mean(covered) <= 0.98


def test_the_metadata_say_how_far_the_prior_is_trusted(fitted: AccuracyPredictor) -> None:
    found = fitted.metadata["prior"]
    assert sum(part["share"] for part in found.values()) == pytest.approx(1)
    assert set(found) <= {"offset", "line", "process", "feature", "alone"}
    useless = fit(60, Truth(OTHER, lambda m: np.full(len(m), 70.0)))
    assert "offset" not in useless.metadata["prior"]


def test_predictions_do_not_depend_on_the_batch(fitted: AccuracyPredictor) -> None:
    values, std = fitted.predict(TEST), fitted.predict_std(TEST)
    assert std is not None
    for some in (slice(0, 1), slice(7, 60)):
        np.testing.assert_array_equal(fitted.predict(TEST[some]), values[some])
        np.testing.assert_array_equal(fitted.predict_std(TEST[some]), std[some])


def test_the_local_model_is_exact_at_anchors_and_near_otherwise(fitted: AccuracyPredictor) -> None:
    anchors, children = TEST[:50], TEST[:50].copy()
    children[:, 0] = np.where(children[:, 0] == 224, 192, 224)
    model = fitted.local_model(anchors)
    assert model is not None
    values = model(anchors, np.arange(50))
    np.testing.assert_allclose(values, fitted.predict(anchors), rtol=1e-9)
    errors = model(children, np.arange(50)) - fitted.predict(children)
    assert np.abs(errors).mean() < 0.1 * np.abs(values - fitted.predict(children)).mean()


def test_is_pickled_after_a_search(fitted: AccuracyPredictor) -> None:
    model = fitted.local_model(TEST[:5])
    assert model is not None
    model(TEST[:5], np.arange(5))
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict(TEST), fitted.predict(TEST))


def test_without_a_local_model_of_the_prior_there_is_none() -> None:
    assert fit(10, Truth(OTHER)).local_model(TEST[:3]) is None


# ---------------------------------------------------------------------- resolutions


def test_other_resolutions_are_predicted_from_the_nearest() -> None:
    other = SearchSpace("ofa_mbv3_w1.2", resolution=(160, 224))
    space = SearchSpace("ofa_mbv3_w1.0", resolution=(128, 224))
    rows = space.sample(30, seed=0)
    columns = PriorPredictor(Truth(other), space)(rows)
    near = rows.copy()
    near[:, 0] = np.where(rows[:, 0] == 128, 160, 224)
    np.testing.assert_array_equal(columns[:, 0], truth(near))
    np.testing.assert_allclose(columns[:, 1], np.where(rows[:, 0] == 128, 5 * np.log(128 / 160), 0))


def test_the_effect_of_a_resolution_is_learnt() -> None:
    wide = SearchSpace("ofa_mbv3_w1.0", resolution=(128, 192, 224))
    rows, new = wide.sample(12, seed=0), wide.sample(200, seed=1)

    def of(matrix: Matrix) -> Vector:
        return np.asarray(truth(matrix) + 10 * np.log(matrix[:, 0] / 224))

    predictor = AccuracyPredictor.fit(wide, rows, of(rows), prior=Truth(OTHER))
    errors = predictor.predict(new) - of(new)
    assert np.sqrt(np.mean(errors**2)) < 0.25 * of(new).std()


# ---------------------------------------------------------------------- what is outside


def test_what_the_prior_knows_is_no_extrapolation() -> None:
    few = fit(5, None).extrapolates(TEST)
    assert few.mean() > 0.5
    assert not fit(5, Truth(OTHER)).extrapolates(TEST).any()


def test_what_neither_knows_is_an_extrapolation() -> None:
    low = OTHER.restrict(depth=2)
    matrix = low.sample(100, seed=0)
    deep = TEST[(TEST[:, 1:6] > 2).any(axis=1)]
    prior = AccuracyPredictor.fit(OTHER, matrix, truth(matrix))
    fitted = AccuracyPredictor.fit(SPACE, matrix[:5], top1(matrix[:5]), prior=prior)
    with pytest.warns(ExtrapolationWarning, match="depth = "):
        fitted.predict(deep)
    assert fitted.extrapolates(deep).mean() > 0.9


def test_a_resolution_that_neither_knows_is_an_extrapolation() -> None:
    wide = SearchSpace("ofa_mbv3_w1.0", resolution=(128, 192, 224))
    rows = wide.sample(40, seed=0)
    of_192 = rows[rows[:, 0] == 192]
    predictor = AccuracyPredictor.fit(wide, of_192, top1(of_192), prior=Truth(OTHER))
    np.testing.assert_array_equal(predictor.extrapolates(rows), rows[:, 0] == 128)


# ---------------------------------------------------------------------- files


def test_a_file_holds_the_prior(fitted: AccuracyPredictor, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fitted.json")
    loaded = AccuracyPredictor.load(tmp_path / "fitted.json")
    np.testing.assert_allclose(loaded.predict(TEST), fitted.predict(TEST))
    np.testing.assert_allclose(loaded.predict_std(TEST), fitted.predict_std(TEST))
    assert loaded.metadata == fitted.metadata


def test_a_published_network_is_a_prior_in_a_file(shared_data: Path, tmp_path: Path) -> None:
    published = AccuracyPredictor.load(shared_data / "ofa_mbv3_w1.2_acc_predictor.pth")
    fitted = fit(10, published)
    fitted.save(tmp_path / "fitted.json")
    loaded = AccuracyPredictor.load(tmp_path / "fitted.json")
    np.testing.assert_array_equal(loaded.predict(TEST), fitted.predict(TEST))


def test_priors_of_priors(fitted: AccuracyPredictor, tmp_path: Path) -> None:
    nested = fit(10, fitted)
    nested.save(tmp_path / "nested.json")
    loaded = AccuracyPredictor.load(tmp_path / "nested.json")
    np.testing.assert_allclose(loaded.predict(TEST), nested.predict(TEST))


def test_a_prior_that_has_no_file_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"must be an AccuracyPredictor to be saved .*Tru"
    ):
        fit(10, Truth(OTHER)).save(tmp_path / "fitted.json")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: m.pop("prior"), "`prior` must be a predictor, but is None"),
        (lambda m: m.update(prior=7), "`prior` must be a predictor, but is 7"),
        (lambda m: m["prior"]["choices"].update({"stage1.depth": [2]}), "`prior` must fit|must"),
        (lambda m: m.pop("parts"), "`model` must hold corrected processes"),
        (lambda m: m.update(parts=[]), "`parts` must have shares that add up to 1"),
        (lambda m: m["parts"][0].update(share=7.0), "`share` must be"),
        (lambda m: m["parts"][0].update(share=0.0), "`parts` must have shares that add up to 1"),
        (lambda m: m["parts"][0].update(variant="boosting"), "`variant` must be one of"),
        (lambda m: m["parts"][0].update(process={}), "`matrix` must be an array"),
        (lambda m: m["parts"][0]["process"].update(logs=[0.0]), "`logs` must be"),
    ],
    ids=[
        "no prior", "a number", "choices", "no parts", "none", "share", "sum", "variant",
        "process", "logs",
    ],
)  # fmt: skip
def test_broken_files_are_refused(
    fitted: AccuracyPredictor, tmp_path: Path, change: Callable[[dict[str, Any]], Any], match: str
) -> None:
    fitted.save(tmp_path / "fitted.json")
    data = json.loads((tmp_path / "fitted.json").read_text())
    change(data["model"])
    (tmp_path / "fitted.json").write_text(json.dumps(data))
    with pytest.raises(FormatError, match=match):
        AccuracyPredictor.load(tmp_path / "fitted.json")


def test_a_prior_is_asked_once_for_all_parts() -> None:
    asked = []

    def counted(matrix: Matrix) -> Vector:
        asked.append(len(matrix))
        return truth(matrix)

    nested = fit(20, fit(20, fit(20, Truth(OTHER, counted))))
    assert len(nested.model.parts) > 1  # type: ignore[attr-defined]
    asked.clear()
    nested.predict(TEST)
    assert asked == [len(TEST)]


# ---------------------------------------------------------------------- what is refused


def test_another_metric_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`prior` must predict 'top1', but .* 'n_macs'"):
        fit(10, CostPredictor("n_macs", OTHER))


@pytest.mark.parametrize("family", ["ofa_resnet50", "ofa_proxyless_w1.3", "ofa_mbv3_fashion"])
def test_another_architecture_is_refused(family: str) -> None:
    other = FunctionPredictor("top1", truth, SearchSpace(family), takes="matrix")
    with pytest.raises(FamilyMismatchError, match=f"same architecture .* of {family}, a"):
        fit(10, other)


def test_choices_that_the_prior_lacks_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`prior` must cover .*kernel'.* not \[7\]"):
        fit(10, Truth(OTHER.restrict(kernel=[3, 5])))


def test_a_prior_of_ridge_regression_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`prior` must be None unless model='gaussian"):
        fit(10, Truth(OTHER), model="ridge")


def test_predictions_that_are_not_numbers_are_refused() -> None:
    broken = Truth(OTHER, lambda m: np.full(len(m), np.nan))
    with pytest.raises(PredictionError, match="`prior` must predict 10 finite numbers"):
        fit(10, broken)


def test_a_subnet_outside_of_the_space_is_refused(fitted: AccuracyPredictor) -> None:
    rows = TEST[:2].copy()
    rows[1, 0] = 8000
    with pytest.raises(InvalidSubnetError, match=r"`matrix\[1\]` must have 'resolution'"):
        fitted.predict(rows)
