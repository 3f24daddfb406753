"""Groups of subnets that share a pass over the images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from optuna_ofa.evaluation._order import Part
from optuna_ofa.space import Subnet

# number of subnets that share one pass over the images, which are read and resized once
SUBNETS_AT_ONCE = 8
_ROUNDS = 2  # in which what is left is divided among workers, so that they end together


class Group(NamedTuple):
    """Subnets of one resolution that share a pass over the images.

    Args:
        subnets: The subnets, at least one.
        part: The images; None for all.
    """

    subnets: Sequence[Subnet]
    part: Part | None = None

    @property
    def resolution(self) -> int:
        """Their resolution."""
        return self.subnets[0].resolution


# the first subnets, at most so many, that are to be evaluated, and the rest
Take = Callable[[Sequence[Subnet], int], tuple[list[Subnet], Sequence[Subnet]]]


def first(subnets: Sequence[Subnet], n: int) -> tuple[list[Subnet], Sequence[Subnet]]:
    """Return the first ``n`` subnets, and the rest."""
    return list(subnets[:n]), subnets[n:]


def divided(
    subnets: Sequence[Subnet], n_workers: int, take: Take = first
) -> Iterator[list[Subnet]]:
    """Yield groups of subnets of one resolution.

    For several workers the large resolutions come first, and groups become smaller towards the
    end, so that no worker waits for long for the last one. The results do not depend on it.

    Args:
        subnets: The subnets.
        n_workers: Number of workers.
        take: Takes a group, when it is its turn; it may pass over subnets that others evaluate.
    """
    by_resolution: dict[int, list[Subnet]] = {}
    for subnet in subnets:
        by_resolution.setdefault(subnet.resolution, []).append(subnet)
    n_left = len(subnets)
    order = sorted(by_resolution, reverse=True) if n_workers > 1 else list(by_resolution)
    for resolution in order:
        rest: Sequence[Subnet] = by_resolution[resolution]
        while rest:
            share = -(-n_left // (_ROUNDS * n_workers)) if n_workers > 1 else n_left
            size = min(SUBNETS_AT_ONCE, share)
            n_before = len(rest)
            group, rest = take(rest, size)
            n_left -= n_before - len(rest)
            if group:
                yield group
