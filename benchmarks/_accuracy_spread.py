"""Which subnets of a pool to measure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _accuracy_rivals import Matrix, Vector
from numpy.typing import NDArray

from optuna_ofa import SearchSpace
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors._thermometer import Thermometer

N_BINS = 10

Chosen = NDArray[np.intp]
Choose = Callable[[SearchSpace, Matrix, int, np.random.Generator], Chosen]


def at_random(space: SearchSpace, pool: Matrix, n: int, rng: np.random.Generator) -> Chosen:
    """Each row as likely as another, so as the pool is spread."""
    return rng.permutation(len(pool))[:n]


def over_macs(space: SearchSpace, pool: Matrix, n: int, rng: np.random.Generator) -> Chosen:
    """As many from each of ten equal ranges of multiply-adds, as far as there are."""
    macs = CostPredictor("n_macs", space).predict(pool)
    edges = np.linspace(macs.min(), macs.max(), N_BINS + 1)[1:-1]
    bins = np.digitize(macs, edges)
    turn = np.empty(len(pool))
    order = rng.permutation(len(pool))
    for b in range(N_BINS):
        members = order[bins[order] == b]
        turn[members] = np.arange(len(members)) + rng.random()
    return np.argsort(turn)[:n]


def like_genes(space: SearchSpace, pool: Matrix, n: int, rng: np.random.Generator) -> Chosen:
    """The nearest to subnets whose genes are drawn uniformly, each once."""
    features = Thermometer(space)
    rows = features(pool)
    chosen: list[int] = []
    for wanted in features(space.sample(n, seed=rng)):
        distance = ((rows - wanted) ** 2).sum(axis=1)
        distance[chosen] = np.inf
        chosen.append(int(distance.argmin()))
    return np.array(chosen)


def far_apart(space: SearchSpace, pool: Matrix, n: int, rng: np.random.Generator) -> Chosen:
    """One at random, then always the one that is furthest from all chosen ones."""
    rows = Thermometer(space)(pool)
    chosen = [int(rng.integers(len(pool)))]
    nearest: Vector = np.full(len(pool), np.inf)
    while len(chosen) < n:
        nearest = np.minimum(nearest, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(nearest.argmax()))
    return np.array(chosen)


SPREADS: dict[str, Choose] = {
    "as the pool is": at_random,
    "uniform over MACs": over_macs,
    "like uniform genes": like_genes,
    "far apart (max-min)": far_apart,
}
