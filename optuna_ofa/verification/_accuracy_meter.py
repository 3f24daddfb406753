"""A meter of accuracy on images, through a supernet."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, checked
from optuna_ofa.evaluation import (
    SUBNETS_AT_ONCE,
    Accuracies,
    EvaluationData,
    EvaluationSettings,
    KnownAnswers,
    Loader,
    Precision,
    Runtime,
    evaluate_on,
    weights_hash,
)
from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.executors import Executor, require_one_engine
from optuna_ofa.space import Matrix, SearchSpace, Subnet, other_family
from optuna_ofa.supernet import Supernet
from optuna_ofa.verification._entrants import Entrants
from optuna_ofa.verification._meter import ALL, Meter, Readings


class AccuracyMeter(Meter):
    """A meter of top-1 accuracy in percent, as `optuna_ofa.evaluate` computes it.

    A subnet that it has evaluated is not evaluated again as long as the weights do not change:
    one meter for several studies evaluates each subnet once. Standard deviations are those from
    sampling the images.

    Args:
        supernet: The supernet.
        loader: As in `optuna_ofa.evaluate`.
        settings: As in `optuna_ofa.evaluate`; the calibration images are taken once for all
            subnets.
        storage: A database that accuracies are looked up in and written to; None is that of the
            verified study, if it is relational.
        fitted_on: The images that the accuracy predictor was fitted on, if they are different:
            every subnet is evaluated on both, and the verification separates the predictor's mean
            error from the effect of the change of images. A loader, like ``loader``.
        precision: As in `EvaluationSettings`; None is that of ``settings``.
        runtime: As in `EvaluationSettings`; None is that of ``settings``.
        race: Whether the subnets of a verification race on accuracy and the other objectives, as
            in `optuna_ofa.evaluate` with ``costs``. Those that stop early are not measured: they
            become no trials, and `Verification.partial` has what is known of them. The costs are
            the measured ones where a meter measures them. Subnets that the meter, or its database,
            knows on all images compete too.

    Raises:
        InvalidArgumentError: As `EvaluationSettings`, if the settings do not fit the precision or
            the runtime.
    """

    @checked
    def __init__(
        self,
        supernet: Supernet,
        loader: Loader,
        settings: EvaluationSettings,
        *,
        storage: StorageUrl | BaseStorage | optuna.Study | None = None,
        fitted_on: Loader | None = None,
        precision: Precision | None = None,
        runtime: Runtime | None = None,
        race: bool = False,
    ) -> None:
        if precision is not None or runtime is not None:
            settings = settings.computing(runtime, precision)
        self._supernet = supernet
        self._data = EvaluationData(loader, supernet.family)
        self._settings, self._storage = settings, storage
        computation = settings.computation_of(supernet)
        self.precision: str = computation.precision
        self.runtime: str = computation.runtime
        self.n_together: int = ALL if race or settings.processes > 1 else SUBNETS_AT_ONCE
        self.races = race
        self._memory: dict[str, KnownAnswers] = {}
        self._known: dict[tuple[str, Subnet], tuple[float, float, float]] = {}
        self._setups: dict[str, Mapping[str, Any]] = {}  # by weights
        self._executor: Executor | None = None
        self._progress: bool | None = False
        self._other: AccuracyMeter | None = None
        if fitted_on is not None:
            self._other = AccuracyMeter(supernet, fitted_on, settings, storage=storage)

    def on(self, executor: Executor, *, progress: bool | None = False) -> AccuracyMeter:
        """Return a meter that evaluates on the workers of an executor, as `evaluate` does.

        Raises:
            InvalidArgumentError: If the settings are for several processes.
        """
        require_one_engine(executor, self._settings.processes)
        other = copy.copy(self)
        other._executor, other._progress, other.n_together = executor, progress, ALL
        if self._other is not None:
            other._other = self._other.on(executor, progress=progress)
        return other

    def measure_among(self, batch: Entrants, storage: optuna.Study | None) -> Readings:
        """Evaluate those subnets that were not evaluated yet; if they race, until they stop."""
        if not self.races:
            return super().measure_among(batch, storage)
        subnets = batch.space.from_matrix(batch.matrix)
        n = batch.n_before
        rivals = zip(subnets[:n], batch.costs[:n].tolist(), strict=True)
        found = self._evaluated(
            batch.space, batch.new, storage, costs=batch.costs[n:], rivals=dict(rivals)
        )
        complete = np.isfinite(found.top1)
        other = None
        if self._other is not None:
            other = np.full(len(complete), np.nan)
            whole = batch.new[complete]
            if len(whole):
                other[complete] = self._other.measure(batch.space, whole, storage).values
        return Readings(
            found.top1,
            found.top1_std,
            dict(found.failures),
            setup=self._setups[found.setup["weights"]],
            on_fitted=other,
            n_images=np.where(complete, found.n_images, 0).astype(np.int64),
            partial=found.partial,
        )

    def _evaluated(
        self,
        space: SearchSpace,
        matrix: Matrix,
        storage: optuna.Study | None,
        *,
        costs: NDArray[np.float64] | None = None,
        rivals: Mapping[Subnet, Sequence[float]] | None = None,
    ) -> Accuracies:
        """Evaluate subnets, and note what their accuracies depend on."""
        if space.family != self._supernet.family:
            raise FamilyMismatchError(
                f"`measure['top1']` must have a supernet of {space.family.name}, but it is of "
                f"{other_family(self._supernet.family, space.family)}."
            )
        found = evaluate_on(
            self._data,
            self._supernet,
            matrix,
            self._settings,
            storage=self._storage if self._storage is not None else storage,
            progress=self._progress,
            costs=costs,
            memory=self._memory,
            rivals=rivals,
            executor=self._executor,
        )
        label = {} if self._settings.data is None else {"label": self._settings.data}
        setup = {**found.setup, "data": self._data.identity, **label}
        self._setups[found.setup["weights"]] = setup
        return found

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Evaluate those subnets that were not evaluated yet."""
        weights = weights_hash(self._supernet)
        keys = [(weights, subnet) for subnet in space.from_matrix(matrix)]
        missing = np.array([i for i, key in enumerate(keys) if key not in self._known], dtype=int)
        failures = {}
        if len(missing):
            found = self._evaluated(space, matrix[missing], storage)
            failures = {int(missing[i]): reason for i, reason in found.failures.items()}
            columns = (found.top1, found.top1_std, found.n_images)
            rows = zip(*(column.tolist() for column in columns), strict=True)
            new = {keys[i]: row for i, row in zip(missing, rows, strict=True)}
            self._known |= {key: row for key, row in new.items() if row[0] == row[0]}
        nothing = (np.nan, np.nan, 0.0)
        values, std, n_images = np.array([self._known.get(key, nothing) for key in keys]).T
        other = None
        if self._other is not None:
            other = self._other.measure(space, matrix, storage).values
        return Readings(
            values,
            std,
            failures,
            setup=self._setups.get(weights, {}),
            on_fitted=other,
            n_images=n_images.astype(np.int64),
        )
