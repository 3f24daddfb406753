"""The covariance of accuracies: a smooth function plus a linear one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._torch import torch

Array = NDArray[np.float64]

# Starting values of hyper-parameters, in standard deviations of the accuracies.
_START_LENGTH = 5.0  # two subnets differ in about 25 choices
_START_SLOPE = 0.3
_START_NOISE = 0.1
# of the mean variance, so that nearly equal rows leave the matrix invertible
_JITTER = 1e-8


class Rows(NamedTuple):
    """What the covariance of measurements depends on.

    Args:
        features: ``(n, n_features)``, centred.
        shares: ``(n, n_levels)`` of the levels of the noise; they sum to 1.
        counts: ``(n,)`` number of measurements averaged in each value.
    """

    features: Any
    shares: Any
    counts: Any

    def select(self, which: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        return Rows(*(part[which] for part in self))


class Kernel:
    """RBF plus linear covariance of features that come in groups, and noise.

    ``k(a, b) = amplitude^2 exp(-|(a - b) / lengths|^2 / 2) + (slopes a) . (slopes b)``

    Its numbers are arrays of NumPy. A fit, which needs gradients, takes tensors of torch instead.

    Args:
        logs: ``(2 n_groups + 1 + n_levels,)`` logarithms of the length and the slope of each group,
            of the amplitude, and of the standard deviation of the noise at each level.
        groups: ``(n_features,)`` group of each feature.
    """

    def __init__(self, logs: Any, groups: NDArray[np.intp]) -> None:
        n = n_groups(groups)
        self._noise_logs = logs[2 * n + 1 :]
        values = self._of.exp(logs)
        self.lengths: Any = values[:n][groups]
        self.slopes: Any = values[n : 2 * n][groups]
        self.amplitude: Any = values[2 * n]

    @property
    def _of(self) -> Any:
        return np if isinstance(self._noise_logs, np.ndarray) else torch

    def __call__(self, a: Any, b: Any) -> Any:
        """Return the covariances of ``(m, n_features)`` and ``(n, n_features)``, ``(m, n)``."""
        return self.rbf(a, b) + (a * self.slopes) @ (b * self.slopes).T

    def rbf(self, a: Any, b: Any) -> Any:
        """Return the part of the covariances that is not linear."""
        x, y = a / self.lengths, b / self.lengths
        squares = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T
        return self.amplitude**2 * self._of.exp(-0.5 * squares.clip(min=0))

    def variances(self, a: Any) -> Any:
        """Return the diagonal of ``self(a, a)``, ``(m,)``."""
        return self.amplitude**2 + ((a * self.slopes) ** 2).sum(1)

    def noise(self, shares: Any) -> Any:
        """Return the standard deviation of a measurement, ``(m,)``; ``(1,)`` for one level.

        Args:
            shares: ``(m, n_levels)`` of each level, for its logarithm.
        """
        one = len(self._noise_logs) == 1
        return self._of.exp(self._noise_logs if one else shares @ self._noise_logs)

    def factor(self, rows: Rows) -> Any:
        """Return the lower Cholesky factor of the covariance of measurements."""
        a = rows.features
        return self._of.linalg.cholesky(self(a, a) + self._of.diag(self.noise_of(rows)))

    def noise_of(self, rows: Rows) -> Any:
        """Return the variances of measurements that come from noise, ``(n,)``."""
        jitter = _JITTER * self.variances(rows.features).mean()
        return self.noise(rows.shares) ** 2 / rows.counts + jitter


def n_groups(groups: NDArray[np.intp]) -> int:
    """Return the number of groups."""
    return int(groups.max()) + 1


def start_logs(groups: NDArray[np.intp]) -> Array:
    """Return hyper-parameters that suit standardised accuracies before any measurement."""
    n = n_groups(groups)
    return np.log([_START_LENGTH] * n + [_START_SLOPE] * n + [1.0, _START_NOISE])


# Standard deviation of the logarithms around their start: a factor of e either way is usual.
# A wider prior changes nothing within the range of the measured accuracies, but with few rows
# (200) it sometimes gives lengths that are useless above it.
_PRIOR_STD = 1.0


class HyperPrior(NamedTuple):
    """A log-normal distribution of the hyper-parameters before any measurement.

    Args:
        logs: ``(2 n_groups + 2,)`` its medians, as in `Kernel`; that of the noise is of all levels.
        std: ``(2 n_groups + 2,)`` standard deviations of the logarithms; 0 where one is fixed.
    """

    logs: Array
    std: Array

    @classmethod
    def usual(cls, groups: NDArray[np.intp]) -> HyperPrior:
        """Return the one for accuracies of which nothing is expected."""
        logs = start_logs(groups)
        return cls(logs, np.full_like(logs, _PRIOR_STD))


# range of a line search: a factor of 150, where the matrix can still be inverted
_LIMIT = 5.0
_MAX_STEPS = 60


# Correlation of the logarithms of the noise at two levels, so that it is known roughly where
# nothing was measured.
_ALIKE = 0.5


def fit_logs(
    rows: Rows, targets: Array, groups: NDArray[np.intp], prior: HyperPrior | None = None
) -> Array:
    """Return the most probable logarithms of `Kernel`, by L-BFGS.

    The prior matters where the data carry little information.

    Args:
        rows: The measured rows.
        targets: ``(n,)`` of mean 0 and variance 1.
        groups: ``(n_features,)`` group of each feature.
        prior: Distribution of the hyper-parameters; None takes the usual one.
    """
    n_levels = rows.shares.shape[1]
    start, std = (
        torch.from_numpy(np.append(part, np.repeat(part[-1:], n_levels - 1)))
        for part in prior or HyperPrior.usual(groups)
    )
    known = Rows(*map(_tensor, rows))
    values = _tensor(targets)[:, None]
    free = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [free],
        max_iter=_MAX_STEPS,
        tolerance_grad=1e-2,
        tolerance_change=1e-4,
        line_search_fn="strong_wolfe",
    )
    mixing = _mixing(n_levels)

    def logs() -> torch.Tensor:
        moves = _LIMIT * torch.tanh(free / _LIMIT)
        if n_levels > 1:
            moves = torch.cat([moves[:-n_levels], mixing @ moves[-n_levels:]])
        return start + std * moves

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        factor = Kernel(logs(), groups).factor(known)
        white: torch.Tensor = torch.linalg.solve_triangular(factor, values, upper=False)
        likelihood: torch.Tensor = -0.5 * white.square().sum() - factor.diagonal().log().sum()
        loss = -likelihood + 0.5 * free.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    found: Array = logs().detach().numpy()
    return found


def _tensor(values: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values))


def _mixing(n_levels: int) -> torch.Tensor:
    """Return the root of the correlations of the noise at all levels."""
    correlations = torch.full((n_levels, n_levels), _ALIKE, dtype=torch.float64)
    root: torch.Tensor = torch.linalg.cholesky(correlations.fill_diagonal_(1))
    return root
