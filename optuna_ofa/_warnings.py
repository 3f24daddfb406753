"""Warnings that point at the user's line of code."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

_INSIDE = ("optuna_ofa", "optuna", "functools", "contextlib")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the user's line: the first caller that is neither in Optuna nor in this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in _INSIDE:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def is_direct(*parts: str) -> bool:
    """Return whether code outside of this package called, not another part of it.

    Args:
        parts: Modules that the call may come through, as prefixes: ``"optuna_ofa.predictors"``.
    """
    through = ("optuna_ofa._arguments", "optuna_ofa._warnings", "functools", *parts)
    frame: FrameType | None = sys._getframe(1)
    while frame and frame.f_globals.get("__name__", "").startswith(through):
        frame = frame.f_back
    return not frame or frame.f_globals.get("__name__", "").split(".")[0] != "optuna_ofa"
