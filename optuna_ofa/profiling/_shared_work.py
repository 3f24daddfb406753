"""The subnets of one call of `measure`, of which other callers may measure some."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np

from optuna_ofa._progress import GraphBar
from optuna_ofa.measurements import Claims, Failures, MeasurementTable, Reading, Sharing
from optuna_ofa.profiling._measure_part import METRIC, Part
from optuna_ofa.space import Subnet


class Work:
    """What a call of `measure` knows and measures.

    Args:
        table: Where latencies are read and written; None for nowhere.
        claims: The subnets that this call measures, while others measure the rest; None shares
            with nobody.
        known: The stored latencies, by subnet.
        anchor_ms: The latency of the anchor that all are scaled to; None takes the first one.
        n: Number of subnets to measure.
        bar: Shows the progress.
    """

    def __init__(
        self,
        table: MeasurementTable | None,
        claims: Claims | None,
        known: Mapping[Subnet, Sequence[Reading]],
        anchor_ms: float | None,
        n: int,
        bar: GraphBar,
    ) -> None:
        self._table, self._claims = table, claims
        self._last_row = 0 if table is None or claims is None else table.last_row()
        self._settled: set[Subnet] = set()
        self.anchor_ms = anchor_ms
        self.known = {s: self._median(readings) for s, readings in known.items()}
        self.failures = Failures(n)
        self.sharing = Sharing(claims, self._settle, bar.say)

    def rounds(self, missing: Sequence[Subnet]) -> Iterator[list[Subnet]]:
        """Yield the subnets that are not known, until all are; see `Sharing.rounds`."""
        return self.sharing.rounds(lambda: [s for s in missing if s not in self.known], self._look)

    def groups(self, subnets: Sequence[Subnet], n: int) -> Iterator[list[Subnet]]:
        """Yield ``n`` subnets after the other, each group claimed when it is its turn."""
        while subnets:
            group, subnets = self.sharing.take(subnets, n, self._new)
            if group:
                yield group

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Wait until no other caller measures on this device under the same conditions."""
        return self.sharing.alone(f"device {platform.node()}", lambda: False)

    def add(self, part: Part) -> None:
        """Add and write what was measured.

        Raises:
            MeasurementError: If three subnets in a row have failed.
        """
        if part.results is not None:
            self.anchor_ms = self.anchor_ms or part.results.anchor_ms
        readings = {s: self._on_scale(reading) for s, reading in part.readings.items()}
        good = {s: reading for s, reading in readings.items() if reading.error is None}
        lost = good.keys() - self._write(good)  # the readings of whoever took them over count
        self.known |= {s: reading for s, reading in readings.items() if s not in lost}
        self.failures.add((s, reading.error) for s, reading in readings.items())

    def end(self) -> None:
        """End the call, and write its failures.

        Raises:
            MeasurementError: As `Failures.finish`.
        """
        self.failures.finish()
        self._settle()

    def _look(self, waiting: Sequence[Subnet]) -> None:
        """Read what others have measured."""
        self.known |= self._elsewhere(waiting)

    def _new(self, claimed: list[Subnet]) -> list[Subnet]:
        found = self._elsewhere(claimed)
        return [subnet for subnet in claimed if subnet not in found]

    def _elsewhere(self, subnets: Sequence[Subnet]) -> dict[Subnet, Reading]:
        """Return the latencies, and the failures since this call began, that others wrote."""
        if self._table is None or not subnets:
            return {}
        failures = self._table.failures(subnets, self._last_row)
        found = self._table.read(subnets)
        if found and self.anchor_ms is None:
            self.anchor_ms = first_anchor_ms(self._table)
        return {
            **{s: of[-1] for s, of in failures.items()},
            **{s: self._median(of) for s, of in found.items()},
        }

    def _settle(self) -> None:
        """Write the failures, unless the device may be at fault; then others try."""
        reasons = self.failures.reasons
        new = {s: self.known[s] for s in reasons if s not in self._settled}
        if new and not self.failures.are_all:
            self._write(new)
            self._settled.update(new)

    def _write(self, readings: Mapping[Subnet, Reading]) -> Set[Subnet]:
        """Write readings, if there is a table; return the subnets that nobody has taken over."""
        if self._table is not None and self._claims is not None:
            return self._table.add_claimed(readings.items(), self._claims)
        if self._table is not None:
            self._table.add(readings.items())
        return readings.keys()

    def _on_scale(self, reading: Reading) -> Reading:
        """Return a reading as if the anchor had taken ``anchor_ms``."""
        own_ms = reading.details["anchor_ms"]
        if reading.value is None or reading.std is None or not own_ms or self.anchor_ms is None:
            return reading
        scale = self.anchor_ms / own_ms
        details = {**reading.details, "anchor_ms": self.anchor_ms}
        return reading._replace(
            value=reading.value * scale, std=reading.std * scale, details=details
        )

    def _median(self, readings: Sequence[Reading]) -> Reading:
        """Return the median of several readings of one subnet."""
        scaled = [self._on_scale(reading) for reading in readings]
        times = [(r.value, r.std, r.details["min_ms"], r.details["wall_ms"]) for r in scaled]
        value, std, min_ms, wall_ms = np.median(np.array(times, dtype=float), axis=0).tolist()
        details = {**scaled[-1].details, "min_ms": min_ms, "wall_ms": wall_ms}
        return scaled[-1]._replace(value=value, std=std, details=details)


def first_anchor_ms(table: MeasurementTable) -> float | None:
    """Return the latency of the anchor in the first measurement; None where there is none."""
    reading = table.first(METRIC)
    return None if reading is None else reading.details["anchor_ms"]
