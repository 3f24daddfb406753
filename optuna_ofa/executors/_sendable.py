"""Whether an argument is why an engine could not run a task."""

from __future__ import annotations

import pickle
from typing import Any

from optuna_ofa._rules import shown
from optuna_ofa.exceptions import InvalidArgumentError


def refuse_unsendable(argument: str, value: Any, error: Exception) -> None:
    """Blame an argument that cannot be pickled for an error of an engine.

    Args:
        argument: The name of the argument.
        value: Its value.
        error: What the engine raised.

    Raises:
        InvalidArgumentError: If the value cannot be pickled.
    """
    try:
        pickle.dumps(value)
    except Exception as reason:
        raise InvalidArgumentError(
            f"`{argument}` must be picklable for the workers of `executor` (functions and classes "
            f"at the top of a module are), but got {shown(value)}: {reason}."
        ) from error
