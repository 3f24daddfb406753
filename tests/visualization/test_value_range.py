"""Axes that long error bars would press together."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_ofa.visualization._style import value_range

VALUES = np.array([2.0, 4.0, 6.0])


@pytest.mark.parametrize(
    ("std", "expected"),
    [
        ([0.1, 0.1, 0.1], None),
        ([np.nan, np.nan, np.nan], None),
        ([0.1, 50.0, 0.1], (0.0, 8.0)),
        ([np.nan, 50.0, 0.1], (0.0, 8.0)),
    ],
    ids=["short", "none", "long", "some"],
)
def test_the_range_is_that_of_the_values(
    std: list[float], expected: tuple[float, float] | None
) -> None:
    assert value_range(VALUES, np.array(std)) == expected


def test_one_value_has_room_of_its_own_size() -> None:
    assert value_range(np.array([2.0]), np.array([0.2])) is None
    assert value_range(np.array([2.0]), np.array([50.0])) == (1.0, 3.0)
    assert value_range(np.array([np.nan]), np.array([1.0])) is None
