"""A Gaussian process on the ordered choices of a subnet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, InvalidSubnetError
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.gaussian_process._expected import Expected
from optuna_ofa.predictors.gaussian_process._kernel import HyperPrior, Kernel, Rows
from optuna_ofa.predictors.gaussian_process._model import ProcessModel
from optuna_ofa.predictors.gaussian_process._posterior import Posterior, whitening
from optuna_ofa.predictors.gaussian_process._settings import (
    Settings,
    Standardised,
    expecting_inputs,
)
from optuna_ofa.space import Matrix, SearchSpace

# their covariances take 800 MB
_MAX_ROWS = 10_000


class GaussianProcess(ProcessModel):
    """A Gaussian process with an RBF and a linear kernel on `Thermometer` features.

    Args:
        space: The space of the matrices.
        matrix: ``(n, n_genes)`` canonical genotypes of the measured subnets.
        counts: ``(n,)`` number of measurements of each.
        settings: Hyper-parameters.
        weights: ``(n,)`` inverse covariance of the rows times their standardised accuracies.
        expected: What was expected of subnets beforehand; the process is of what is left. None
            expects the level of each.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        matrix: Matrix,
        counts: NDArray[np.int64],
        settings: Settings,
        weights: NDArray[np.float64],
        expected: Expected | None = None,
    ) -> None:
        self._matrix, self._counts, self._weights = matrix, counts, weights
        inputs = expecting_inputs(space, matrix, expected, settings.scale)
        self._of_rows = Posterior(
            kernel=Kernel(settings.logs, inputs.groups),
            rows=Rows(inputs.features, inputs.shares, counts.astype(np.float64)),
            weights=weights,
            expected=inputs.expected,
        )
        super().__init__(inputs=inputs, posterior=self._of_rows, settings=settings)

    @classmethod
    def fit(
        cls,
        space: SearchSpace,
        rows: MeasuredRows,
        *,
        seed: int = 0,
        n_tuning_rows: int | None = None,
        logs: NDArray[np.float64] | None = None,
        expected: Expected | None = None,
        before: Callable[[NDArray[np.intp]], HyperPrior] = HyperPrior.usual,
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
                f"got {n}; use model='sparse_gaussian_process' or 'ridge', or fewer."
            )
        known = Standardised.of(space, rows, expected)
        if logs is None:
            settings = known.tuned(seed=seed, n_rows=n_tuning_rows, before=before)
        else:
            settings = Settings(logs, known.level, known.scale)
        inverse = whitening(Kernel(settings.logs, known.inputs.groups), known.rows)
        weights = (inverse @ known.targets) @ inverse
        return cls(
            space=space,
            matrix=rows.matrix,
            counts=rows.counts,
            settings=settings,
            weights=weights,
            expected=expected,
        )

    def left_out(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the error of each row if it is left out, and its standard deviation, in points.

        In closed form, with the same hyper-parameters (Rasmussen and Williams, 2006, section
        5.4.2).
        """
        errors, std = self._of_rows.left_out()
        return self._scale * errors, self._scale * std

    def to_dict(self) -> dict[str, Any]:
        """Return the measured subnets and what was fitted, JSON-ready."""
        return {
            "kind": "gaussian_process",
            **self._settings.to_dict(),
            "n_features": self._inputs.features.shape[1],
            "matrix": encode_array(self._matrix),
            "counts": encode_array(self._counts),
            "weights": encode_array(self._weights),
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
            inputs = expecting_inputs(space, matrix[:1], expected, 1.0)
            settings = Settings.from_dict(inputs, data)
        except (InvalidSubnetError, KeyError, TypeError) as error:
            raise FormatError(
                f"`model` must hold a Gaussian process, but: {error!r:.300}."
            ) from error
        counts = decode_array(data, "counts", np.int64, (n,))
        if counts.min() < 1:
            raise FormatError(f"`counts` must be positive, but got {counts.min()}.")
        weights = decode_array(data, "weights", np.float64, (n,))
        return cls(
            space=space,
            matrix=matrix,
            counts=counts,
            settings=settings,
            weights=weights,
            expected=expected,
        )
