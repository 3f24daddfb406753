"""Measured latencies of many subnets, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa.space import Matrix, SearchSpace

COLUMNS = ("latency_ms", "min_ms", "std_ms", "wall_ms", "n_rounds")


@dataclass(frozen=True, eq=False)
class Latencies:
    """Measured latencies of subnets on one device, in the order of the arguments.

    Args:
        space: The space of the matrix.
        matrix: ``(n, n_genes)`` canonical genotypes.
        latency_ms: ``(n,)`` medians by the process's CPU clock (by the wall clock with several
            threads, by events on a CUDA device), corrected for drift; NaN where the runtime
            failed.
        min_ms: ``(n,)`` fastest rounds by the same clock.
        std_ms: ``(n,)`` standard deviations of a round, from the quartiles.
        wall_ms: ``(n,)`` medians by the wall clock, waiting for other programs included.
        n_rounds: ``(n,)`` numbers of rounds.
        setup: Runtime, versions, settings, clock and processor.
        anchor_ms: Latency of the anchor subnet that all others were measured beside.
        failures: Reasons why the runtime failed, by row.
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
        """``(n,)`` mask of the subnets that the runtime could run."""
        return np.isfinite(self.latency_ms)

    def select(self, rows: ArrayLike) -> Latencies:
        """Return some of the rows, chosen by a mask or indices."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        reasons = {i: self.failures.get(row) for i, row in enumerate(chosen.tolist())}
        failures = {i: reason for i, reason in reasons.items() if reason is not None}
        return replace(self, matrix=self.matrix[chosen], failures=failures, **columns)
