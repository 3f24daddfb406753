"""Features of a subnet that preserve the order of the choices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._torch import torch
from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.space import Matrix, SearchSpace

# the last features: logarithms of MACs and parameters, and their squares
N_COSTS = 4
MOST = 3  # the largest feature
# Takes genotypes and, for each, the index of a nearby anchor, as `LocalModel` does.
LocalFeatures = Callable[[Matrix, NDArray[np.intp]], NDArray[np.float64]]


class Thermometer:
    """Features of a subnet for linear models.

    For each gene and each of its choices: whether the gene is at least that large (so a kernel has
    three steps: active, k >= 5, k >= 7). Then the logarithms of MACs and parameters, and their
    squares. One-hot inputs lose the order of the choices and need far more measured subnets.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._macs = LayerSum(space, lambda layer, _: layer_macs(layer))
        self._params = LayerSum(space, lambda layer, _: layer_params(layer))
        self._space = space
        marker = "kernel" if space.family.block == "mbconv" else "expand"
        steps = [
            (j, choice)
            for j, gene in enumerate(space.genes)
            # the first step of one gene per block indicates that the block is present
            for choice in space.choices[gene.name][gene.kind != marker :]
        ]
        self._columns = np.array([j for j, _ in steps])
        self._thresholds = np.array([choice for _, choice in steps], dtype=np.int16)
        ends = space.to_matrix([space.smallest(), space.largest()])
        self._low, high = self._logs(ends)
        self._range = np.maximum(high - self._low, 1e-9)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self._columns) + N_COSTS

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` numbers, the logarithms scaled to 0..1 over the space."""
        rows = self._space.canonicalize(self._space.check(matrix))
        logs = (self._logs(rows) - self._low) / self._range
        # one subnet after the other in memory, so that sums over features have one order
        features = np.empty((len(rows), self.n_features))
        features[:, :-N_COSTS] = rows[:, self._columns] >= self._thresholds
        features[:, -4:-2], features[:, -2:] = MOST * logs, logs**2
        return features

    def _logs(self, rows: Matrix) -> NDArray[np.float64]:
        return np.log(np.stack([self._macs(rows), self._params(rows)], axis=1))


class GaussianProcessInputs:
    """`Thermometer` features around the mean of the measured subnets.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` measured subnets.

    Attributes:
        features: ``(n, n_features)`` features of the measured subnets.
        groups: ``(n_features,)`` 0 for choices, 1 for costs.
        mean: ``(n_features,)`` mean of the measured subnets' `thermometer` features.
        thermometer: The features before the mean is subtracted.
        expected: ``(n_features,)`` slopes of what is expected before any measurement: zeros.
    """

    def __init__(self, space: SearchSpace, matrix: Matrix) -> None:
        self.thermometer = Thermometer(space)
        features = self.thermometer(matrix)
        self.mean = features.mean(axis=0)
        self.features = torch.from_numpy(features - self.mean)
        n_choices = features.shape[1] - N_COSTS
        self.groups = (torch.arange(features.shape[1]) >= n_choices).long()
        self.expected = torch.zeros(features.shape[1], dtype=torch.float64)

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return the features near some subnets, before the mean is subtracted; exact here."""
        return lambda matrix, _: self.thermometer(matrix)

    def __call__(self, matrix: Matrix) -> torch.Tensor:
        """Return ``(n, n_features)`` numbers."""
        return torch.from_numpy(self.thermometer(matrix) - self.mean)
