"""Hyper-parameters of a Gaussian process by its marginal likelihood."""

from __future__ import annotations

import torch

from optuna_ofa.predictors._gp_kernel import Kernel, start_logs

# Standard deviation of the logarithms around their start: a factor of e either way is ordinary.
# A wider prior changes nothing within the range of the measured accuracies, but with few rows
# (200) it sometimes gives lengths that are useless above it.
_PRIOR_STD = 1.0
# what a line search may try: a factor of 150, where the matrix can still be inverted
_LIMIT = 5.0
_MAX_STEPS = 60


def fit_logs(
    features: torch.Tensor, targets: torch.Tensor, counts: torch.Tensor, groups: torch.Tensor
) -> torch.Tensor:
    """The most probable logarithms of `Kernel`, by L-BFGS.

    The prior decides what the data say little of.

    Args:
        features: ``(n, n_features)``, centred.
        targets: ``(n,)`` of mean 0 and variance 1.
        counts: ``(n,)`` how many measurements each target is the mean of.
        groups: ``(n_features,)`` group of each feature.
    """
    start = start_logs(groups)
    free = torch.zeros_like(start, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [free], max_iter=_MAX_STEPS, tolerance_grad=1e-2, tolerance_change=1e-4,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def logs() -> torch.Tensor:
        return start + _LIMIT * torch.tanh(free / _LIMIT)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        factor = Kernel(logs(), groups).factor(features, counts)
        white: torch.Tensor = torch.linalg.solve_triangular(factor, targets[:, None], upper=False)
        likelihood = -0.5 * white.square().sum() - factor.diagonal().log().sum()
        loss = -likelihood + 0.5 * (free / _PRIOR_STD).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    with torch.enable_grad():
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    return logs().detach()
