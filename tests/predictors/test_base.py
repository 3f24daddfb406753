"""What all predictors share, and costs as predictors."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.costs import layer_macs, layer_params
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.space import SearchSpace, subnet_layers

SPACE = SearchSpace("ofa_mbv3_w1.2")


@pytest.mark.parametrize(
    ("metric", "price"),
    [("n_macs", layer_macs), ("n_params", layer_params)],
    ids=["macs", "params"],
)
def test_costs_are_exact(metric: str, price: object) -> None:
    assert callable(price)
    matrix = SPACE.sample(20, seed=0)
    expected = [sum(map(price, subnet_layers(subnet))) for subnet in SPACE.from_matrix(matrix)]
    predictor = CostPredictor(metric, SPACE)
    np.testing.assert_array_equal(predictor.predict(matrix), expected)
    assert (predictor.metric, predictor.direction) == (metric, "minimize")


def test_costs_have_no_standard_deviations() -> None:
    assert CostPredictor("n_macs", SPACE).predict_std(SPACE.sample(1, seed=0)) is None


def test_unknown_cost_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"one of n_macs, n_params, .* but got 'flops"):
        CostPredictor("flops", SPACE)


def test_require_takes_the_space_and_smaller_ones() -> None:
    predictor = CostPredictor("n_macs", SPACE)
    predictor.require(SPACE)
    predictor.require(SPACE.restrict(resolution=[160, 224], kernel=3))


def test_require_refuses_another_family() -> None:
    expected = r"`n_macs` must be of the family ofa_resnet50 .* is of ofa_mbv3_w1\.2: name"
    with pytest.raises(FamilyMismatchError, match=expected):
        CostPredictor("n_macs", SPACE).require(SearchSpace("ofa_resnet50"))


def test_require_refuses_choices_that_are_not_covered() -> None:
    predictor = CostPredictor("n_macs", SPACE.restrict(kernel=[3, 5]))
    expected = r"keep 'stage1.block1.kernel' among \[3, 5\].*'n_macs' covers, but got \[7\] as well"
    with pytest.raises(InvalidArgumentError, match=expected):
        predictor.require(SPACE)
