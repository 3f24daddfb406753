"""Least squares from sums over batches, so that no activations have to be kept."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

# weight of the ridge, relative to the mean variance of the features
RIDGE = 1e-4
# of sums in float32, relative to the mean square of the features
ROUNDING = 1e-6


class Normal(NamedTuple):
    """The normal equations of a linear fit of targets to features, both with mean 0.

    The ridge draws the solution towards given weights rather than 0, so that features without
    variance keep them.

    Args:
        gram: Covariances of the features plus the ridge, ``(features, features)``.
        cross: Their covariances with the targets plus the ridge times the given weights,
            ``(features, targets)``.
    """

    gram: Tensor
    cross: Tensor

    def reordered(self, order: Tensor) -> Normal:
        """Return the equations of the features in another order."""
        return Normal(self.gram[order][:, order], self.cross[order])

    def solution(self, n: int) -> Tensor:
        """Return the weights of a fit to the first ``n`` features alone, ``(n, targets)``."""
        factor = torch.linalg.cholesky(self.gram[:n, :n])
        return torch.cholesky_solve(self.cross[:n], factor)


class Moments:
    """Sums and products of features and targets, added up batch by batch in float64."""

    def __init__(self) -> None:
        self._n = 0
        self._sums: tuple[Tensor, ...] = ()

    def add(self, features: Tensor, targets: Tensor) -> None:
        """Add samples: ``(samples, features)`` and ``(samples, targets)``."""
        new: tuple[Tensor, ...] = (
            features.T @ features,
            features.T @ targets,
            features.sum(0, dtype=torch.float64),
            targets.sum(0, dtype=torch.float64),
        )
        new = tuple(tensor.double() for tensor in new)
        old = self._sums or tuple(map(torch.zeros_like, new))
        self._sums = tuple(a + b for a, b in zip(old, new, strict=True))
        self._n += len(features)

    def normal(self, weights: Tensor) -> Normal:
        """Return the normal equations; ``weights`` as in `Normal`, ``(features, targets)``."""
        gram, cross, features, targets = (tensor / self._n for tensor in self._sums)
        # the second part is more than rounding where no feature varies
        rounding = ROUNDING * float(gram.diagonal().mean()) + torch.finfo(torch.float32).tiny
        gram = gram - torch.outer(features, features)
        cross = cross - torch.outer(features, targets)
        ridge = RIDGE * max(float(gram.diagonal().mean()), 0.0) + rounding
        gram.diagonal().add_(ridge)
        # sums in float32 may be worse than that where means are far larger than deviations
        while math.isfinite(ridge) and int(torch.linalg.cholesky_ex(gram).info):
            gram.diagonal().add_(ridge)
            ridge *= 2
        return Normal(gram, cross + ridge * weights.double())
