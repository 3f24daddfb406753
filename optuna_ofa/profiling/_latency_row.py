"""A measured latency, and the row of the measurement table that it is kept in."""

from __future__ import annotations

from typing import NamedTuple

from optuna_ofa.measured import Row

METRIC = "latency_ms"


class LatencyRow(NamedTuple):
    """One measurement of one subnet; None and an ``error`` where the runtime failed."""

    latency_ms: float | None
    min_ms: float | None
    std_ms: float | None
    wall_ms: float | None
    anchor_ms: float | None
    n_rounds: int
    error: str | None = None

    def to_row(self) -> Row:
        """The row of the table."""
        details = {"min_ms": self.min_ms, "wall_ms": self.wall_ms, "anchor_ms": self.anchor_ms}
        return Row(METRIC, self.latency_ms, self.std_ms, self.n_rounds, details, self.error)

    @classmethod
    def from_row(cls, row: Row) -> LatencyRow:
        """The measurement of a row that `to_row` made."""
        details = row.details
        return cls(row.value, details["min_ms"], row.std, details["wall_ms"],
                   details["anchor_ms"], row.n, row.error)  # fmt: skip
