"""Plain functions as predictors."""

from __future__ import annotations

import functools
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import SearchSpace, Subnet
from optuna_ofa.exceptions import InvalidArgumentError, PredictionError
from optuna_ofa.predictors import FunctionPredictor
from optuna_ofa.space import Matrix

SPACE = SearchSpace("ofa_mbv3_w1.0")
MATRIX = SPACE.sample(5, seed=0)
DEPTHS = [float(sum(subnet.depth)) for subnet in SPACE.from_matrix(MATRIX)]


def of_subnet(subnet):  # type: ignore[no-untyped-def]
    return sum(subnet.depth)


def of_matrix(matrix):  # type: ignore[no-untyped-def]
    return [sum(subnet.depth) for subnet in SPACE.from_matrix(matrix)]


def said_subnet(x: Subnet) -> float:
    return float(sum(x.depth))


def said_matrix(x: NDArray[np.int16]) -> NDArray[np.float64]:
    return np.array(of_matrix(x), dtype=float)


def said_alias(x: Matrix) -> list[float]:
    return of_matrix(x)  # type: ignore[no-any-return]


class Scaled:
    """A callable object."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, x: Subnet) -> float:
        return self.scale * sum(x.depth)

    def method(self, x: Subnet) -> float:
        return self(x)


def _scaled(scale: float, subnet: Any) -> Any:
    return scale * sum(subnet.depth)


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (of_subnet, "subnet"),
        (of_matrix, "matrix"),
        (said_subnet, "subnet"),
        (said_matrix, "matrix"),
        (said_alias, "matrix"),
        (Scaled(1.0), "subnet"),
        (Scaled(1.0).method, "subnet"),
        (functools.partial(_scaled, 1.0), "subnet"),
        (lambda matrix: np.array(of_matrix(matrix)), "matrix"),
        (lambda subnet: np.float32(sum(subnet.depth)), "subnet"),
    ],
)
def test_what_a_function_takes_is_found_out(function: Any, takes: str) -> None:
    predictor = FunctionPredictor("depth", function, SPACE)
    assert predictor.takes == takes
    assert predictor.predict(MATRIX).tolist() == DEPTHS


def test_an_annotation_needs_no_trial_call() -> None:
    calls = []

    def slow(subnet: Subnet) -> float:
        calls.append(subnet)
        return 1.0

    FunctionPredictor("depth", slow, SPACE)
    assert calls == []


def test_a_function_of_a_matrix_is_called_once_a_batch() -> None:
    calls = []

    def batched(matrix: Matrix) -> Any:
        calls.append(len(matrix))
        return of_matrix(matrix)

    FunctionPredictor("depth", batched, SPACE).predict(MATRIX)
    assert calls == [5]


def test_what_a_function_takes_may_be_said() -> None:
    predictor = FunctionPredictor("depth", lambda *x: 1.0, SPACE, takes="subnet")
    assert predictor.predict(MATRIX).tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (np.nan, r"must return 5 finite numbers, but returned nan"),
        (3.0, r"must return 5 finite numbers, but returned 3.0"),
        ([1.0, 2.0], r"must return 5 finite numbers, but returned 2 numbers"),
        ([1.0, 2.0, np.inf, 4.0, 5.0], r"must return 5 finite numbers, but returned inf among 5"),
        ("many", r"must return 5 finite numbers, but returned 'many'"),
        (["a"] * 5, r"must return 5 finite numbers, but returned \['a'"),
        (None, r"must return 5 finite numbers, but returned None"),
        (np.zeros((5, 2)), r"must return 5 finite numbers, but returned"),
    ],
    ids=str,
)
def test_what_is_no_number_a_subnet_is_refused(returned: Any, expected: str) -> None:
    def wrong(matrix: Matrix) -> Any:
        return returned

    predictor = FunctionPredictor("energy_mj", wrong, SPACE)
    with pytest.raises(PredictionError, match=f"wrong`, which predicts energy_mj, {expected}"):
        predictor.predict(MATRIX)


def test_a_subnet_without_a_number_is_named() -> None:
    def wrong(subnet: Subnet) -> Any:
        return None if subnet.resolution > 128 else 1.0

    predictor = FunctionPredictor("energy_mj", wrong, SPACE)
    with pytest.raises(PredictionError, match=r"a finite number for ofa_mbv3_w1\.0@\d+ .*None"):
        predictor.predict(MATRIX)


def test_a_function_that_takes_neither_is_refused_with_both_errors() -> None:
    def neither(subnet):  # type: ignore[no-untyped-def]
        return subnet.energy

    expected = (
        r"`function` must predict energy_mj of a subnet or of a matrix, but .*neither raised "
        r"AttributeError .* for a matrix and AttributeError .*energy.* for a subnet"
    )
    with pytest.raises(InvalidArgumentError, match=expected):
        FunctionPredictor("energy_mj", neither, SPACE)


def test_a_predictor_of_a_top_level_function_is_pickled() -> None:
    again = pickle.loads(pickle.dumps(FunctionPredictor("depth", of_subnet, SPACE)))
    assert again.predict(MATRIX).tolist() == DEPTHS
