"""A meter of accuracy on images, through a supernet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, checked
from optuna_ofa.evaluation import (
    SUBNETS_AT_ONCE,
    EvaluationData,
    EvaluationSettings,
    Loader,
    Precision,
    evaluate_on,
    weights_hash,
)
from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.space import Matrix, SearchSpace, Subnet, other_family
from optuna_ofa.supernet import Supernet
from optuna_ofa.verification._meter import Meter, Readings


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
        precision: As in `EvaluationSettings`; None is that of ``settings``. ``"int8"`` measures
            the network that ``export(..., format="onnx_int8")`` writes.

    Raises:
        InvalidArgumentError: As `EvaluationSettings`, if the settings do not fit the precision.
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
    ) -> None:
        if precision is not None:
            settings = replace(settings, precision=precision)
        self._supernet = supernet
        self._data = EvaluationData(loader, supernet.family)
        self._settings, self._storage = settings, storage
        self.precision = settings.precision_of(supernet)
        self.n_together = SUBNETS_AT_ONCE * settings.processes  # a group for each process
        self._known: dict[tuple[str, Subnet], tuple[float, float, float]] = {}
        self._setup: Mapping[str, Any] = {}
        self._other: AccuracyMeter | None = None
        if fitted_on is not None:
            self._other = AccuracyMeter(supernet, fitted_on, settings, storage=storage)

    def measure(self, space: SearchSpace, matrix: Matrix, storage: optuna.Study | None) -> Readings:
        """Evaluate those subnets that were not evaluated yet."""
        if space.family != self._supernet.family:
            raise FamilyMismatchError(
                f"`measure['top1']` must have a supernet of {space.family.name}, but it is of "
                f"{other_family(self._supernet.family, space.family)}."
            )
        weights = weights_hash(self._supernet)
        keys = [(weights, subnet) for subnet in space.from_matrix(matrix)]
        missing = np.array([i for i, key in enumerate(keys) if key not in self._known], dtype=int)
        failures = {}
        if len(missing):
            found = evaluate_on(
                self._data,
                self._supernet,
                matrix[missing],
                self._settings,
                storage=self._storage if self._storage is not None else storage,
                progress=False,
            )
            label = {} if self._settings.data is None else {"label": self._settings.data}
            self._setup = {**found.setup, "data": self._data.identity, **label}
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
            setup=self._setup,
            on_fitted=other,
            n_images=n_images.astype(np.int64),
        )
