"""The penalty of a ridge with relative errors."""

from __future__ import annotations

import numpy as np

from optuna_ofa.predictors.latency._ridge import _PENALTIES, fit_relative_ridge


def test_the_penalty_has_the_lowest_error_on_rows_that_are_left_out() -> None:
    chosen = []
    for noise in (0.001, 0.1, 0.5):
        rng = np.random.default_rng(1)
        features = np.hstack([np.ones((30, 1)), rng.uniform(0.5, 2.0, (30, 9))])
        targets = features @ rng.uniform(0.1, 1.0, 10) * np.exp(noise * rng.normal(size=30))
        rows = features / (features.mean(axis=0) / targets.mean()) / targets[:, None]
        free = np.arange(10) == 0
        errors = []
        for penalty in _PENALTIES:
            ridge = np.diag(np.where(free, 1e-9, penalty) * len(rows))
            left_out = []
            for i in range(len(rows)):
                others = np.delete(rows, i, axis=0)
                weights = np.linalg.solve(others.T @ others + ridge, others.sum(axis=0))
                left_out.append(1 - rows[i] @ weights)
            errors.append(np.mean(np.square(left_out)))
        chosen.append(fit_relative_ridge(features, targets, free.tolist()).penalty)
        assert chosen[-1] == _PENALTIES[int(np.argmin(errors))]
    assert len(set(chosen)) == len(chosen)
