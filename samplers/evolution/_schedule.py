"""The schedule of a search: sizes of generations, and restarts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

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


_FIRST, _SMALLEST = 50, 25


class Island(NamedTuple):
    """A search from scratch, which joins the main population when it ends.

    Args:
        start: Number of results before it.
        length: Number of its own results.
        n_generations: How many generations these are divided into.
    """

    start: int
    length: int
    n_generations: int

    def generation_size(self, n_told: int) -> int:
        """Return the size of the generation after ``n_told`` results."""
        if n_told == self.start:
            return _FIRST
        return max(_SMALLEST, self.length // self.n_generations)

    def ends_at(self, n_told: int) -> bool:
        """Return whether it has ended after ``n_told`` results."""
        return n_told >= self.start + self.length


@dataclass(frozen=True)
class Restarts:
    """Occasional islands, with as many results for the whole population between them.

    A population settles in one of several basins: its best subnets share most of their genes,
    and the way to better ones leads through worse ones. An island starts from a new spread of
    subnets and is merged into the population once its subnets can compete; mating both finds the
    rest.

    Args:
        first: Number of results before the first island; with few results, a single search finds
            the most.
        shortest: Smallest number of results of an island.
        share: Length of an island divided by the number of results before it.
        n_generations: How many generations an island has.

    Raises:
        InvalidArgumentError: If a number is below 1, or ``share`` negative.
    """

    first: Positive = 1000
    shortest: Positive = 1000
    share: NonNegativeFloat = 0.25
    n_generations: Positive = 30

    def __post_init__(self) -> None:
        check_fields(self)

    def next_island(self, n_told: int, last: Island | None) -> Island | None:
        """Return the island that starts after ``n_told`` results, if any.

        Args:
            n_told: Number of results so far.
            last: The previous island, which has ended.
        """
        begin = self.first if last is None else last.start + 2 * last.length
        if n_told < begin:
            return None
        length = max(self.shortest, int(self.share * n_told))
        return Island(n_told, length, self.n_generations)
