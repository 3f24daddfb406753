"""Predictions of accuracy from the posterior of a Gaussian process."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._known_tangents import KnownTangents
from optuna_ofa.predictors._products import in_pieces, padded, rows_at_a_time
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.gaussian_process._kernel import Kernel
from optuna_ofa.predictors.gaussian_process._settings import Settings
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]


class AnyPosterior(Protocol):
    """What predictions are computed from; see `Posterior`."""

    kernel: Kernel

    @property
    def width(self) -> int: ...
    def means(self, x: Array) -> Array: ...
    def tangents(self, x: Array) -> Array: ...
    def variances(self, x: Array) -> Array: ...


class ProcessModel(AccuracyModel, abc.ABC):
    """A model whose posterior is a Gaussian process in units of its own.

    Args:
        inputs: From genotypes to features.
        posterior: Of the features.
        settings: Hyper-parameters, and the unit of the posterior.
    """

    def __init__(
        self, *, inputs: GaussianProcessInputs, posterior: AnyPosterior, settings: Settings
    ) -> None:
        self._inputs, self._posterior = inputs, posterior
        self._settings = settings
        self._level, self._scale = settings.level, settings.scale
        self._known_tangents = KnownTangents(self._tangents)

    @property
    def n_at_once(self) -> int:
        """Number of subnets that are predicted at once."""
        return rows_at_a_time(self._posterior.width)

    @property
    def logs(self) -> Array:
        """Hyper-parameters, for another fit."""
        return self._settings.logs

    def predict(self, matrix: Matrix) -> Array:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        return self._level + self._scale * self._in_pieces(self._posterior.means, matrix)

    def predict_std(self, matrix: Matrix) -> Array:
        """Return standard deviations of a measurement, larger away from the measured subnets."""
        noise = self._posterior.kernel.noise(self._inputs.thermometer.shares(matrix)) ** 2
        known = self._in_pieces(self._posterior.variances, matrix)
        return np.asarray(self._scale * np.sqrt(known + noise))

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the tangent at each anchor: how the accuracy changes with each feature."""
        dense = self._inputs.local(anchors)
        if dense is None:
            return None
        tangents = self._known_tangents(anchors, self._inputs(anchors))
        values = self._level + self._scale * tangents[:, 0]
        thermometer, slopes = self._inputs.thermometer, self._scale * tangents[:, 1:]
        change = thermometer.changes(anchors, slopes)
        others = slopes[:, self._inputs.of_several]
        before = dense(anchors, np.arange(len(anchors)))

        def tangent(matrix: Matrix, anchor: NDArray[np.intp]) -> Array:
            moves = dense(matrix, anchor) - before[anchor]
            return np.asarray(
                values[anchor]
                + change(matrix, anchor)
                + np.einsum("ij,ij->i", moves, others[anchor])
            )

        return tangent

    def _tangents(self, inputs: Array) -> Array:
        return in_pieces(
            lambda piece: self._posterior.tangents(padded(inputs[piece]))[: len(inputs[piece])],
            len(inputs),
            self._posterior.width,
        )

    def _in_pieces(self, forward: Callable[[Array], Array], matrix: Matrix) -> Array:
        """Return ``forward`` of all rows, ``(n,)``, with only a few features in memory."""

        def outputs(piece: slice) -> Array:
            features = self._inputs(matrix[piece])
            return forward(padded(features))[: len(features)]

        return in_pieces(outputs, len(matrix), self._posterior.width)
