"""What predicts accuracy from measured subnets: our models, and others to compare with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors.accuracy._ridge import best_penalty

Matrix = NDArray[np.int16]
Vector = NDArray[np.float64]
Predict = Callable[[Matrix], Vector]


class Fitted(NamedTuple):
    """What a fit gives: percent, and points where the model has standard deviations."""

    predict: Predict
    std: Callable[[Matrix], Vector | None]


Fit = Callable[[SearchSpace, Matrix, Vector, int], Fitted]


def ours(model: str, space: SearchSpace, matrix: Matrix, top1: Vector, seed: int) -> Fitted:
    """A model of `AccuracyPredictor.fit`."""
    predictor = AccuracyPredictor.fit(space, matrix, top1, model=model, seed=seed)
    return Fitted(predictor.predict, predictor.predict_std)


def onehot_ridge(space: SearchSpace, matrix: Matrix, top1: Vector, seed: int) -> Fitted:
    """Ridge regression on one-hot choices; the penalty with the least leave-one-out error."""
    genes = [(j, gene) for j, gene in enumerate(space.genes) if gene.kind != "depth"]
    pairs = [(j, choice) for j, gene in genes for choice in space.choices[gene.name]]
    columns, values = np.array(pairs).T
    return _linear(lambda rows: (rows[:, columns] == values).astype(float), matrix, top1)


def macs_alone(space: SearchSpace, matrix: Matrix, top1: Vector, seed: int) -> Fitted:
    """A line over the logarithm of the multiply-adds."""
    macs = CostPredictor("n_macs", space)
    return _linear(lambda rows: np.log(macs.predict(rows))[:, None], matrix, top1)


def _linear(features: Callable[[Matrix], Vector], matrix: Matrix, top1: Vector) -> Fitted:
    x = features(matrix)
    mean, level = x.mean(axis=0), top1.mean()
    x = x - mean
    penalty = best_penalty(x, top1 - level)
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ (top1 - level))
    return Fitted(lambda rows: level + (features(rows) - mean) @ weights, lambda rows: None)


def cubic_rbf(space: SearchSpace, matrix: Matrix, top1: Vector, seed: int) -> Fitted:
    """Cubic radial basis functions with a linear tail on the integer genes, scaled to 0..1.

    As NSGANetV2 uses it (pySOT's ``RBFInterpolant``).
    """
    high = np.maximum(space.to_matrix([space.largest()])[0], 1)
    points = matrix / high

    def inputs(rows: Matrix) -> Vector:
        x = rows / high
        squares = (x * x).sum(1)[:, None] + (points * points).sum(1) - 2 * x @ points.T
        return np.concatenate([np.maximum(squares, 0) ** 1.5, np.ones((len(x), 1)), x], axis=1)

    rows = inputs(matrix)
    tail = rows[:, len(matrix) :]
    system = np.block([[rows], [tail.T, np.zeros((tail.shape[1],) * 2)]])
    targets = np.concatenate([top1, np.zeros(tail.shape[1])])
    weights = np.linalg.lstsq(system, targets, rcond=1e-10)[0]
    return Fitted(lambda rows: inputs(rows) @ weights, lambda rows: None)


RIVALS: dict[str, Fit] = {
    "Gaussian process": partial(ours, "gaussian_process"),
    "ridge, thermometer": partial(ours, "ridge"),
    "ridge, one-hot": onehot_ridge,
    "cubic RBF": cubic_rbf,
    "MACs alone": macs_alone,
}
