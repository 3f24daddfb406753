"""Which subnets to measure."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa import NetworkLatencyPredictor, SearchSpace
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.predictors.latency._design import _columns, _drawn

FAMILIES = [
    "ofa_mbv3_w1.0",
    "ofa_mbv3_fashion",
    "ofa_proxyless_w1.3",
    "ofa_resnet50",
    "efficientnet_lite0",
    "mobilenet_v3_large",
    "efficientnet_b0",
]
choose = NetworkLatencyPredictor.choose


def mean_variance(space: SearchSpace, matrix: np.ndarray) -> float:
    """Return the mean variance of predictions over the space, by the plain formula."""
    drawn = _drawn(space, 1000, np.random.default_rng(9))
    x, root = _columns(space, matrix, drawn)
    covariance = np.linalg.inv(np.eye(x.shape[1]) + x.T @ x / 0.05**2)
    return float(np.trace(root.T @ covariance @ root))


@pytest.mark.parametrize("family", FAMILIES)
def test_chosen_subnets_are_different_and_spread_over_the_space(family: str) -> None:
    space = SearchSpace(family)
    matrix = choose(space, 10)
    np.testing.assert_array_equal(matrix, space.canonicalize(space.check(matrix)))
    assert len(np.unique(matrix, axis=0)) == 10
    assert len(set(matrix[:, 0].tolist())) >= 3
    macs = CostPredictor("n_macs", space)
    drawn = macs.predict(space.sample(10, seed=0))
    chosen = macs.predict(matrix)
    assert np.ptp(np.log(chosen)) > np.ptp(np.log(drawn))


@pytest.mark.parametrize("n", [5, 10, 30])
@pytest.mark.parametrize("family", FAMILIES[1:])
def test_chosen_subnets_predict_the_others_with_less_variance_than_random_ones(
    family: str, n: int
) -> None:
    space = SearchSpace(family)
    best_drawn = min(mean_variance(space, space.sample(n, seed=seed)) for seed in range(5))
    assert mean_variance(space, choose(space, n)) < best_drawn


def test_the_same_seed_chooses_the_same_subnets() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    np.testing.assert_array_equal(choose(space, 5, seed=3), choose(space, 5, seed=3))
    assert not np.array_equal(choose(space, 5, seed=3), choose(space, 5, seed=4))


def test_candidates_are_the_only_ones_and_repeated_ones_count_once() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    candidates = space.sample(40, seed=0)
    found = choose(space, 10, candidates=np.concatenate([candidates, candidates]))
    rows = {row.tobytes() for row in candidates}
    assert {row.tobytes() for row in found} <= rows
    assert len(np.unique(found, axis=0)) == 10


def test_the_order_of_many_candidates_and_a_choice_of_all() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    candidates = np.unique(space.sample(30, seed=0), axis=0)
    found = choose(space, len(candidates), candidates=candidates)
    np.testing.assert_array_equal(np.unique(found, axis=0), candidates)


def test_too_few_different_candidates_are_refused() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    with pytest.raises(InvalidArgumentError, match="`candidates` must have at least 4 different"):
        choose(space, 4, candidates=np.repeat(space.sample(3, seed=0), 3, axis=0))


def test_candidates_of_another_space_are_refused() -> None:
    other = SearchSpace("ofa_resnet50").sample(20, seed=0)
    with pytest.raises(InvalidSubnetError, match="`candidates` must have shape"):
        choose(SearchSpace("ofa_mbv3_fashion"), 5, candidates=other)


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_a_number_that_is_not_positive_is_refused(n: object) -> None:
    with pytest.raises(InvalidArgumentError, match="`n` must be"):
        choose(SearchSpace("ofa_mbv3_fashion"), n)  # type: ignore[arg-type]


def test_all_of_a_small_space_but_not_more() -> None:
    space = SearchSpace("ofa_mbv3_fashion").restrict(
        resolution=20, depth=2, kernel=3, parameters={"stage1.block1.expand": [3, 4]}
    )
    space = space.restrict(expand=[3]) if space.n_subnets > 1000 else space
    found = choose(space, space.n_subnets)
    assert len(np.unique(found, axis=0)) == space.n_subnets
    with pytest.raises(InvalidArgumentError, match="`space` must have at least"):
        choose(space, space.n_subnets + 1)


def test_configurations_of_a_plain_table_show_every_value() -> None:
    space = SearchSpace.of_choices({"a": range(5), "b": ["x", "y", "z"], "c": range(40)})
    found = choose(space, 10)
    assert set(found[:, 0]) == set(range(5))
    assert set(found[:, 1]) == set(range(3))


def test_more_subnets_than_are_drawn() -> None:
    space = SearchSpace("ofa_mbv3_fashion")
    assert len(np.unique(choose(space, 1500), axis=0)) == 1500
