"""Batches that fail in part: finding the few items that something raises for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FailedPredictionWarning, PredictionError

T = TypeVar("T")


class Parted(Protocol):
    """An array or a sequence."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Any: ...


Items = TypeVar("Items", bound=Parted)


def in_parts(
    call: Callable[[Items], T], items: Items, errors: tuple[type[Exception], ...] = (Exception,)
) -> list[tuple[int, T | Exception]]:
    """Call with the whole batch, then with halves of any part that raises, down to single items.

    Args:
        call: Takes a part of the batch. A `PredictionError` propagates, because a predictor that
            does not return numbers is wrong as a whole.
        items: The batch, such as ``(n, n_genes)`` genotypes.
        errors: The errors to isolate; all others propagate.

    Returns:
        Number of items and result of each part, in their order; an error has one item.
    """
    if len(items) == 0:
        return []
    try:
        return [(len(items), call(items))]
    except PredictionError:
        raise
    except errors as error:
        if len(items) == 1:
            return [(1, error)]
    half = len(items) // 2
    return in_parts(call, items[:half], errors) + in_parts(call, items[half:], errors)


def warn_failed(errors: Sequence[Exception], n_all: int) -> None:
    """Warn that predictions have failed: how many, and the error of the first."""
    warn(
        f"A predictor failed for {len(errors)} of {n_all} subnets, which are not proposed again; "
        f"the first error is {error_in_words(errors[0])}",
        FailedPredictionWarning,
    )


def error_in_words(error: Exception) -> str:
    """Type and message of an error."""
    return f"{type(error).__name__}: {error}"
