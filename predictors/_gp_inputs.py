"""The features that a Gaussian process compares subnets by."""

from __future__ import annotations

import torch

from optuna_ofa.predictors._thermometer import N_COSTS, Thermometer
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix


class GaussianProcessInputs:
    """`Thermometer` features around the mean of the measured subnets.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` measured subnets.

    Attributes:
        features: ``(n, n_features)`` those of the measured subnets.
        groups: ``(n_features,)`` 0 for choices, 1 for costs.
        mean: ``(n_features,)`` mean of the measured subnets' `thermometer` features.
        thermometer: The features before the mean is taken off.
    """

    def __init__(self, space: SearchSpace, matrix: Matrix) -> None:
        self.thermometer = Thermometer(space)
        features = self.thermometer(matrix)
        self.mean = features.mean(axis=0)
        self.features = torch.from_numpy(features - self.mean)
        n_choices = features.shape[1] - N_COSTS
        self.groups = (torch.arange(features.shape[1]) >= n_choices).long()

    def __call__(self, matrix: Matrix) -> torch.Tensor:
        """``(n, n_features)``."""
        return torch.from_numpy(self.thermometer(matrix) - self.mean)
