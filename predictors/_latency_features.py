"""What the latency of a network is explained by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum, layer_operators, placements
from optuna_ofa.space import Layer, SearchSpace
from optuna_ofa.space._space import Matrix

FeatureKind = Literal["none", "physical", "onehot"]
Features = Callable[[Matrix], NDArray[np.float64]]


def latency_features(kind: FeatureKind, space: SearchSpace) -> Features:
    """The function from ``(n, n_genes)`` genotypes to ``(n, n_features)`` numbers."""
    match kind:
        case "physical":
            return PhysicalFeatures(space)
        case "onehot":
            return OneHotFeatures(space)
        case _:
            return lambda matrix: np.empty((len(matrix), 0))


class PhysicalFeatures:
    """Sums over layers: of each type of operator its multiply-adds, traffic and number.

    Depthwise convolutions of different kernel sizes are different types, because runtimes have
    a fast kernel for some of them and none for others.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        layers = {place.layer: _quantities(place.layer) for place in placements(space)}
        self.names = sorted({name for found in layers.values() for name in found})
        self._sums = [
            LayerSum(space, lambda layer, _, name=name: layers[layer].get(name, 0.0))  # type: ignore[misc]
            for name in self.names
        ]

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """``(n, n_features)`` in millions of multiply-adds, millions of numbers, and counts."""
        return np.stack([total(matrix) for total in self._sums], axis=1)


def _quantities(layer: Layer) -> dict[str, float]:
    found: dict[str, float] = {}
    for op in layer_operators(layer):
        kind = f"{op.name}{layer.kernel}" if op.name in ("depthwise", "conv") else op.name
        amounts = {"macs": op.n_macs / 1e6, "moved": (op.n_read + op.n_written) / 1e6,
                   "weights": op.n_weights / 1e6, "n": 1.0}  # fmt: skip
        for name, amount in amounts.items():
            if amount:
                key = f"{kind}.{name}"
                found[key] = found.get(key, 0.0) + amount
    return found


class OneHotFeatures:
    """One column for each choice of each gene; none where a block is absent.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        pairs = [(j, c) for j, gene in enumerate(space.genes) for c in space.choices[gene.name]]
        self._columns = np.array([j for j, _ in pairs])
        self._values = np.array([c for _, c in pairs], dtype=np.int16)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """``(n, n_features)`` zeros and ones."""
        rows = self._space.canonicalize(self._space.check(matrix))
        return np.asarray(rows[:, self._columns] == self._values, dtype=float)
