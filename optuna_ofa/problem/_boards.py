"""The limits of a board, and boards that no subnet fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.costs import KILOBYTE
from optuna_ofa.data import Board, board_that_fits
from optuna_ofa.exceptions import ImplausibleValueWarning, InfeasibleConstraintError
from optuna_ofa.problem._reachable import best_reachable
from optuna_ofa.space import Matrix, SearchSpace

_N_RANDOM = 256
_WORDS = {"sram_kb": "SRAM", "flash_kb": "flash"}


def board_constraints(board: Board, own: Mapping[str, float]) -> dict[str, float]:
    """Return constraints with the limits of a board; the smaller of two limits applies.

    Args:
        board: The board.
        own: The user's constraints, which may leave a part of the memories to the application.

    Warns:
        ImplausibleValueWarning: If a limit of the user is above that of the board.
    """
    for metric in board.limits.keys() & own.keys():
        if own[metric] > board.limits[metric]:
            warn(
                f"`constraints[{metric!r}]` is {own[metric]:g} kB, but {board.title} has "
                f"{board.limits[metric]:g} kB, which applies.",
                ImplausibleValueWarning,
            )
    shared = {m: min(own.get(m, limit), limit) for m, limit in board.limits.items()}
    return {**own, **shared}


def require_fits(
    board: Board, space: SearchSpace, predict: Callable[[str, Matrix], NDArray[np.float64]]
) -> None:
    """Refuse a board that no subnet of a space fits.

    The subnet that exceeds the limits least is found by climbing: the arena is not a sum over
    layers, so it may be any, but is nearly always the smallest one.

    Args:
        board: The board.
        space: The space.
        predict: Predicts a metric of ``(n, n_genes)`` genotypes, ``(n,)``.

    Raises:
        InfeasibleConstraintError: If no subnet was found that fits; names the nearest one with its
            bytes, and the board with the smallest SRAM that it fits.
    """

    def excess(matrix: Matrix) -> NDArray[np.float64]:
        relative = [predict(m, matrix) / limit - 1 for m, limit in board.limits.items()]
        return np.asarray(np.maximum(relative, 0).sum(axis=0))

    nearest = best_reachable(space, excess, maximize=False, enough=0.0, n_random=_N_RANDOM)
    if nearest.value <= 0:
        return
    row = nearest.row[None]
    values = {metric: float(predict(metric, row)[0]) for metric in board.limits}
    larger = board_that_fits(values)
    advice = (
        f"the smallest board that it fits is {larger.name!r}, {larger}"
        if larger is not None
        else "no known board is large enough for it"
    )
    raise InfeasibleConstraintError(
        f"`board` must fit a subnet of the space, but {board.title} has {_bytes(board.limits)}, "
        f"and the nearest subnet, {space.from_matrix(row)[0]}, needs {_bytes(values)} (predicted); "
        f"{advice}."
    )


def _bytes(values: Mapping[str, float]) -> str:
    """Return memories in words: ``65,536 bytes of SRAM and 524,288 of flash``."""
    sram, flash = (f"{round(values[metric] * KILOBYTE):,}" for metric in _WORDS)
    return f"{sram} bytes of SRAM and {flash} of flash"
