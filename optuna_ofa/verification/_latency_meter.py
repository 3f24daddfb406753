"""A meter of latency on this device."""

from __future__ import annotations

import optuna
from optuna.storages import BaseStorage

from optuna_ofa._arguments import OutputFolder, PositiveFloat, StorageUrl, checked
from optuna_ofa.executors import AnyExecutor
from optuna_ofa.profiling import GRAPHS_AT_ONCE, MeasurementSettings, measure, require_no_folder
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.verification._meter import ALL, Meter, Readings


class LatencyMeter(Meter):
    """A meter of latency in milliseconds, as `optuna_ofa.measure` measures it.

    All latencies are scaled to the anchor's first measurement. Standard deviations are those of a
    single round.

    Args:
        settings: As in `optuna_ofa.measure`.
        anchor_ms: As in `optuna_ofa.measure`.
        folder: As in `optuna_ofa.measure`.
        storage: A database that latencies are looked up in and written to; None is that of the
            verified study, if it is relational.
        executor: As in `optuna_ofa.measure`: devices of one kind that measure instead of this one.
            The ``executor`` of `SubnetStudy.verify` does not: which device is measured is said
            here.
    """

    n_together: int = GRAPHS_AT_ONCE

    @checked
    def __init__(
        self,
        settings: MeasurementSettings | None = None,
        *,
        anchor_ms: PositiveFloat | None = None,
        folder: OutputFolder | None = None,
        storage: StorageUrl | BaseStorage | optuna.Study | None = None,
        executor: AnyExecutor | None = None,
    ) -> None:
        if executor is not None:
            require_no_folder(folder)
            self.n_together = ALL
        self._settings, self._storage, self._executor = settings, storage, executor
        self._anchor_ms, self._folder = anchor_ms, folder
        settings = settings or MeasurementSettings()
        self.precision: str = settings.precision
        runtime = settings.runtime
        self.runtime: str | None = runtime if isinstance(runtime, str) else None

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Measure those subnets that the database does not have."""
        found = measure(
            space,
            matrix,
            self._settings,
            storage=self._storage if self._storage is not None else storage,
            anchor_ms=self._anchor_ms,
            folder=self._folder,
            progress=False,
            executor=self._executor,
        )
        if found.measured.any():
            self._anchor_ms = found.anchor_ms
        setup = {**found.setup, "anchor_ms": found.anchor_ms}
        return Readings(found.latency_ms, found.std_ms, dict(found.failures), setup=setup)
