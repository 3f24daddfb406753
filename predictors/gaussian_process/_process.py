"""A Gaussian process on the ordered choices of a subnet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa._torch import torch
from optuna_ofa._values import array, number, of_metric
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.predictors._base import LocalModel
from optuna_ofa.predictors._blocks import BLOCK, KnownTangents, in_blocks
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.gaussian_process._expected import Expected, ExpectingInputs
from optuna_ofa.predictors.gaussian_process._kernel import HyperPrior, Kernel, fit_logs, start_logs
from optuna_ofa.predictors.gaussian_process._posterior import Posterior
from optuna_ofa.space import Matrix, SearchSpace

# Fitting time grows with the cube of the rows; more than this hardly change the predictions.
MAX_TUNING_ROWS = 500
# their covariances take 800 MB
_MAX_ROWS = 10_000
# number of subnets whose features are held in memory at once
PIECE = 64 * BLOCK
# largest absolute logarithm of any hyper-parameter that a fit finds
_MAX_LOG = 8.0
# largest standard deviation of accuracies, and of the noise, in points
_MAX_STD = 50.0


class GaussianProcess(AccuracyModel):
    """A Gaussian process with an RBF and a linear kernel on `Thermometer` features.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` canonical genotypes of the measured subnets.
        counts: ``(n,)`` number of measurements of each.
        logs: Hyper-parameters, see `Kernel`; in units of ``scale``.
        weights: ``(n,)`` inverse covariance of the rows times their standardised accuracies.
        level: Mean accuracy of the rows, in percent.
        scale: Standard deviation of their accuracies, in points.
        expected: What was expected of subnets beforehand; the process is of what is left. None
            expects the level of each.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        matrix: Matrix,
        counts: NDArray[np.int64],
        logs: torch.Tensor,
        weights: torch.Tensor,
        level: float,
        scale: float,
        expected: Expected | None = None,
    ) -> None:
        self._matrix, self._counts = matrix, counts
        self._logs, self._weights = logs, weights
        self._level, self._scale = level, scale
        self._inputs = _inputs(space, matrix, expected, scale)
        self._posterior = Posterior(
            kernel=Kernel(logs, self._inputs.groups),
            features=self._inputs.features,
            counts=_floats(counts),
            weights=weights,
            expected=self._inputs.expected,
        )
        self._known_tangents = KnownTangents(self._posterior.tangents)

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        rows: MeasuredRows,
        *,
        seed: int = 0,
        n_tuning_rows: int | None = None,
        logs: torch.Tensor | None = None,
        expected: Expected | None = None,
        before: Callable[[torch.Tensor], HyperPrior] = HyperPrior.usual,
    ) -> GaussianProcess:
        """Fit to measured subnets, with hyper-parameters by marginal likelihood.

        Args:
            space: The space of the rows.
            rows: Measured subnets; the measurements may be of any quantity that varies.
            seed: Seed for choosing the rows to which hyper-parameters are fitted.
            n_tuning_rows: Largest number of such rows; None means 500.
            logs: Hyper-parameters of an earlier fit, `GaussianProcess.logs`, to keep.
            expected: What was expected of subnets beforehand; None expects the mean of the rows.
            before: Distribution of the hyper-parameters for the groups of the features.

        Raises:
            InvalidArgumentError: If there are too many rows for their covariances to fit into
                memory.
        """
        n = len(rows.top1)
        if n > _MAX_ROWS:
            raise InvalidArgumentError(
                f"`subnets` must be at most {_MAX_ROWS} different ones for a Gaussian process, but "
                f"got {n}; use model='ridge', or fewer."
            )
        level, scale = float(rows.top1.mean()), float(rows.top1.std())
        if expected is not None:
            scale = max(scale, float(expected(rows.matrix)[:, 0].std()))
        counts = _floats(rows.counts)
        inputs = _inputs(space, rows.matrix, expected, scale)
        targets = torch.from_numpy((rows.top1 - level) / scale) - inputs.features @ inputs.expected
        if logs is None:
            n_tuned = n_tuning_rows or MAX_TUNING_ROWS
            some = np.random.default_rng(seed).permutation(n)[:n_tuned]
            features, groups = inputs.features[some], inputs.groups
            logs = fit_logs(features, targets[some], counts[some], groups, before(groups))
        factor = Kernel(logs, inputs.groups).factor(inputs.features, counts)
        weights = torch.cholesky_solve(targets[:, None], factor)[:, 0]
        return cls(
            space=space,
            matrix=rows.matrix,
            counts=rows.counts,
            logs=logs,
            weights=weights,
            level=level,
            scale=scale,
            expected=expected,
        )

    @property
    def logs(self) -> torch.Tensor:
        """Hyper-parameters, for another fit."""
        return self._logs

    def left_out(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the error of each row if it is left out, and its standard deviation, in points.

        In closed form, with the same hyper-parameters (Rasmussen and Williams, 2006, section
        5.4.2).
        """
        errors, std = self._posterior.left_out()
        return self._scale * errors.numpy(), self._scale * std.numpy()

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the top-1 accuracies in percent, ``(n,)``."""
        return self._level + self._scale * self._in_pieces(self._posterior.means, matrix)

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations of a measurement, larger away from the measured subnets."""
        return self._scale * np.sqrt(self._in_pieces(self._posterior.variances, matrix))

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

    def to_dict(self) -> dict[str, Any]:
        """Return the measured subnets and what was fitted, JSON-ready."""
        return {
            "kind": "gaussian_process",
            "level": self._level,
            "scale": self._scale,
            "logs": self._logs.tolist(),
            "n_features": self._inputs.features.shape[1],
            "matrix": encode_array(self._matrix),
            "counts": encode_array(self._counts),
            "weights": encode_array(self._weights.numpy()),
        }

    @classmethod
    def from_dict(
        cls, space: SearchSpace, data: Mapping[str, Any], expected: Expected | None = None
    ) -> GaussianProcess:
        """Read what `to_dict` wrote.

        Args:
            space: The space of the matrices.
            data: The numbers.
            expected: What was expected beforehand, which is not among them.

        Raises:
            FormatError: If something is missing or inconsistent, or does not fit the space.
        """
        matrix = decode_array(data, "matrix", np.int16, (None, len(space.genes)))
        n = len(matrix)
        if not 1 <= n <= _MAX_ROWS:
            raise FormatError(f"`matrix` must have 1 to {_MAX_ROWS} rows, but has {n}.")
        try:
            matrix = space.canonicalize(space.check(matrix))
            groups = _inputs(space, matrix[:1], expected, 1.0).groups
            found = array(data["logs"], "`logs`", (len(start_logs(groups)),))
            level = of_metric("top1", data["level"], "`level`")
            scale = number(data["scale"], "`scale`", least=0, most=_MAX_STD, above=True)
        except (InvalidSubnetError, KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold a Gaussian process, but: {error!r:.300}."
            ) from error
        if data.get("n_features") != len(groups):
            raise FormatError(
                f"`n_features` must be {len(groups)} for {space}, but is "
                f"{data.get('n_features')!r:.100}."
            )
        if np.abs(found).max() > _MAX_LOG or scale * np.exp(found[-1]) > _MAX_STD:
            raise FormatError(
                f"`logs` must be numbers between {-_MAX_LOG} and {_MAX_LOG}, the last one, of the "
                f"noise, at most {_MAX_STD:g} points, but got {data['logs']!r:.200}."
            )
        counts = decode_array(data, "counts", np.int64, (n,))
        if counts.min() < 1:
            raise FormatError(f"`counts` must be positive, but got {counts.min()}.")
        weights = torch.from_numpy(decode_array(data, "weights", np.float64, (n,)))
        return cls(
            space=space,
            matrix=matrix,
            counts=counts,
            logs=torch.from_numpy(found),
            weights=weights,
            level=level,
            scale=scale,
            expected=expected,
        )


def _inputs(
    space: SearchSpace, matrix: Matrix, expected: Expected | None, unit: float
) -> GaussianProcessInputs:
    if expected is None:
        return GaussianProcessInputs(space, matrix)
    return ExpectingInputs(space, matrix, expected=expected, unit=unit)


def _floats(counts: NDArray[np.int64]) -> torch.Tensor:
    return torch.from_numpy(counts.astype(np.float64))
