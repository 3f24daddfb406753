"""Latency on this device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage

from optuna_ofa.profiling import BATCH, MAX_SPREAD, Runtime, measure
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.verification._meter import Meter, Readings


class LatencyMeter(Meter):
    """Measures latency in milliseconds as `optuna_ofa.measure` does.

    All subnets are on the scale of the anchor's first measurement. Standard deviations are those
    of a round.

    Args:
        runtime: As in `optuna_ofa.measure`, like all that follow but ``storage``.
        threads: Threads of the runtime.
        batch: Images at once.
        precision: Precision of the runtime.
        device: Device of the runtime.
        pin: Processors to keep to.
        n_rounds: Rounds.
        max_spread: Relative standard deviation of a round above which a warning is given.
        anchor_ms: Latency of the anchor that all are scaled to.
        folder: Where graphs are kept.
        storage: Where latencies are looked up and written; None is the database of the study
            that is verified, if it is relational.
    """

    n_together = BATCH

    def __init__(
        self,
        runtime: str | Runtime = "onnxruntime",
        *,
        threads: int = 1,
        batch: int = 1,
        precision: str = "float32",
        device: str = "cpu",
        pin: Sequence[int] = (),
        n_rounds: int = 20,
        max_spread: float = MAX_SPREAD,
        anchor_ms: float | None = None,
        folder: str | Path | None = None,
        storage: str | BaseStorage | optuna.Study | None = None,
    ) -> None:
        self._runtime, self._threads, self._batch = runtime, threads, batch
        self._precision, self._device, self._pin = precision, device, pin
        self._n_rounds, self._max_spread = n_rounds, max_spread
        self._anchor_ms, self._folder, self._storage = anchor_ms, folder, storage

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Measure those subnets that the database does not have."""
        found = measure(
            space,
            matrix,
            runtime=self._runtime,
            threads=self._threads,
            batch=self._batch,
            storage=self._storage if self._storage is not None else storage,
            precision=self._precision,
            device=self._device,
            pin=self._pin,
            n_rounds=self._n_rounds,
            max_spread=self._max_spread,
            anchor_ms=self._anchor_ms,
            folder=self._folder,
            progress=False,
        )
        if found.measured.any():
            self._anchor_ms = found.anchor_ms
        return Readings(found.latency_ms, found.std_ms, dict(found.failures))
