"""Subnets that fail, told apart from a device that fails."""

from __future__ import annotations

import re
from collections.abc import Iterable

from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.space import Subnet

# this many failures in a row are blamed on the device, not on the subnets
IN_A_ROW = 3
# parts that may differ between messages of one error: addresses and numbers
_NUMBERS = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)


class Failures:
    """The subnets that failed in one call. They are written when the call completes.

    Args:
        n: Subnets that the call is to measure.
    """

    def __init__(self, n: int) -> None:
        self.reasons: dict[Subnet, str] = {}
        self._n = n
        self._n_measured = self._in_a_row = 0

    def add(self, outcomes: Iterable[tuple[Subnet, str | None]]) -> None:
        """Add subnets in the order in which they were measured, with the reasons of failures.

        Raises:
            MeasurementError: If three failed in a row.
        """
        for subnet, reason in outcomes:
            if reason is None:
                self._n_measured += 1
                self._in_a_row = 0
                continue
            self.reasons[subnet] = reason
            self._in_a_row += 1
            if self._in_a_row == IN_A_ROW:
                raise self._stopped(f"{IN_A_ROW} subnets in a row failed")

    @property
    def are_all(self) -> bool:
        """Whether several failed with the same error, and none could be measured."""
        kinds = {_NUMBERS.sub("", reason) for reason in self.reasons.values()}
        return len(self.reasons) > 1 and not self._n_measured and len(kinds) == 1

    def finish(self) -> None:
        """End the call.

        Raises:
            MeasurementError: If several subnets failed with the same error, and none could be
                measured.
        """
        if self.are_all:
            raise self._stopped(f"all {len(self.reasons)} subnets failed with the same error")

    def _stopped(self, why: str) -> MeasurementError:
        last = list(self.reasons.values())[-1]
        return MeasurementError(
            f"Measuring stopped after {self._n_measured} of {self._n} subnets, because {why}: "
            f"{last}. What was measured before is kept in the `storage`, if there is one; call "
            f"again to continue."
        )
