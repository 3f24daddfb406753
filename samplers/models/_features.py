"""Features of a row for models of few measurements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import Family, Gene, Matrix, SearchSpace

Array = NDArray[np.float64]
# one unit is a quarter of a factor e of pixels
_PER_LOG = 4.0
_COST_SCALES = np.array([3.0, 3.0, 1.0, 1.0])


class Scale(NamedTuple):
    """What is expected of a group of features before any measurement.

    Args:
        length: Distance within which the part that is not linear is alike.
        slope: Standard deviation of slopes, in standard deviations of the quantity.
    """

    length: float
    slope: float


# Of accuracies of MobileNetV3 w1.2 as its published predictor has them: they are roughly linear in
# depths, and kernels and expand ratios add what depends on each other.
_KINDS = {
    "kernel": Scale(2.8, 0.01),
    "expand": Scale(2.8, 0.025),
    "width": Scale(2.8, 0.05),
    "depth": Scale(8.0, 0.06),
    "resolution": Scale(1.0, 0.5),
}
_COSTS, _SUMS = Scale(2.0, 0.2), Scale(5.0, 0.2)


class RowFeatures:
    """Steps of the choices, their sums over alike genes, and sizes.

    A gene of ordered choices has a feature for each step: whether its value is at least that far. A
    gene of unordered choices has one for each choice, and one that can be absent has one for its
    presence. The input size is one logarithm. Sums over the genes of a kind (over those of the same
    choices in a plain table) let a few measurements tell what larger values do in general. Where
    there is an architecture, logarithms of MACs and parameters and their squares are added.

    Args:
        space: The space of the matrices.

    Attributes:
        groups: ``(n_features,)`` which features share hyper-parameters.
        scales: The scale of each group.
    """

    def __init__(self, space: SearchSpace) -> None:
        kinds = [_kind(space, gene) for gene in space.genes]
        names = list(dict.fromkeys(kinds))
        steps = [(j, *step) for j, least in enumerate(_steps(space)) for step in least]
        self._columns = np.array([j for j, _, _ in steps], dtype=np.intp)
        self._least = np.array([least for _, least, _ in steps], dtype=np.int16)
        self._most = np.array([most for _, _, most in steps], dtype=np.int16)
        groups = [names.index(kinds[j]) for j in self._columns]
        self._pixels = [j for j, gene in enumerate(space.genes) if gene.kind == "resolution"]
        self._sums = _summing(groups)
        self._sizes = _Sizes(space) if isinstance(space.table, Family) else None
        n, n_sizes = len(names), 0 if self._sizes is None else len(_COST_SCALES)
        groups += [names.index("resolution") for _ in self._pixels]
        groups += [n] * self._sums.shape[1] + [n + 1] * n_sizes
        scales = [_KINDS.get(name) or _scale_of(groups.count(i)) for i, name in enumerate(names)]
        present, inverse = np.unique(groups, return_inverse=True)
        self.groups: NDArray[np.intp] = inverse
        self.scales: list[Scale] = [[*scales, _SUMS, _COSTS][int(i)] for i in present]

    def __call__(self, matrix: Matrix) -> Array:
        """Return ``(n, n_features)`` numbers of canonical rows."""
        genes = matrix[:, self._columns]
        steps = ((genes >= self._least) & (genes <= self._most)).astype(float)
        pixels = matrix[:, self._pixels].astype(float)
        parts = [steps, _PER_LOG * np.log(pixels), steps @ self._sums]
        return np.hstack(parts if self._sizes is None else [*parts, self._sizes(matrix)])


class _Sizes:
    """Logarithms of MACs and parameters from 0 to 1, and their squares."""

    def __init__(self, space: SearchSpace) -> None:
        self._costs = [CostPredictor(name, space) for name in ("n_macs", "n_params")]
        self._low, high = self._logs(space.to_matrix([space.smallest(), space.largest()]))
        self._range = np.maximum(high - self._low, 1e-9)

    def _logs(self, matrix: Matrix) -> Array:
        return np.log(np.stack([cost.predict(matrix) for cost in self._costs], axis=1))

    def __call__(self, matrix: Matrix) -> Array:
        logs = (self._logs(matrix) - self._low) / self._range
        return np.asarray(np.hstack([logs, logs**2]) * _COST_SCALES)


def _kind(space: SearchSpace, gene: Gene) -> str:
    """Return the kind of a gene; in a plain table that of all with the same values."""
    if gene.kind in _KINDS:
        return gene.kind
    return repr([gene.value(choice) for choice in space.choices[gene.name]])


def _steps(space: SearchSpace) -> Iterator[list[tuple[int, int]]]:
    """Yield the least and the largest integer for which each feature of a gene is 1."""
    marked: set[int] = set()
    for gene in space.genes:
        choices = space.choices[gene.name]
        last, ordered = choices[-1], gene.is_ordered or len(choices) == 2
        steps = [(c, last) for c in choices[1:]] if ordered else [(c, c) for c in choices]
        if gene.kind == "resolution":
            steps = []
        # one gene of a block tells whether it is there
        elif gene.is_conditional and gene.block not in marked:
            steps = [(choices[0], last), *steps]
            marked |= {gene.block} - {-1}
        yield steps


def _summing(groups: Sequence[int]) -> Array:
    """Return the weights of sums over each group that has more than one feature."""
    several = [g for g in dict.fromkeys(groups) if groups.count(g) > 1]
    columns = [np.equal(groups, g) / np.sqrt(groups.count(g)) for g in several]
    return np.array(columns, dtype=float).reshape(len(several), len(groups)).T


def _scale_of(n_features: int) -> Scale:
    """Return the scale of choices of which nothing is known."""
    return Scale(0.5 * np.sqrt(max(n_features, 4)), 0.4 / np.sqrt(max(n_features, 4)))
