"""How many subnets are proposed before survivors are picked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from optuna_ofa._errors import InvalidArgumentError


class GenerationSize(Protocol):
    """Called by `Evolution` at the start of each generation."""

    def __call__(self, n_told: int) -> int:
        """The size of the generation after ``n_told`` results, at least 1."""


@dataclass(frozen=True)
class Growing:
    """A share of what has been evaluated, between two limits.

    Small generations learn the most from each result, large ones cost the least time for each;
    what one more result teaches grows less the more there are.

    Args:
        share: Size over the number of results so far.
        smallest: Least size.
        largest: Greatest size.
        first: Size of the first generation, which is spread over the space.

    Raises:
        InvalidArgumentError: If ``share`` is negative or not ``1 <= smallest <= largest``.
    """

    share: float = 0.02
    smallest: int = 25
    largest: int = 5000
    first: int = 50

    def __post_init__(self) -> None:
        if self.share < 0:
            raise InvalidArgumentError(f"`share` must not be negative, but got {self.share}.")
        if not 1 <= self.smallest <= self.largest or self.first < 1:
            raise InvalidArgumentError(
                f"`smallest` must be between 1 and `largest`, and `first` at least 1, but got "
                f"{self.smallest}, {self.largest} and {self.first}."
            )

    def __call__(self, n_told: int) -> int:
        """The size after ``n_told`` results."""
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

    size: int = 100

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InvalidArgumentError(f"`size` must be at least 1, but got {self.size}.")

    def __call__(self, n_told: int) -> int:
        """The size after ``n_told`` results."""
        return self.size
