"""Limits of boards, and boards that no subnet fits."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from optuna_ofa import SearchSpace
from optuna_ofa.data import find_board
from optuna_ofa.exceptions import ImplausibleValueWarning, InfeasibleConstraintError
from optuna_ofa.problem import Problem, board_constraints
from optuna_ofa.space import Matrix

BOARD = find_board("stm32f411")  # 128 kB, 512 kB
Cost = Callable[[Matrix], NDArray[np.float64]]


def of_depth(start: float, step: float) -> Cost:
    """A cost that changes with the number of blocks, from that of the smallest subnet."""
    return lambda matrix: start + step * (matrix[:, 1:6].sum(axis=1) - 10.0)


def problem_with(space: SearchSpace, sram: Cost, flash: Cost) -> Problem:
    costs = {"sram_kb": sram, "flash_kb": flash}
    return Problem(
        space=space, objectives=["sram_kb"], constraints=BOARD.limits, predictors=costs, board=BOARD
    )


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, {"sram_kb": 128, "flash_kb": 512}),
        ({"top1": 70, "sram_kb": 100}, {"top1": 70, "sram_kb": 100, "flash_kb": 512}),
        ({"flash_kb": 512, "sram_kb": 128}, {"flash_kb": 512, "sram_kb": 128}),
    ],
)
def test_the_smaller_limit_applies(own: dict[str, float], expected: dict[str, float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = board_constraints(BOARD, own)
    assert found == expected
    assert list(found)[: len(own)] == list(own)


def test_a_limit_above_that_of_the_board_is_said() -> None:
    message = r"`constraints\['sram_kb'\]` is 200 kB, but STM32F411 has 128 kB, which applies"
    with pytest.warns(ImplausibleValueWarning, match=message):
        assert board_constraints(BOARD, {"sram_kb": 200})["sram_kb"] == 128


def test_a_board_that_some_subnet_fits(small_space: SearchSpace) -> None:
    problem_with(small_space, of_depth(128, 1), of_depth(512, 1)).require_fits()
    # neither the smallest nor the largest subnet
    problem_with(
        small_space,
        lambda matrix: 128 + np.abs(matrix[:, 1:6].sum(axis=1) - 13.0),
        of_depth(400, 1),
    ).require_fits()


@pytest.mark.parametrize(
    ("sram", "flash", "message"),
    [
        (
            of_depth(130, 5), of_depth(300, 1),
            r"`board` must fit a subnet of the space, but STM32F411 has 131,072 bytes of SRAM and "
            r"524,288 of flash, and the nearest subnet, .*, needs 133,120 bytes of SRAM and "
            r"307,200 of flash \(predicted\); the smallest board that it fits is 'esp32', ESP32 "
            r"\(160 kB SRAM",
        ),
        (of_depth(100, 1), of_depth(600, 1), r"fits is 'esp32'"),
        (of_depth(90, 1), of_depth(600, 1), r"fits is 'stm32l476'"),
        (of_depth(700, 1), of_depth(300, 1), r"; no known board is large enough for it\."),
        # the smallest subnet needs too much flash, all others too much SRAM
        (of_depth(128, 4), of_depth(513, -1), r"131,072 bytes of SRAM and 525,312 of flash"),
    ],
    ids=["SRAM", "flash", "smaller", "none", "both"],
)  # fmt: skip
def test_the_nearest_subnet_and_the_next_board(
    small_space: SearchSpace, sram: Cost, flash: Cost, message: str
) -> None:
    with pytest.raises(InfeasibleConstraintError, match=message):
        problem_with(small_space, sram, flash).require_fits()


def test_an_arena_is_said_to_be_found_and_a_file_to_be_smallest(small_space: SearchSpace) -> None:
    with pytest.raises(InfeasibleConstraintError, match="the smallest value that was found is 130"):
        problem_with(small_space, of_depth(130, 5), of_depth(1, 1)).require_reachable()
    with pytest.raises(InfeasibleConstraintError, match="the smallest reachable value is 600"):
        problem_with(small_space, of_depth(1, 1), of_depth(600, 1)).require_reachable()


def test_a_description_names_the_board_if_there_is_one(small_space: SearchSpace) -> None:
    cost = of_depth(1, 1)
    assert problem_with(small_space, cost, cost).describe()["board"] == "stm32f411"
    problem = Problem(
        space=small_space, objectives=["sram_kb"], constraints={}, predictors={"sram_kb": cost}
    )
    assert "board" not in problem.describe()
    problem.require_fits()
