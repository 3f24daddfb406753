"""Starts of ascents: near the part of the front that they are to improve, in other basins too."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._breeding import settle
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._variation import random_genes, redraw
from optuna_ofa.samplers.evolution._weights import weighted
from optuna_ofa.space import Matrix, SearchSpace

# standard deviation of the place of a parent among the survivors, the best one first
_NEAR = 6.0
# share of the starts with a new depth or resolution, and of those that are random subnets
_NEW_BASIN, _RANDOM = 0.4, 0.1


def draw_starts(
    space: SearchSpace, population: Scored, weights: Values, rng: np.random.Generator
) -> Matrix:
    """Return a start for each weighted sum of the objectives.

    Most are crossovers of two of the subnets with the least sum, and many of these have one new
    gene that is not of a block, a depth or the resolution: such genes decide what the best choices
    of all others are, so single changes hardly ever lead from one of them to another.

    Args:
        space: The search space.
        population: Subnets with results, at least one.
        weights: ``(n, n_objectives)``.
        rng: Source of randomness.

    Returns:
        ``(n, n_genes)`` canonical genotypes, some of them known or equal.
    """
    n = len(weights)
    sums = weighted(weights[:, None], population.costs, population.violations)
    order = np.argsort(sums, axis=1, kind="stable")
    place = np.abs(np.rint(rng.normal(0, _NEAR, size=(n, 2)))).astype(np.intp)
    parents = np.take_along_axis(order, np.minimum(place, order.shape[1] - 1), axis=1)
    first, second = population.matrix[parents.T]
    rows = _crossed(space, first, second, rng)
    new = np.flatnonzero(rng.random(n) < _NEW_BASIN)
    rows = redraw(space, rows, (new, rng.choice(_basin_genes(space), size=len(new))), rng)
    anywhere = np.flatnonzero(rng.random(n) < _RANDOM)
    rows[anywhere] = random_genes(space, len(anywhere), rng)
    return settle(space, rows, rng)


def _crossed(space: SearchSpace, first: Matrix, second: Matrix, rng: np.random.Generator) -> Matrix:
    """Return children that have each stage, or each block, from either parent."""
    stages, blocks = _labels(space)
    by_stage = rng.random(len(first)) < 0.5
    labels = np.where(by_stage[:, None], stages, blocks)
    swapped = rng.random((len(first), labels.max(initial=0) + 1)) < 0.5
    return np.where(np.take_along_axis(swapped, labels, axis=1), second, first)


@cache
def _labels(space: SearchSpace) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of each gene's stage, and of its block; other genes have their own."""
    genes = list(enumerate(space.genes, start=1))
    stages = [(g.stage, 0 if g.stage >= 0 else -j) for j, g in genes]
    blocks = [(g.stage, g.position if g.position >= 0 else -j) for j, g in genes]
    return _numbered(stages), _numbered(blocks)


def _numbered(labels: list[tuple[int, int]]) -> NDArray[np.intp]:
    return np.unique(np.array(labels), axis=0, return_inverse=True)[1].ravel()


@cache
def _basin_genes(space: SearchSpace) -> NDArray[np.intp]:
    """Return the genes that are not of blocks and have a choice; if there is none, all genes."""
    has_choice = np.array([len(choices) > 1 for choices in space.choices.values()])
    found = np.flatnonzero(has_choice & ~space.block_genes)
    return found if len(found) else np.arange(len(has_choice))
