"""Which subnets to measure: those from which the latencies of all others are known best."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import argument_called
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors.latency._device_terms import DeviceTerms
from optuna_ofa.predictors.latency._features import OneHotFeatures
from optuna_ofa.space import Matrix, SearchSpace, first_of_each, keys_of

Array = NDArray[np.float64]
# relative standard deviations: of a measurement, and of what the terms leave unexplained
_NOISE = 0.05
_UNEXPLAINED = 0.05
# of the effect of all choices of a plain table, which has no terms
_OF_CHOICES = 0.3
# random subnets of each kind that designs are judged by, and chosen from
_DRAWN = 1000
_MOST_CANDIDATES = 10_000
# designs of up to this many subnets are improved by exchanges, in this many rounds
_EXCHANGED, _ROUNDS = 20, 3


class _Columns(NamedTuple):
    """Features whose weights have a prior variance of 1, in units of the latency.

    Args:
        candidates: ``(n, k)``.
        root: ``(k, k)`` the square root of their mean product over the space.
    """

    candidates: Array
    root: Array


def chosen(space: SearchSpace, n: int, candidates: Matrix | None, seed: int) -> Matrix:
    """Return ``n`` different rows with a small mean variance of predictions over the space.

    A Bayesian I-optimal design (DuMouchel and Jones, 1994): the physical terms are certain to
    matter, their squares and products and every single choice a little, so that a model that is
    not quite right does not draw all rows to the ends of the space.

    Raises:
        InvalidArgumentError: If there are fewer than ``n`` different rows.
        InvalidSubnetError: If a candidate is not in the space.
    """
    rng = np.random.default_rng(seed)
    drawn = _drawn(space, max(_DRAWN, n), rng)
    pool = _pool(space, n, drawn, rng) if candidates is None else _given(space, candidates)
    if len(pool) < n:
        what = "space" if candidates is None else "candidates"
        raise InvalidArgumentError(
            f"`{what}` must have at least {n} different {space.noun}s to choose from, but has "
            f"{len(pool)}."
        )
    most = max(_MOST_CANDIDATES, 2 * n)
    if len(pool) > most:
        pool = pool[np.sort(rng.choice(len(pool), most, replace=False))]
    columns = _columns(space, pool, drawn[:: max(1, len(drawn) // (2 * _DRAWN))])
    picked = _greedy(columns, n)
    return pool[_exchanged(columns, picked) if n <= _EXCHANGED else picked]


def _given(space: SearchSpace, candidates: Matrix) -> Matrix:
    with argument_called("candidates", "matrix"):
        return _distinct(space.canonicalize(space.check(candidates)))


def _distinct(matrix: Matrix) -> Matrix:
    return matrix[first_of_each(keys_of(matrix))]


def _drawn(space: SearchSpace, n: int, rng: np.random.Generator) -> Matrix:
    """Return ``(2 n, n_genes)``: as random subnets are, and of every size."""
    seeds = [int(s) for s in rng.integers(2**32, size=2)]
    kinds = (space.sample(n, seed=seeds[0]), space.sample(n, seed=seeds[1], uniform_over="sizes"))
    return np.stack(kinds, axis=1).reshape(2 * n, -1)


def _pool(space: SearchSpace, n: int, drawn: Matrix, rng: np.random.Generator) -> Matrix:
    """Return all rows of a small space; otherwise drawn ones, and those at the ends."""
    if space.n_subnets <= max(2 * _DRAWN, 4 * n):
        return space.enumerate()
    found = _distinct(np.concatenate([_corners(space), drawn]))
    while len(found) < n:
        more = space.sample(2 * n, seed=int(rng.integers(2**32)), uniform_over="subnets")
        found = _distinct(np.concatenate([found, more]))
    return found


def _corners(space: SearchSpace) -> Matrix:
    """Return the subnets with the first or the last choice in all genes of each kind."""
    kinds = sorted({gene.kind for gene in space.genes})
    rows = [
        [space.choices[g.name][ends[kinds.index(g.kind)]] for g in space.genes]
        for ends in itertools.product((0, -1), repeat=len(kinds))
    ]
    return space.canonicalize(np.array(rows, dtype=np.int16))


def _columns(space: SearchSpace, pool: Matrix, drawn: Matrix) -> _Columns:
    """Return the features of the candidates, and what is predicted, from random subnets."""
    both = np.concatenate([pool, drawn])
    new = slice(len(pool), None)
    choices = OneHotFeatures(space)(both)
    if space.has_network:
        amounts = DeviceTerms(space)(both)
        amounts = np.column_stack([np.ones(len(both)), amounts / amounts[new].mean(axis=0)])
        # a device that spends as much on every term
        parts = [
            amounts / amounts.sum(axis=1, keepdims=True) * amounts.shape[1],
            _UNEXPLAINED * _unit(_products(amounts[:, 1:], new), new),
            _UNEXPLAINED * _unit(choices, new),
        ]
    else:
        parts = [np.ones((len(both), 1)), _OF_CHOICES * _unit(choices, new)]
    x = np.concatenate(parts, axis=1)
    values, vectors = np.linalg.eigh(x[new].T @ x[new] / len(drawn))
    return _Columns(x[: len(pool)], vectors * np.sqrt(np.maximum(values, 0)))


def _products(amounts: Array, of: slice) -> Array:
    """Return the squares and products of standardised columns."""
    spread = amounts[of].std(axis=0)
    z = (amounts - amounts[of].mean(axis=0)) / np.where(spread > 0, spread, 1)
    first, second = np.triu_indices(z.shape[1])
    return np.asarray(z[:, first] * z[:, second])


def _unit(x: Array, of: slice) -> Array:
    """Return centred columns whose squares add up to 1 in the mean over some rows."""
    centred = x - x[of].mean(axis=0)
    size = float(np.sqrt((centred[of] ** 2).sum(axis=1).mean()))
    return np.asarray(centred / (size or 1.0))


def _greedy(columns: _Columns, n: int) -> list[int]:
    """Return the rows that one after another lower the mean variance most."""
    x, root = columns
    covariance = np.eye(x.shape[1])
    variance, common = (x**2).sum(axis=1), x @ root
    free = np.ones(len(x), dtype=bool)
    picked: list[int] = []
    for _ in range(n):
        gains = (common**2).sum(axis=1) / (variance + _NOISE**2)
        best = int(np.argmax(np.where(free, gains, -1.0)))
        picked.append(best)
        free[best] = False
        toward = covariance @ x[best]
        total = variance[best] + _NOISE**2
        shared = x @ toward
        covariance -= np.outer(toward, toward) / total
        common -= np.outer(shared, toward @ root) / total
        variance = np.maximum(variance - shared**2 / total, 0)
    return picked


def _exchanged(columns: _Columns, picked: list[int]) -> list[int]:
    """Return the rows after replacing each by a better one, given all others."""
    x, root = columns
    own, common = (x**2).sum(axis=1), x @ root
    picked = list(picked)
    for _ in range(_ROUNDS):
        before = list(picked)
        for k in range(len(picked)):
            others = picked[:k] + picked[k + 1 :]
            shared = x @ x[others].T
            gram = shared[others] + _NOISE**2 * np.eye(len(others))
            known = np.linalg.solve(gram, shared.T).T
            variance = np.maximum(own - (known * shared).sum(axis=1), 0)
            left = common - known @ common[others]
            gains = (left**2).sum(axis=1) / (variance + _NOISE**2)
            gains[others] = -1.0
            best = int(np.argmax(gains))
            if gains[best] > gains[picked[k]] * (1 + 1e-6):
                picked[k] = best
        if picked == before:
            break
    return picked
