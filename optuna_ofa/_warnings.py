"""Warnings that point at the user's line of code."""

from __future__ import annotations

import sys
import warnings

_INSIDE = ("optuna_ofa", "optuna", "functools", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line: the first caller that is neither in Optuna nor in this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
