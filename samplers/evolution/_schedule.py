"""The schedule of a search: sizes of generations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from optuna_ofa._arguments import NonNegativeFloat, Positive, check_fields
from optuna_ofa.exceptions import InvalidArgumentError


@runtime_checkable
class GenerationSize(Protocol):
    """Called by `Evolution` at the start of each generation."""

    def __call__(self, n_told: int) -> int:
        """Return the size of the generation after ``n_told`` results, at least 1."""


@dataclass(frozen=True)
class Growing:
    """A share of the number of evaluations, between two limits.

    Small generations learn the most from each result, large ones cost the least time per result;
    each further result adds less information.

    Args:
        share: Size divided by the number of results so far.
        smallest: Smallest size.
        largest: Largest size.
        first: Size of the first generation, which is spread over the space.

    Raises:
        InvalidArgumentError: If ``share`` is negative or not ``1 <= smallest <= largest``.
    """

    share: NonNegativeFloat = 0.02
    smallest: Positive = 25
    largest: Positive = 5000
    first: Positive = 50

    def __post_init__(self) -> None:
        check_fields(self)
        if self.smallest > self.largest:
            raise InvalidArgumentError(
                f"`smallest` must be at most `largest`, but got {self.smallest} and {self.largest}."
            )

    def __call__(self, n_told: int) -> int:
        """Return the size after ``n_told`` results."""
        if n_told == 0:
            return self.first
        return int(min(max(self.share * n_told, self.smallest), self.largest))


@dataclass(frozen=True)
class Constant:
    """Always the same size, as in NSGA-II.

    Args:
        size: The size.

    Raises:
        InvalidArgumentError: If it is below 1.
    """

    size: Positive = 100

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, n_told: int) -> int:
        """Return the size after ``n_told`` results."""
        return self.size
