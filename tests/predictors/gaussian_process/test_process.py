"""A Gaussian process on measured subnets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import AccuracyPredictor, kendall_tau
from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.predictors.gaussian_process import _process, _settings
from optuna_ofa.predictors.gaussian_process._kernel import Kernel, Rows, fit_logs
from optuna_ofa.space import SearchSpace, read_measured_subnets

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
MATRIX = SPACE.sample(120, seed=0)
OTHERS = SPACE.sample(400, seed=1)


def top1_of(matrix: NDArray[np.int16]) -> NDArray[np.float64]:
    """An accuracy that depends on everything, with diminishing returns."""
    x = Thermometer(SPACE)(matrix).sum(axis=1)
    return np.asarray(70 + 8 * np.tanh(x / 50) + 0.3 * np.sin(x))


def noisy(matrix: NDArray[np.int16], seed: int = 0) -> NDArray[np.float64]:
    return top1_of(matrix) + np.random.default_rng(seed).normal(0, 0.05, len(matrix))


@pytest.fixture(scope="module")
def fitted() -> AccuracyPredictor:
    return AccuracyPredictor.fit(SPACE, MATRIX, noisy(MATRIX))


def dense(
    process: Any, top1: NDArray[np.float64], matrix: NDArray[np.int16]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation by the formulas of the textbook, with an inverse."""
    rows = np.unique(MATRIX, axis=0)
    kernel, n = process._posterior.kernel, len(rows)
    features = Thermometer(SPACE)(rows)
    a, b = features - features.mean(axis=0), Thermometer(SPACE)(matrix) - features.mean(axis=0)

    def covariance(x: Any, y: Any) -> NDArray[np.float64]:
        return np.array(
            [
                [
                    float(kernel.amplitude) ** 2
                    * np.exp(-0.5 * np.sum(((u - v) / kernel.lengths) ** 2))
                    + np.sum(u * v * kernel.slopes**2)
                    for v in y
                ]
                for u in x
            ]
        )

    among, noise = covariance(a, a), kernel.noise(np.ones((1, 1))).item() ** 2
    inverse = np.linalg.inv(among + (noise + 1e-8 * np.trace(among) / n) * np.eye(n))
    cross, level, scale = covariance(b, a), top1.mean(), top1.std()
    mean = level + scale * cross @ inverse @ ((top1 - level) / scale)
    own = np.array([covariance([v], [v])[0, 0] for v in b])
    variance = own - np.einsum("ij,jk,ik->i", cross, inverse, cross) + noise
    return mean, scale * np.sqrt(variance)


def test_is_the_posterior_of_the_textbook(fitted: AccuracyPredictor) -> None:
    first = np.unique(MATRIX, axis=0, return_index=True)[1]
    mean, std = dense(fitted.model, noisy(MATRIX)[first], OTHERS[:20])
    np.testing.assert_allclose(fitted.predict(OTHERS[:20]), mean, atol=1e-6)
    np.testing.assert_allclose(fitted.model.predict_std(OTHERS[:20]), std, rtol=1e-5)


def test_hyper_parameters_are_at_the_optimum() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 6))
    groups = np.array([0, 0, 0, 0, 1, 1])
    targets = rng.normal(size=60) + features[:, 0] + np.sin(features[:, 4])
    targets = (targets - targets.mean()) / targets.std()
    ones = np.ones(60)
    logs = fit_logs(Rows(features, ones[:, None], ones), targets, groups)

    def evidence(at: NDArray[np.float64]) -> float:
        kernel = Kernel(at, groups)
        covariance = kernel(features, features) + kernel.noise(ones[:, None]) ** 2 * np.eye(60)
        normal = torch.distributions.MultivariateNormal(
            torch.zeros(60).double(), torch.from_numpy(covariance)
        )
        return float(normal.log_prob(torch.from_numpy(targets)))

    best = evidence(logs)
    for i in range(len(logs)):
        for step in (-0.7, 0.7):
            moved = logs.copy()
            moved[i] += step
            assert evidence(moved) < best + 0.5  # the prior moves the optimum a little


