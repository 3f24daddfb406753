"""Predictions of accuracy from the posterior of a Gaussian process."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._torch import torch
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._blocks import BLOCK, KnownTangents, in_blocks
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.gaussian_process._kernel import Kernel
from optuna_ofa.predictors.gaussian_process._settings import Settings
from optuna_ofa.space import Matrix

# number of subnets whose features are held in memory at once
PIECE = 64 * BLOCK


class AnyPosterior(Protocol):
    """What predictions are computed from; see `Posterior`."""

    kernel: Kernel

    def means(self, x: torch.Tensor) -> torch.Tensor: ...
    def tangents(self, x: torch.Tensor) -> torch.Tensor: ...
    def variances(self, x: torch.Tensor) -> torch.Tensor: ...


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
        self._known_tangents = KnownTangents(posterior.tangents)

    @property
    def logs(self) -> torch.Tensor:
        """Hyper-parameters, for another fit."""
        return self._settings.logs

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        return self._level + self._scale * self._in_pieces(self._posterior.means, matrix)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations of a measurement, larger away from the measured subnets."""
        shares = torch.from_numpy(self._inputs.thermometer.shares(matrix))
        noise = self._posterior.kernel.noise(shares).square().numpy()
        known = self._in_pieces(self._posterior.variances, matrix)
        return np.asarray(self._scale * np.sqrt(known + noise))

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the tangent at each anchor: how the accuracy changes with each feature."""
        near = self._inputs.local(anchors)
        if near is None:
            return None
        features = self._inputs(anchors)
        tangents = self._known_tangents(anchors, features).numpy()
        slopes = self._scale * tangents[:, 1:]
        levels = self._level + self._scale * tangents[:, 0]
        levels -= np.einsum("ij,ij->i", features.numpy() + self._inputs.mean, slopes)

        def tangent(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
            changes = near(matrix, anchor)
            return np.asarray(levels[anchor] + np.einsum("ij,ij->i", changes, slopes[anchor]))

        return tangent

    def _in_pieces(
        self, forward: Callable[[torch.Tensor], torch.Tensor], matrix: Matrix
    ) -> NDArray[np.float64]:
        """Return ``forward`` of all rows, ``(n,)``, with only one chunk of features in memory."""
        values = np.empty(len(matrix))
        for start in range(0, len(matrix), PIECE):
            piece = slice(start, start + PIECE)
            values[piece] = in_blocks(forward, self._inputs(matrix[piece]))[:, 0].numpy()
        return values
