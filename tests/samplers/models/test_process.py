"""Gaussian processes of few measurements."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.predictors import MeasuredRows, averaged
from optuna_ofa.samplers.models._descent import minimum
from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.samplers.models._kernel import Settings, _Loss
from optuna_ofa.samplers.models._process import Process
from optuna_ofa.space import Matrix, SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0", resolution=224)
FEATURES = RowFeatures(SPACE)


def of(matrix: Matrix) -> np.ndarray:
    return (matrix == 7).sum(axis=1) - 0.1 * (matrix == 6).sum(axis=1) ** 2


def measured(n: int) -> MeasuredRows:
    matrix = SPACE.sample(n, seed=0)
    return averaged(matrix, of(matrix))


def loss_of(rows: MeasuredRows, counts: np.ndarray) -> _Loss:
    columns, targets = FEATURES(rows.matrix), rows.top1
    return _Loss(
        columns - columns.mean(axis=0),
        FEATURES.groups,
        (targets - targets.mean()) / targets.std(),
        counts,
        Settings.before(FEATURES.scales),
    )


def process_of(rows: MeasuredRows, settings: Settings | None = None) -> Process:
    return Process(
        FEATURES(rows.matrix),
        rows.top1,
        rows.counts.astype(float),
        groups=FEATURES.groups,
        scale=float(rows.top1.std()),
        before=Settings.before(FEATURES.scales),
        settings=settings,
        seed=0,
    )


def test_a_minimum_is_found_within_bounds() -> None:
    def bowl(x: np.ndarray) -> tuple[float, np.ndarray]:
        weights, centre = np.array([1.0, 30.0, 0.2]), np.array([1.0, -2.0, 9.0])
        return float(weights @ (x - centre) ** 2), 2 * weights * (x - centre)

    assert minimum(bowl, np.zeros(3), 4.0) == pytest.approx([1, -2, 4], abs=0.05)


def test_the_gradient_is_that_of_the_loss() -> None:
    loss = loss_of(measured(12), np.array([1.0, 2, 3] * 4))
    at = np.random.default_rng(0).normal(size=2 * len(FEATURES.scales) + 2) / 2
    steps = 1e-5 * np.eye(len(at))
    slopes = [(loss(at + step)[0] - loss(at - step)[0]) / 2e-5 for step in steps]
    np.testing.assert_allclose(loss(at)[1], slopes, rtol=1e-5, atol=1e-6)


def test_hyper_parameters_become_more_probable() -> None:
    rows = measured(40)
    before = Settings.before(FEATURES.scales)
    found = process_of(rows).settings
    loss = loss_of(rows, np.ones(40))
    assert loss(found.logs - before.logs)[0] < loss(np.zeros(len(before.logs)))[0] - 1


def test_estimates_pass_through_what_was_measured_and_are_sure_there() -> None:
    rows = measured(60)
    process = process_of(rows)
    mean, std = process.estimate(FEATURES(rows.matrix))
    new_mean, new_std = process.estimate(FEATURES(SPACE.sample(200, seed=1)))
    assert np.abs(mean - rows.top1).mean() < 0.1 * rows.top1.std()
    assert std.mean() < 0.7 * new_std.mean()
    errors = new_mean - of(SPACE.sample(200, seed=1))
    assert errors.std() < 0.6 * rows.top1.std()
    assert (np.abs(errors) < 2 * new_std).mean() > 0.8


def test_repeated_measurements_count_for_more() -> None:
    rows = measured(30)
    settings = Settings.before(FEATURES.scales)
    settings.noise = 1.0
    stds = [
        process_of(rows._replace(counts=np.full(30, n)), settings).estimate(FEATURES(rows.matrix))[
            1
        ]
        for n in (1, 10)
    ]
    assert (stds[1] < stds[0]).all()


def test_a_batch_is_estimated_as_row_by_row() -> None:
    process = process_of(measured(30))
    columns = FEATURES(SPACE.sample(20, seed=1))
    one_by_one = [process.estimate(row[None]) for row in columns]
    np.testing.assert_allclose(
        process.estimate(columns), np.array(one_by_one)[:, :, 0].T, rtol=1e-9
    )