def test_follows_what_is_not_linear(fitted: AccuracyPredictor) -> None:
    ridge = AccuracyPredictor.fit(SPACE, MATRIX, noisy(MATRIX), model="ridge")

    def error(predictor: AccuracyPredictor) -> float:
        return float(np.sqrt(np.mean((predictor.predict(OTHERS) - top1_of(OTHERS)) ** 2)))

    assert error(fitted) < error(ridge)


@pytest.mark.parametrize("size", [1, 7, 127, 128, 129, 399])
def test_same_bits_in_any_batch_and_place(fitted: AccuracyPredictor, size: int) -> None:
    together = fitted.predict(OTHERS)
    for start in (0, 1, 400 - size):
        part = slice(start, start + size)
        np.testing.assert_array_equal(fitted.predict(OTHERS[part]), together[part])
    np.testing.assert_array_equal(fitted.predict(OTHERS[::-1]), together[::-1])


def test_same_bits_with_any_number_of_threads(fitted: AccuracyPredictor) -> None:
    n_threads = torch.get_num_threads()
    predicted = []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            predicted.append(fitted.predict(np.tile(OTHERS, (4, 1))))
    finally:
        torch.set_num_threads(n_threads)
    np.testing.assert_array_equal(*predicted)


def test_tangents_have_the_slopes_of_the_mean(fitted: AccuracyPredictor) -> None:
    process: Any = fitted.model
    x, y = (process._inputs(rows) for rows in (MATRIX[:48], OTHERS[:48]))
    step = 1e-4 * (y - x)
    means = process._posterior.means
    slopes = process._scale * (means(x + step) - means(x - step)) / 2e-4
    model = fitted.local_model(MATRIX[:48])
    assert model is not None
    expected = fitted.predict(MATRIX[:48]) + slopes
    np.testing.assert_allclose(model(OTHERS[:48], np.arange(48)), expected, atol=1e-5)


def test_tangents_are_better_near_than_far(fitted: AccuracyPredictor) -> None:
    anchors = OTHERS[:200]
    near = anchors.copy()
    column = [gene.name for gene in SPACE.genes].index("stage3.block1.kernel")
    near[:, column] = np.where(anchors[:, column] == 3, 5, 3)
    model = fitted.local_model(anchors)
    assert model is not None

    def error(rows: NDArray[np.int16]) -> float:
        return float(np.abs(model(rows, np.arange(200)) - fitted.predict(rows)).mean())

    assert error(near) < 0.3 * error(OTHERS[200:])


def test_repeats_make_certain() -> None:
    values = noisy(MATRIX)
    once = AccuracyPredictor.fit(SPACE, MATRIX, values)
    many = AccuracyPredictor.fit(SPACE, np.tile(MATRIX, (9, 1)), np.tile(values, 9))
    ours, theirs = (p.predict(MATRIX) - values for p in (many, once))
    assert np.abs(ours).mean() < np.abs(theirs).mean()


def test_standard_deviation_grows_away_from_the_data() -> None:
    near = SPACE.restrict(depth=2, kernel=3)
    far = SPACE.restrict(depth=4, kernel=7)
    predictor = AccuracyPredictor.fit(
        SPACE, near.sample(200, seed=3), noisy(near.sample(200, seed=3))
    )
    std_near = predictor.predict_std(near.sample(50, seed=4))
    std_far = predictor.predict_std(far.sample(50, seed=4))
    assert std_near is not None
    assert std_far is not None
    assert std_far.min() > 2 * std_near.max()


def test_is_the_same_whatever_the_order_of_the_rows(fitted: AccuracyPredictor) -> None:
    order = np.random.default_rng(0).permutation(len(MATRIX))
    again = AccuracyPredictor.fit(SPACE, MATRIX[order], noisy(MATRIX)[order])
    np.testing.assert_array_equal(again.predict(OTHERS), fitted.predict(OTHERS))


