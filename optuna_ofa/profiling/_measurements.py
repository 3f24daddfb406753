"""Measured latencies of many subnets, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa.measurements import Row
from optuna_ofa.space import Matrix, SearchSpace

COLUMNS = ("latency_ms", "min_ms", "std_ms", "wall_ms", "n_rounds")


@dataclass(frozen=True, eq=False)
class Measurements:
    """What was measured of subnets on one device, in the order in which they were asked for.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` canonical genotypes.
        latency_ms: ``(n,)`` medians by the process's CPU clock (by the wall clock with several
            threads, by events on a CUDA device), drift divided away; NaN where the runtime
            failed.
        min_ms: ``(n,)`` fastest rounds by the same clock.
        std_ms: ``(n,)`` standard deviations of a round, from the quartiles.
        wall_ms: ``(n,)`` medians by the wall clock, waiting for other programs included.
        n_rounds: ``(n,)`` rounds.
        setup: Runtime, versions, settings, clock and processor.
        anchor_ms: Latency of the anchor subnet that all others were measured beside.
        failures: Why the runtime failed, by row.
    """

    space: SearchSpace
    matrix: Matrix
    latency_ms: NDArray[np.float64]
    min_ms: NDArray[np.float64]
    std_ms: NDArray[np.float64]
    wall_ms: NDArray[np.float64]
    n_rounds: NDArray[np.float64]
    setup: Mapping[str, Any]
    anchor_ms: float
    failures: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.matrix)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """``(n,)`` whether the runtime could run each."""
        return np.isfinite(self.latency_ms)

    def select(self, rows: ArrayLike) -> Measurements:
        """Some of the rows, by a mask or indices."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        reasons = [self.failures.get(row) for row in chosen.tolist()]
        failures = {i: reason for i, reason in enumerate(reasons) if reason is not None}
        return Measurements(
            space=self.space,
            matrix=self.matrix[chosen],
            setup=self.setup,
            anchor_ms=self.anchor_ms,
            failures=failures,
            **columns,
        )


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
        return cls(
            row.value,
            details["min_ms"],
            row.std,
            details["wall_ms"],
            details["anchor_ms"],
            row.n,
            row.error,
        )
