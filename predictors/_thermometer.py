"""Features of a subnet that preserve the order of the choices."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum, layer_macs, layer_params
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._changed_genes import GeneTable
from optuna_ofa.predictors._choice_features import ChoiceFeatures, Features
from optuna_ofa.predictors._products import RowProduct, padded
from optuna_ofa.predictors._resolution import ResolutionLaw
from optuna_ofa.predictors._terms import LogCurve, Terms
from optuna_ofa.space import ChoiceTable, Matrix, SearchSpace

# Takes genotypes and, for each, the index of a nearby anchor, as `LocalModel` does.
LocalFeatures = Callable[[Matrix, NDArray[np.intp]], NDArray[np.float64]]
N_COSTS = 4  # logarithms of MACs and parameters, and their squares
_MOST_LOG = 3
# smallest and largest features of choices, costs and the resolution
_TINY = 1e-6
_LIMITS = np.array([[0, 1], [0, _MOST_LOG], [-10, 1]])


class Thermometer:
    """Features of a subnet for linear models.

    For each gene and each of its choices: whether the gene is at least that large (so a kernel has
    three steps: active, k >= 5, k >= 7). Then the logarithms of MACs and parameters, and their
    squares. One-hot inputs lose the order of the choices and need far more measured subnets.

    The resolution has no steps, which would tell nothing about resolutions that were not measured.
    Its features are those of `ResolutionLaw`, and MACs are those at the largest resolution.

    Args:
        space: The space of the matrices.

    Attributes:
        law: The features of the resolution.
    """

    def __init__(self, space: SearchSpace) -> None:
        at_largest = space.restrict(resolution=space.resolutions[-1])
        self._macs = LayerSum(at_largest, lambda layer, _: layer_macs(layer))
        self._params = LayerSum(at_largest, lambda layer, _: layer_params(layer))
        self._space = space
        marker = "kernel" if space.family.block == "mbconv" else "expand"
        steps = [
            (j, choice)
            for j, gene in enumerate(space.genes)
            if gene.kind != "resolution"
            # the first step of one gene per block indicates that the block is present
            for choice in space.choices[gene.name][gene.kind != marker :]
        ]
        self._columns = np.array([j for j, _ in steps])
        self._thresholds = np.array([choice for _, choice in steps], dtype=np.int16)
        (self._pixels,) = (j for j, gene in enumerate(space.genes) if gene.kind == "resolution")
        self.law = ResolutionLaw(space.resolutions)
        ends = space.to_matrix([space.smallest(), space.largest()])
        self._low, high = self._logs(ends)
        self._range = np.maximum(high - self._low, 1e-9)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self._columns) + N_COSTS + self.law.n_features

    @property
    def groups(self) -> NDArray[np.intp]:
        """Return 0 for each feature of the choices, 1 for costs, 2 for the resolution."""
        counts = (len(self._columns), N_COSTS, self.law.n_features)
        return np.repeat(np.arange(3), counts)

    def require_mean(self, mean: NDArray[np.float64]) -> None:
        """Refuse what cannot be the mean of features.

        Raises:
            FormatError: If a number is out of the range of its feature.
        """
        low, high = _LIMITS[self.groups].T
        wrong = (mean < low - _TINY) | (mean > high + _TINY)
        if wrong.any():
            raise FormatError(
                f"`mean` must be of features, whose ranges are {_LIMITS.tolist()}, but feature "
                f"{wrong.argmax()} has {mean[wrong.argmax()]:g}."
            )

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` numbers, the logarithms scaled to 0..1 over the space."""
        rows = self._space.canonicalize(self._space.check(matrix))
        # one subnet after the other in memory, so that sums over features have one order
        features = np.empty((len(rows), self.n_features))
        n = len(self._columns)
        features[:, :n] = rows[:, self._columns] >= self._thresholds
        features[:, n : n + N_COSTS] = self.costs(rows)
        features[:, n + 4 :] = self.law(rows[:, self._pixels])
        return features

    @property
    def of_costs(self) -> NDArray[np.intp]:
        """Return the features that depend on several genes: costs."""
        return np.flatnonzero(self.groups == 1)

    def costs(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return these features of canonical rows, ``(n, 4)``."""
        logs = (self._logs(matrix) - self._low) / self._range
        return np.hstack([_MOST_LOG * logs, logs**2])

    def linear(
        self, matrix: Matrix, slopes: NDArray[np.float64], of_genes: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return a linear function, ``(n,)``, faster than by the features.

        Args:
            matrix: ``(n, n_genes)`` genotypes.
            slopes: ``(n_features,)``.
            of_genes: What `parts_of` returns for them.
        """
        rows = self._space.canonicalize(self._space.check(matrix))
        total = self._genes[0].sums(rows, of_genes)
        for slope, cost in zip(slopes[self.of_costs], self.costs(rows).T, strict=True):
            total += slope * cost
        return total

    def parts_of(self, slopes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what each value of each gene adds to a linear function of the features."""
        table, features = self._genes
        return table.expanded(slopes[np.flatnonzero(self.groups != 1)] @ features)

    def changes(self, anchors: Matrix, slopes: NDArray[np.float64]) -> LocalModel:
        """Return by how much the other features move a linear function away from anchors.

        Args:
            anchors: ``(m, n_genes)`` canonical genotypes.
            slopes: ``(m, at least n_features)`` derivatives by the features at each.
        """
        table, _ = self._genes
        own = padded(slopes[:, np.flatnonzero(self.groups != 1)])
        return table.changes(anchors, self._of_values(own)[: len(slopes)])

    @cached_property
    def _of_values(self) -> RowProduct:
        """The product with the features that each value of each gene has alone."""
        return RowProduct(self._genes[1])

    @cached_property
    def _genes(self) -> tuple[GeneTable, NDArray[np.float64]]:
        """Return the values of all genes, and the features that each has alone."""
        table = GeneTable.of(self._space)
        columns, values = table.columns, table.values
        of_steps = (columns == self._columns[:, None]) & (values >= self._thresholds[:, None])
        of_law = np.zeros((self.law.n_features, len(values)))
        pixels = (columns == self._pixels) & (values > 0)
        of_law[:, pixels] = self.law(values[pixels]).T
        return table, np.vstack([of_steps, of_law])

    def weighted(self, weights: NDArray[np.float64], constant: float) -> Terms:
        """Return a constant plus the features times ``(n_features,)`` weights, as a sum."""
        n = len(self._columns)
        of_choices, of_costs, of_law = weights[:n], weights[n : n + N_COSTS], weights[n + N_COSTS :]

        def of_genes(matrix: Matrix) -> NDArray[np.float64]:
            found = np.zeros(matrix.shape)
            steps = of_choices * (matrix[:, self._columns] >= self._thresholds)
            np.add.at(found.T, self._columns, steps.T)
            return found

        curves = [
            LogCurve(
                name=name,
                total=total,
                pixels=self._space.resolutions[-1],
                linear=_MOST_LOG * float(of_costs[i]),
                square=float(of_costs[i + 2]),
                low=float(self._low[i]),
                span=float(self._range[i]),
            )
            for i, (name, total) in enumerate(
                [("multiply-adds", self._macs), ("parameters", self._params)]
            )
        ]
        return Terms(
            of_resolution=lambda pixels: constant + self.law(pixels) @ of_law,
            of_genes=of_genes,
            curves=tuple(curves),
        )

    def shares(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return how near the resolution of each subnet is to each level, ``(n, n_levels)``."""
        return self.law.shares(self._space.check(matrix)[:, self._pixels])

    def _logs(self, rows: Matrix) -> NDArray[np.float64]:
        at_largest = rows.copy()
        at_largest[:, self._pixels] = self._space.resolutions[-1]
        return np.log(np.stack([self._macs(at_largest), self._params(at_largest)], axis=1))


def features_of(space: SearchSpace) -> Features:
    """Return the features of a space: with the costs and the resolution of its subnets, if any."""
    return ChoiceFeatures(space) if isinstance(space.table, ChoiceTable) else Thermometer(space)


class GaussianProcessInputs:
    """`Features` around the mean of the measured subnets.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` measured subnets, or points of the kernel.
        mean: What is subtracted; None takes the mean of the features.

    Attributes:
        features: ``(n, n_features)`` features of ``matrix``.
        groups: ``(n_features,)`` see `Features.groups`.
        mean: ``(n_features,)`` what is subtracted from the `thermometer` features.
        shares: ``(n, n_levels)`` of ``matrix``, see `Features.shares`.
        thermometer: The features before the mean is subtracted.
        expected: ``(n_features,)`` slopes of what is expected before any measurement: zeros.
    """

    def __init__(
        self, space: SearchSpace, matrix: Matrix, mean: NDArray[np.float64] | None = None
    ) -> None:
        self.thermometer: Features = features_of(space)
        features = self.thermometer(matrix)
        self.mean: NDArray[np.float64] = features.mean(axis=0) if mean is None else mean
        self.features: NDArray[np.float64] = features - self.mean
        self.groups: NDArray[np.intp] = self.thermometer.groups
        self.shares: NDArray[np.float64] = self.thermometer.shares(matrix)
        self.expected: NDArray[np.float64] = np.zeros(features.shape[1])

    @property
    def of_several(self) -> NDArray[np.intp]:
        """Return the features that depend on several genes."""
        return self.thermometer.of_costs

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return these features near some subnets, before the mean is subtracted."""
        return lambda matrix, _: self.thermometer.costs(matrix)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` numbers."""
        return self.thermometer(matrix) - self.mean
