"""Accuracies on all images, estimated from the answers on some of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.evaluation._sampling import Sampling

Array = NDArray[np.float64]

# variance around the curve, as a multiple of the variance of the errors
_LEAST_SPREAD = 4


class Estimate(NamedTuple):
    """Accuracies of subnets on all images, as far as the images so far tell.

    Args:
        top1: ``(m,)`` in percent.
        covariance: ``(m, m)`` of their errors, in points squared; 0 for subnets that were
            evaluated on all images.
    """

    top1: Array
    covariance: Array

    @property
    def std(self) -> Array:
        """``(m,)`` standard errors in points."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    def gaps(self) -> tuple[Array, Array]:
        """Return by how much each is better than each, ``(m, m)``, and the standard errors."""
        own = np.diag(self.covariance)
        variance = own[:, None] + own[None] - 2 * self.covariance
        return self.top1[:, None] - self.top1[None], np.sqrt(np.maximum(variance, 0.0))


def estimate(right: NDArray[np.bool_], sampling: Sampling, complete: Array) -> Estimate:
    """Estimate accuracies on all images.

    The sums of a sample with known probabilities (Horvitz and Thompson 1952) have errors that are
    correlated, because all subnets see the same images. Those of the subnets that were evaluated
    on all images are known, and errors of the others are predicted from them (the regression
    estimator of survey sampling, with several auxiliary variables). To the variances is added what
    is expected from images on which subnets differ too rarely for a sample to show it.

    Args:
        right: ``(m, n)`` which of the first ``n`` images of the sampling each was right on.
        sampling: The order of all images.
        complete: ``(m,)`` accuracies on all images in percent, NaN where they are not known.
    """
    n = right.shape[1]
    chances = sampling.probabilities(n)[:n]
    answers, scale = right.astype(np.float64), 100 / len(sampling)
    top1 = scale * (answers @ (1 / chances))
    covariance = scale**2 * ((answers * ((1 - chances) / chances**2)) @ answers.T)
    unseen = scale**2 * sampling.unseen_variance(n)
    known = np.flatnonzero(~np.isnan(complete))
    if len(known):
        own = covariance[np.ix_(known, known)]
        gain = covariance[:, known] @ np.linalg.pinv(own, rcond=1e-6, hermitian=True)
        top1 = top1 + gain @ (complete[known] - top1[known])
        covariance = covariance - gain @ covariance[known]
    covariance = (covariance + covariance.T) / 2 + unseen * np.eye(len(top1))
    top1[known], covariance[known], covariance[:, known] = complete[known], 0.0, 0.0
    return Estimate(top1, covariance)


def shrunk(found: Estimate, costs: Array) -> Estimate:
    """Return the estimate, given that accuracies scatter around a curve of the costs.

    Without it the best of many estimates would be too good on average. The curve is a parabola of
    the ranks of the costs, the variance around it is that of the estimates less that of their
    errors (empirical Bayes), but at least four times the latter, because the best subnets are not
    as close to the curve as the others.

    Args:
        found: Estimated accuracies.
        costs: ``(m, k)``.
    """
    m = len(found.top1)
    ranks = np.argsort(np.argsort(costs, axis=0, kind="stable"), axis=0) / max(m - 1, 1)
    terms = np.column_stack([np.ones(m), ranks, ranks**2])
    hat = terms @ np.linalg.pinv(terms)
    left = np.eye(m) - hat
    residuals = left @ found.top1
    noise = float(np.trace(left @ found.covariance @ left))
    freedom = max(float(np.trace(left)), 1.0)
    spread = float(residuals @ residuals) - noise
    variance = max(spread, _LEAST_SPREAD * noise, 1e-9) / freedom
    gain = variance * np.linalg.inv(variance * np.eye(m) + found.covariance)
    covariance = variance * (np.eye(m) - gain)
    return Estimate(found.top1 - residuals + gain @ residuals, (covariance + covariance.T) / 2)
