"""Steps of chains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.samplers.evolution._chains import N_LAST, Chains
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.samplers.evolution._moves import distances
from optuna_ofa.samplers.evolution._steps import proposed
from optuna_ofa.space import Keys, Matrix, SearchSpace, keys_of

SPACE = SearchSpace("ofa_mbv3_w1.0")
SMALL = SPACE.to_matrix([SPACE.smallest()])
EMPTY = Scored(SMALL[:0], np.empty((0, 1)), np.empty(0))
WEIGHTS = np.ones((1, 1))


def _estimate(
    recent: Scored, parents: Scored, children: Matrix, parent: NDArray[np.intp]
) -> tuple[Values, Values]:
    """Larger kernels are better, the later ones most; everything else is worse."""
    kernels = children[:, 6:26] @ np.arange(1.0, 21.0)
    others = children[:, 26:].sum(axis=1) + 1000 * children[:, 1:6].sum(axis=1)
    return (others - kernels)[:, None] + 0.0, np.zeros(len(children))


def _chain(reach: int) -> Chains:
    cost, _ = _estimate(EMPTY, EMPTY, SMALL, np.zeros(1, np.intp))
    return Chains(Scored(SMALL, cost, np.zeros(1)), WEIGHTS, np.array([reach]))


def _proposed(chains: Chains, known: Matrix = SMALL) -> Matrix:
    def is_known(keys: Keys) -> NDArray[np.bool_]:
        return np.isin(keys, keys_of(known))

    return proposed(SPACE, chains, _estimate, EMPTY, is_known, np.random.default_rng(0))


def test_a_start_is_proposed_as_it_is() -> None:
    other = SPACE.sample(1, seed=3)
    rows = _proposed(Chains.starting(other, WEIGHTS).join(_chain(1)))
    assert np.array_equal(rows[:1], other)


def test_as_many_genes_as_it_reaches_change_at_once_the_best_ones() -> None:
    row = _proposed(_chain(4))[0]
    changed = np.flatnonzero(row != SMALL[0])
    assert len(changed) == 4
    assert (row[changed] == 7).all()
    # the last kernels that are active, of ten blocks
    active = np.flatnonzero(SMALL[0, 6:26]) + 6
    assert changed.tolist() == active[-4:].tolist()


def test_only_changes_that_gain_are_made_at_once() -> None:
    best = SMALL.copy()
    best[:, 6:26] = np.where(best[:, 6:26] > 0, 7, 0)
    best[0, 6] = 5
    chain = _chain(4)
    cost, _ = _estimate(EMPTY, EMPTY, best, np.zeros(1, np.intp))
    chain = chain._replace(points=Scored(best, cost, np.zeros(1)))
    assert np.count_nonzero(_proposed(chain, best)[0] != best[0]) == 1


def test_the_last_step_has_the_best_single_changes() -> None:
    rows = _proposed(_chain(0))[:N_LAST]
    assert (distances(SPACE, SMALL, rows) == 1).all()
    costs, _ = _estimate(EMPTY, EMPTY, rows, np.zeros(N_LAST, np.intp))
    assert (np.diff(costs[:, 0]) >= 0).all()


def test_known_subnets_are_left_out_and_others_take_their_place() -> None:
    first = _proposed(_chain(0))[:N_LAST]
    second = _proposed(_chain(0), np.concatenate([SMALL, first[:3]]))[:N_LAST]
    assert np.array_equal(second[: N_LAST - 3], first[3:])
    together = _proposed(_chain(2))[:1]
    assert not np.isin(keys_of(_proposed(_chain(2), together)), keys_of(together)).any()
    assert len(_proposed(_chain(2), together)) > 0


def test_equal_chains_propose_no_subnet_twice() -> None:
    rows = _proposed(_chain(0).join(_chain(0)).join(_chain(2)))
    assert len(np.unique(rows, axis=0)) == len(rows)