def test_hyper_parameters_are_fitted_to_some_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = AccuracyPredictor.fit(SPACE, OTHERS, noisy(OTHERS))
    monkeypatch.setattr(_settings, "MAX_TUNING_ROWS", 100)
    part = AccuracyPredictor.fit(SPACE, OTHERS, noisy(OTHERS))
    test = SPACE.sample(200, seed=5)
    errors = [np.abs(p.predict(test) - top1_of(test)).mean() for p in (whole, part)]
    assert not np.array_equal(whole.model.to_dict()["logs"], part.model.to_dict()["logs"])
    assert errors[1] < 2 * errors[0]


def test_more_rows_than_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_process, "_MAX_ROWS", 100)
    with pytest.raises(InvalidArgumentError, match=r"at most 100 different .* got 120; use model="):
        AccuracyPredictor.fit(SPACE, MATRIX, noisy(MATRIX))


@pytest.mark.parametrize("spread", [1e-6, 1e-2, 10.0])
def test_noise_alone_is_predicted_by_its_mean(spread: float) -> None:
    values = 50 + np.random.default_rng(1).normal(0, spread, len(MATRIX))
    predicted = AccuracyPredictor.fit(SPACE, MATRIX, values).predict(OTHERS)
    assert np.abs(predicted - values.mean()).max() < 2 * spread


@pytest.mark.parametrize("outlier", [0.0, 100.0])
def test_an_outlier_leaves_the_others(outlier: float) -> None:
    values = noisy(MATRIX)
    values[7] = outlier
    predicted = AccuracyPredictor.fit(SPACE, MATRIX, values).predict(OTHERS)
    assert np.abs(predicted - top1_of(OTHERS)).mean() < 3


def test_a_search_runs_on_it(fitted: AccuracyPredictor) -> None:
    study = optuna_ofa.study(SPACE, accuracy=fitted, seed=0)
    study.search(n_trials=400)
    front = study.front()
    matrix = SPACE.to_matrix([point.subnet for point in front])
    std = fitted.predict_std(matrix)
    assert std is not None
    assert [point.values["top1"] for point in front] == fitted.predict(matrix).tolist()
    assert [point.std["top1"] for point in front] == pytest.approx(std)
    assert front[-1].values["top1"] > fitted.predict(OTHERS).max()


# ---------------------------------------------------------------------- published measurements


@pytest.fixture(scope="module")
def measured(shared_data: Path) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Different subnets and their mean accuracies."""
    folder = shared_data / "ofa_mbv3_w1.0_measured"
    tables = [read_measured_subnets(path, SPACE.family) for path in sorted(folder.glob("*.csv"))]
    matrix = np.concatenate([SPACE.to_matrix(table.subnets) for table in tables])
    unique, group = np.unique(matrix, axis=0, return_inverse=True)
    top1 = np.concatenate([table.top1 for table in tables])
    return unique, np.bincount(group.ravel(), top1) / np.bincount(group.ravel())


@pytest.mark.parametrize(("n", "tau", "rmse"), [(100, 0.89, 0.19), (200, 0.93, 0.11)])
def test_measured_subnets_are_predicted(
    measured: tuple[NDArray[np.int16], NDArray[np.float64]], n: int, tau: float, rmse: float
) -> None:
    matrix, top1 = measured
    order = np.random.default_rng(0).permutation(len(top1))
    train, test = order[:n], order[n:]
    predictor = AccuracyPredictor.fit(SPACE, matrix[train], top1[train])
    predicted, std = predictor.predict(matrix[test]), predictor.predict_std(matrix[test])
    assert std is not None
    assert kendall_tau(predicted, top1[test]) > tau
    assert np.sqrt(np.mean((predicted - top1[test]) ** 2)) < rmse
    assert 0.8 < np.mean(np.abs(predicted - top1[test]) < 1.645 * std) < 0.97
