"""The columns of a latency regression, and which of them there are enough rows for."""

from __future__ import annotations

from typing import get_args

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._latency_features import FeatureKind, latency_features
from optuna_ofa.predictors._latency_predictor import LatencyPredictor
from optuna_ofa.predictors._latency_table import LatencyTable
from optuna_ofa.predictors._relative_ridge import fit_relative_ridge
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix

# A ridge on top of a table pays from about so many rows, one-hot features from so many.
_LEAST = {"none": 3, "physical": 40, "onehot": 150}
LEAST_ROWS = 5


class Inputs:
    """The columns of the regression: a constant, the table's sums, the features.

    Args:
        space: The space of the matrices.
        kind: The features.
        table: The table, or None.
    """

    def __init__(self, space: SearchSpace, kind: FeatureKind, table: LatencyTable | None) -> None:
        self._features = latency_features(kind, space)
        self._table = None if table is None else LatencyPredictor(table=table, space=space)
        self.n_features = self(space.to_matrix([space.smallest()])).shape[1]
        self.free = [True] * (1 + (table is not None))
        self.free += [False] * (self.n_features - len(self.free))

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """``(n, n_features)`` numbers; `free` says which of them have no penalty."""
        columns = [np.ones((len(matrix), 1))]
        if self._table is not None:
            columns.append(self._table.predict(matrix)[:, None])
        return np.concatenate([*columns, self._features(matrix)], axis=1)


def model_name(kind: str, table: LatencyTable | None) -> str:
    """What a model is called in reports."""
    if table is None:
        return kind
    return "table + affine" if kind == "none" else f"table + {kind}"


def candidates(n: int, table: LatencyTable | None) -> list[FeatureKind]:
    """The features that ``n`` rows are enough for, from the simplest to the richest."""
    kinds: list[FeatureKind] = [k for k in get_args(FeatureKind) if n >= _LEAST[k]]
    if table is None:
        kinds = [k for k in kinds if k != "none"] or ["physical"]
    return kinds


def heldout_mape(
    x: NDArray[np.float64],
    latency: NDArray[np.float64],
    free: list[bool],
    folds: NDArray[np.intp],
    penalty: float | None,
) -> float:
    """Mean absolute error in percent over folds that the fit did not see."""
    errors = np.empty(len(latency))
    for fold in np.unique(folds):
        out = folds == fold
        model = fit_relative_ridge(x[~out], latency[~out], free, penalty)
        errors[out] = model.predict(x[out]) / latency[out] - 1
    return float(np.abs(errors).mean() * 100)
