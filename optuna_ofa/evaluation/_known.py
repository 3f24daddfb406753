"""What is known of the answers of subnets in one setup, in memory and in a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.evaluation._sampling import Sampling
from optuna_ofa.measurements import NO_ANSWERS, Answers, Claims, PartialTable
from optuna_ofa.space import Subnet


class KnownAnswers:
    """The answers of subnets on the first images of one order, which is fixed once.

    Args:
        n_images: Number of all images.
        table: The table that they are read from and written to; None keeps them in memory only.
    """

    def __init__(self, n_images: int, table: PartialTable | None = None) -> None:
        self._n_images, self._table = n_images, table
        self._answers: dict[Subnet, Answers] = {}
        self._sampling: Sampling | None = None
        self._stops: dict[tuple[str, int], Sequence[Any]] = {}

    @property
    def sampling(self) -> Sampling | None:
        """The order of the images; None until it is fixed."""
        if self._sampling is None and self._table is not None:
            differs = self._table.order()
            if differs is not None and len(differs) == self._n_images:
                self._sampling = Sampling(differs)
        return self._sampling

    def fix(self, differs: NDArray[np.float16]) -> Sampling:
        """Fix the order by how likely subnets differ on each image, ``(n,)``.

        Returns:
            The order; another process may have fixed another one.
        """
        if self._table is not None:
            differs = self._table.set_order(differs)
        self._sampling = Sampling(differs)
        return self._sampling

    def stops(self, race: str, n: int) -> Sequence[Any] | None:
        """Return which subnets of a race stopped after ``n`` images; None if not yet decided."""
        if (race, n) not in self._stops and self._table is not None:
            return self._table.stops(race, n)
        return self._stops.get((race, n))

    def add_stops(self, race: str, n: int, stops: Sequence[Any]) -> Sequence[Any]:
        """Add which subnets of a race stop after ``n`` images (JSON).

        Returns:
            What counts; another process may have written other ones first.
        """
        if self._table is not None:
            stops = self._table.add_stops(race, n, stops)
        self._stops[race, n] = stops
        return stops

    def read(self, subnets: Iterable[Subnet]) -> None:
        """Read the answers of subnets from the database."""
        if self._table is not None and self.sampling is not None:
            for subnet, found in self._table.read(list(subnets)).items():
                if len(self.of(subnet)) < len(found) <= self._n_images:
                    self._answers[subnet] = found

    def forget(self, subnets: Iterable[Subnet]) -> None:
        """Forget the answers of subnets, which are to be evaluated again."""
        for subnet in subnets:
            self._answers.pop(subnet, None)

    def of(self, subnet: Subnet) -> Answers:
        """Return the answers of a subnet, perhaps none."""
        return self._answers.get(subnet, NO_ANSWERS)

    def is_complete(self, subnet: Subnet) -> bool:
        """Return whether a subnet was evaluated on all images."""
        return len(self.of(subnet)) == self._n_images

    def add(self, right: Mapping[Subnet, NDArray[np.bool_]], claims: Claims | None = None) -> None:
        """Add answers on the images that follow.

        Args:
            right: ``(n, 2)``, top-1 and top-5, of each subnet.
            claims: The caller's claims, which are released; answers of a subnet whose claim was
                lost are not added.
        """
        found = {subnet: self.of(subnet).followed_by(more) for subnet, more in right.items()}
        if self._table is not None:
            written = self._table.write(found, claims)
            found = {subnet: found[subnet] for subnet in written}
        self._answers |= found
