"""Regression of positive numbers on amounts whose prices are not negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors.latency._ridge import RelativeRidge

Array = NDArray[np.float64]
# The penalties that a fit chooses from by default; for features of unit scale.
_PENALTIES = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# keeps the equations solvable if features are linearly dependent
_LEAST_PENALTY = 1e-9
_MOST_LEVERAGE = 1 - 1e-3
# keeps the spread of models finite where all fit exactly
_LEAST_NOISE = 1e-4


class NonNegative(NamedTuple):
    """A fitted model ``y = x @ weights``, whose weights are 0 or positive.

    Args:
        weights: ``(n_features,)``.
        noise: Relative standard deviation of the residuals.
        covariance: ``(n_features, n_features)``; 0 for weights that are 0.
        penalty: The penalty of the fit.
        errors: ``(n,)`` relative errors, predicted / y - 1, of each row with that row left out.
    """

    weights: Array
    noise: float
    covariance: Array
    penalty: float
    errors: Array

    @property
    def model(self) -> RelativeRidge:
        """The model alone, which predicts."""
        return RelativeRidge(self.weights, self.noise, self.covariance, self.penalty)


def fit_nonnegative(
    features: Array,
    targets: Array,
    *,
    prior: Array | None = None,
    penalty: float | None = None,
    strength: Array | None = None,
    certainty: Array | None = None,
) -> NonNegative:
    """Minimise the squared relative errors, with a penalty on the distance from prior weights.

    Features are scaled to a mean of 1 first, so that the penalty is on what a feature adds to the
    target. There may be fewer rows than features, and constant or zero columns.

    Args:
        features: ``(n, n_features)`` numbers of at least 0.
        targets: ``(n,)`` positive numbers.
        prior: ``(n_features,)`` weights towards which the penalty pulls, None for 0.
        penalty: None takes the one with the lowest leave-one-out error.
        strength: ``(n_features,)`` factors of the penalty, None for 1.
        certainty: ``(n,)`` factors of the errors of the rows, above 0, None for 1.
    """
    sure = np.ones(len(features)) if certainty is None else certainty
    fits = _fits(features, targets, prior, penalty, strength, sure)
    return min(fits, key=lambda fit: _mean_square(fit, sure))


def averaged_nonnegative(
    features: Array,
    targets: Array,
    merges: Sequence[Array],
    *,
    penalty: float | None = None,
    strength: Array | None = None,
    certainty: Array | None = None,
) -> NonNegative:
    """Average models with more and with fewer prices, and of all penalties.

    Few rows do not tell which model is best, and the average errs less than the choice. A model
    counts by the density that it gives to left-out rows, as in stacking of predictive
    distributions (Yao, Vehtari, Simpson and Gelman, Bayesian Analysis 13, 2018, pseudo-BMA).

    Args:
        features: As in `fit_nonnegative`, as are the others.
        targets: ``(n,)``.
        merges: For each model ``(n_features, k)`` zeros and ones: which features have a price in
            common, and which have none.
        penalty: None averages over all of them.
        strength: ``(n_features,)``.
        certainty: ``(n,)``.
    """
    sure = np.ones(len(features)) if certainty is None else certainty
    fits: list[NonNegative] = []
    for merge in merges:
        pull = None if strength is None else (strength[:, None] * merge).max(axis=0)
        fits += [
            fit._replace(weights=merge @ fit.weights, covariance=merge @ fit.covariance @ merge.T)
            for fit in _fits(features @ merge, targets, None, penalty, pull, sure)
        ]
    errors = np.array([_mean_square(fit, sure) for fit in fits])
    share = (errors.min() / errors) ** (len(targets) / 2) if errors.min() > 0 else errors == 0
    share = share / share.sum()
    best = fits[int(np.argmin(errors))]
    weights = share @ np.array([fit.weights for fit in fits])
    apart = np.array([fit.weights for fit in fits]) - weights
    noise = float(share @ np.array([fit.noise for fit in fits]))
    between = np.einsum("i,ij,ik->jk", share, apart, apart) / max(noise, _LEAST_NOISE) ** 2
    within = np.einsum("i,ijk->jk", share, np.array([fit.covariance for fit in fits]))
    left_out = share @ np.array([fit.errors for fit in fits])
    return NonNegative(weights, noise, within + between, best.penalty, left_out)


def _mean_square(fit: NonNegative, sure: Array) -> float:
    return float(np.mean((fit.errors * sure) ** 2))


def _fits(
    features: Array,
    targets: Array,
    prior: Array | None,
    penalty: float | None,
    strength: Array | None,
    sure: Array,
) -> list[NonNegative]:
    """Return the fit with each penalty."""
    n, n_features = features.shape
    scale = np.abs(features).mean(axis=0) / targets.mean()
    scale[scale == 0] = 1.0
    rows = features / scale / (targets / sure)[:, None]
    centre = np.zeros(n_features) if prior is None else prior * scale
    pull = np.ones(n_features) if strength is None else strength
    fits = [
        _fit(rows, sure, centre, np.maximum(p * pull, _LEAST_PENALTY) * n, p)
        for p in (_PENALTIES if penalty is None else (penalty,))
    ]
    return [
        fit._replace(
            weights=fit.weights / scale, covariance=fit.covariance / np.outer(scale, scale)
        )
        for fit in fits
    ]


def _fit(rows: Array, sure: Array, centre: Array, diagonal: Array, penalty: float) -> NonNegative:
    gram = rows.T @ rows + np.diag(diagonal)
    weights, active = nonnegative_solution(gram, rows.T @ sure + diagonal * centre)
    inverse = np.zeros_like(gram)
    inverse[np.ix_(active, active)] = np.linalg.inv(gram[np.ix_(active, active)])
    leverage = np.einsum("ij,jk,ik->i", rows, inverse, rows)
    residuals = rows @ weights - sure
    freedom = max(len(rows) - float(leverage.sum()), 1.0)
    noise = float(np.sqrt(residuals @ residuals / freedom))
    errors = residuals / (1 - np.minimum(leverage, _MOST_LEVERAGE)) / sure
    return NonNegative(weights, noise, inverse, penalty, errors)


def nonnegative_solution(gram: Array, moments: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return the ``w >= 0`` that minimises ``w G w / 2 - m w``, and which weights are positive.

    The active-set method of Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23)
    on the normal equations.

    Args:
        gram: ``(k, k)``, positive definite.
        moments: ``(k,)``.
    """
    k = len(moments)
    weights, active = np.zeros(k), np.zeros(k, dtype=bool)
    tolerance = 1e-10 * max(float(np.abs(moments).max(initial=0)), 1e-300)
    for _ in range(5 * k):
        slopes = np.where(active, -np.inf, moments - gram @ weights)
        if slopes.max(initial=-np.inf) <= tolerance:
            break
        active[np.argmax(slopes)] = True
        while active.any():
            goal = np.zeros(k)
            goal[active] = np.linalg.solve(gram[np.ix_(active, active)], moments[active])
            low = active & (goal <= 0)
            if not low.any():
                weights = goal
                break
            steps = weights[low] / np.maximum(weights[low] - goal[low], 1e-300)
            weights = weights + steps.min() * (goal - weights)
            active &= weights > 1e-14
            weights[~active] = 0.0
    return weights, active
