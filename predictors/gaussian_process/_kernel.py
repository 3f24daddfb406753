"""The covariance of accuracies: a smooth function plus a linear one."""

from __future__ import annotations

from typing import NamedTuple

from optuna_ofa._torch import torch

# Starting values of hyper-parameters, in standard deviations of the accuracies.
_START_LENGTH = 5.0  # two subnets differ in about 25 choices
_START_SLOPE = 0.3
_START_NOISE = 0.1
# of the mean variance, so that nearly equal rows leave the matrix invertible
_JITTER = 1e-8


class Kernel:
    """RBF plus linear covariance of features that come in groups, and noise.

    ``k(a, b) = amplitude^2 exp(-|(a - b) / lengths|^2 / 2) + (slopes a) . (slopes b)``

    Args:
        logs: ``(2 n_groups + 2,)`` logarithms of the length and the slope of each group, of the
            amplitude, and of the standard deviation of the noise.
        groups: ``(n_features,)`` group of each feature.
    """

    def __init__(self, logs: torch.Tensor, groups: torch.Tensor) -> None:
        n = n_groups(groups)
        values = logs.exp()
        self.lengths, self.slopes = values[:n][groups], values[n : 2 * n][groups]
        self.amplitude, self.noise = values[2 * n], values[2 * n + 1]

    def __call__(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Return the covariances of ``(m, n_features)`` and ``(n, n_features)``, ``(m, n)``."""
        x, y = a / self.lengths, b / self.lengths
        squares = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T
        rbf = self.amplitude.square() * torch.exp(-0.5 * squares.clamp_min(0))
        return rbf + (a * self.slopes) @ (b * self.slopes).T

    def variances(self, a: torch.Tensor) -> torch.Tensor:
        """Return the diagonal of ``self(a, a)``, ``(m,)``."""
        return self.amplitude.square() + (a * self.slopes).square().sum(1)

    def factor(self, a: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """Return the lower Cholesky factor of the covariance of measurements.

        Args:
            a: ``(n, n_features)``.
            counts: ``(n,)`` number of measurements averaged in each value.
        """
        jitter = _JITTER * self.variances(a).mean()
        covariance = self(a, a) + torch.diag(self.noise.square() / counts + jitter)
        factor: torch.Tensor = torch.linalg.cholesky(covariance)
        return factor


def n_groups(groups: torch.Tensor) -> int:
    """Return the number of groups."""
    return int(groups.max()) + 1


def start_logs(groups: torch.Tensor) -> torch.Tensor:
    """Return hyper-parameters that suit standardised accuracies before any measurement."""
    n = n_groups(groups)
    values = [_START_LENGTH] * n + [_START_SLOPE] * n + [1.0, _START_NOISE]
    return torch.tensor(values, dtype=torch.float64).log()


# Standard deviation of the logarithms around their start: a factor of e either way is usual.
# A wider prior changes nothing within the range of the measured accuracies, but with few rows
# (200) it sometimes gives lengths that are useless above it.
_PRIOR_STD = 1.0


class HyperPrior(NamedTuple):
    """A log-normal distribution of the hyper-parameters before any measurement.

    Args:
        logs: ``(2 n_groups + 2,)`` its medians, as in `Kernel`.
        std: ``(2 n_groups + 2,)`` standard deviations of the logarithms; 0 where one is fixed.
    """

    logs: torch.Tensor
    std: torch.Tensor

    @classmethod
    def usual(cls, groups: torch.Tensor) -> HyperPrior:
        """Return the one for accuracies of which nothing is expected."""
        logs = start_logs(groups)
        return cls(logs, torch.full_like(logs, _PRIOR_STD))


# range of a line search: a factor of 150, where the matrix can still be inverted
_LIMIT = 5.0
_MAX_STEPS = 60


def fit_logs(
    features: torch.Tensor,
    targets: torch.Tensor,
    counts: torch.Tensor,
    groups: torch.Tensor,
    prior: HyperPrior | None = None,
) -> torch.Tensor:
    """Return the most probable logarithms of `Kernel`, by L-BFGS.

    The prior matters where the data carry little information.

    Args:
        features: ``(n, n_features)``, centred.
        targets: ``(n,)`` of mean 0 and variance 1.
        counts: ``(n,)`` number of measurements averaged in each target.
        groups: ``(n_features,)`` group of each feature.
        prior: Distribution of the hyper-parameters; None takes the usual one.
    """
    start, std = prior or HyperPrior.usual(groups)
    free = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [free],
        max_iter=_MAX_STEPS,
        tolerance_grad=1e-2,
        tolerance_change=1e-4,
        line_search_fn="strong_wolfe",
    )

    def logs() -> torch.Tensor:
        return start + std * _LIMIT * torch.tanh(free / _LIMIT)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        factor = Kernel(logs(), groups).factor(features, counts)
        white: torch.Tensor = torch.linalg.solve_triangular(factor, targets[:, None], upper=False)
        likelihood = -0.5 * white.square().sum() - factor.diagonal().log().sum()
        loss = -likelihood + 0.5 * free.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return logs().detach()
