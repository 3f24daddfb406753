"""Sizes of generations."""

from __future__ import annotations

import pytest

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.samplers import Constant, Growing


@pytest.mark.parametrize(
    ("n_told", "size"), [(0, 50), (50, 25), (1250, 25), (5000, 100), (25_000, 500), (10**6, 5000)]
)
def test_a_share_between_two_limits(n_told: int, size: int) -> None:
    assert Growing()(n_told) == size


def test_a_constant_size() -> None:
    assert [Constant(7)(n) for n in (0, 7, 10**6)] == [7, 7, 7]


@pytest.mark.parametrize(
    "arguments", [{"smallest": 0}, {"smallest": 6000}, {"first": 0}], ids=lambda a: next(iter(a))
)
def test_limits_in_the_wrong_order_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{next(iter(arguments))}` must be "):
        Growing(**arguments)


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`share` must be a number of at least 0, but"):
        Growing(share=-1)


def test_no_size_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`size` must be a whole number of at least 1"):
        Constant(0)
