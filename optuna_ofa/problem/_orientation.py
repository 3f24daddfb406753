"""Values of objectives as costs, in an order that does not depend on how a study names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.study import StudyDirection

from optuna_ofa.problem._metric import Metric, preferred

Array = NDArray[np.float64]


class Orientation(NamedTuple):
    """How values of objectives become costs: smaller is better, what is maximised comes first.

    Searches work on costs alone, so the order in which a study names its objectives plays no role.

    Args:
        signs: The factor of each objective that makes smaller better.
        order: The objective of each column of costs.
    """

    signs: tuple[float, ...]
    order: tuple[int, ...]

    @staticmethod
    def of_metrics(metrics: Mapping[str, Metric]) -> Orientation:
        """Return the orientation of objectives, given in their order: see `preferred`."""
        names = list(metrics)
        signs = tuple(metric.sign for metric in metrics.values())
        return Orientation(signs, tuple(names.index(name) for name in preferred(metrics)))

    @staticmethod
    def of_directions(directions: Sequence[StudyDirection]) -> Orientation:
        """Return the orientation of objectives of which only the directions are known."""
        signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions]
        return Orientation(tuple(signs), tuple(np.argsort(signs, kind="stable").tolist()))

    def costs(self, values: Array) -> Array:
        """Return ``(n, n_objectives)`` costs of values in the order of the objectives."""
        costs = values * np.array(self.signs)
        return np.asarray(costs[:, self.order], order="C")

    def values(self, costs: Array) -> Array:
        """Return ``(n, n_objectives)`` values in the order of the objectives."""
        return np.asarray(self.unsorted(costs) * np.array(self.signs))

    def unsorted(self, columns: Array) -> Array:
        """Return columns, one for each cost, in the order of the objectives."""
        return np.asarray(columns[:, np.argsort(self.order)], order="C")
