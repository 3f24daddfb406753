"""Chains of subnets."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.samplers.evolution._chains import N_LAST, Chains
from optuna_ofa.samplers.evolution._estimates import Scored
from optuna_ofa.space import Matrix, SearchSpace

SPACE = SearchSpace("ofa_mbv3_w1.0")
START = SPACE.to_matrix([SPACE.subnet(depth=2, kernel=3, expand=3)])
ONE_STEP = SPACE.to_matrix([SPACE.subnet(depth=2, kernel=[5] + 19 * [3], expand=3)])
THREE_STEPS = SPACE.to_matrix(
    [SPACE.subnet(depth=2, kernel=[5, 5] + 18 * [3], expand=[4] + 19 * [3])]
)


def _chain(reach: int, cost: float = 5.0) -> Chains:
    chain = Chains.starting(START, np.array([[1.0, 2.0]]))
    points = Scored(START, np.array([[cost, 0.0]]), np.zeros(1))
    return chain._replace(points=points, reach=np.array([reach]))


def _told(rows: Matrix, *costs: float, violation: float = 0.0) -> Scored:
    values = np.column_stack([costs, np.zeros(len(costs))])
    return Scored(rows, values, np.full(len(costs), violation))


def test_it_starts_with_its_own_result_and_four_changes() -> None:
    chain = Chains.starting(START, np.array([[1.0, 2.0]]))
    assert not chain.started[0]
    assert chain.n_proposed == 1
    after = chain.moved(SPACE, _told(np.concatenate([ONE_STEP, START]), 1, 7), answered=True)
    assert after.started[0]
    assert after.reach[0] == 4
    assert after.sums()[0] == 7


def test_without_its_own_result_it_ends() -> None:
    chain = Chains.starting(START, np.array([[1.0, 2.0]]))
    assert chain.moved(SPACE, _told(ONE_STEP, 1), answered=True).reach[0] == -1


@pytest.mark.parametrize(("reach", "further"), [(0, 2), (1, 2), (4, 8), (8, 8)])
def test_a_better_result_within_reach_moves_it_and_doubles_the_changes(
    reach: int, further: int
) -> None:
    after = _chain(reach).moved(SPACE, _told(ONE_STEP, 4), answered=True)
    assert np.array_equal(after.points.matrix, ONE_STEP)
    assert after.sums()[0] == 4
    assert after.reach[0] == further


@pytest.mark.parametrize(("reach", "shorter"), [(8, 4), (2, 1), (1, 0), (0, -1)])
def test_without_a_better_result_it_changes_half_as_many(reach: int, shorter: int) -> None:
    after = _chain(reach).moved(SPACE, _told(ONE_STEP, 6), answered=True)
    assert np.array_equal(after.points.matrix, START)
    assert after.reach[0] == shorter


def test_results_beyond_its_reach_do_not_move_it() -> None:
    told = _told(THREE_STEPS, 1)
    assert _chain(2).moved(SPACE, told, answered=True).reach[0] == 1
    assert _chain(4).moved(SPACE, told, answered=True).reach[0] == 8


def test_a_depth_is_one_change() -> None:
    deeper = SPACE.to_matrix([SPACE.subnet(depth=[3, 2, 2, 2, 2], kernel=3, expand=3)])
    assert _chain(1).moved(SPACE, _told(deeper, 1), answered=True).reach[0] == 2


def test_others_results_move_it_and_count_as_no_failure() -> None:
    assert _chain(4).moved(SPACE, _told(ONE_STEP, 6), answered=False).reach[0] == 4
    assert _chain(4).moved(SPACE, _told(ONE_STEP, 4), answered=False).reach[0] == 8


def test_the_smallest_violation_comes_first() -> None:
    infeasible = _told(ONE_STEP, 1, violation=1e-6)
    assert _chain(4).moved(SPACE, infeasible, answered=True).reach[0] == 2
    worse = _chain(4)._replace(points=_told(START, 1, violation=0.2))
    assert worse.moved(SPACE, _told(ONE_STEP, 9, violation=0.1), answered=True).reach[0] == 8


def test_the_last_step_has_several_proposals() -> None:
    both = _chain(0).join(_chain(2)).join(Chains.starting(START, np.ones((1, 2))))
    assert both.n_proposed == N_LAST + 2
    assert both.select(np.array([False, True, True])).n_proposed == 2
