"""Warnings that point at the line of the user."""

from __future__ import annotations

import sys
import warnings

_INSIDE = ("optuna_ofa", "optuna", "functools", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn of a line of the user: of the first caller that is neither Optuna nor this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
