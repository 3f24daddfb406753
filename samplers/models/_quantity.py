"""One quantity of subnets, learnt from measurements."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._torch import torch
from optuna_ofa.predictors import GaussianProcess, averaged
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]
Prior = Callable[[Matrix], Vector]
# Hyper-parameters are fitted to at most this many rows, and again when there are this many times
# more: a fit to 300 takes a second, and one to 500 is hardly different.
_N_TUNING_ROWS = 300
_GROWTH = 1.25
# residuals below this share of the spread of the values are rounding errors
_EXACT = 1e-9


class LearnedQuantity:
    """The estimate of one quantity of any subnet.

    Args:
        model: Gaussian process of the residuals of the prior; None if there are none.
        prior: The prior, None for none.
        line: Intercept and slope by which the prior's values are corrected.
        logarithmic: Whether the model, the line and the prior are of logarithms.
    """

    def __init__(
        self, *, model: GaussianProcess | None, prior: Prior | None, line: Vector, logarithmic: bool
    ) -> None:
        self._model, self._prior, self._line = model, prior, line
        self._logarithmic = logarithmic

    def mean(self, matrix: Matrix) -> Vector:
        """Return estimates, ``(n,)``; the median if logarithmic."""
        values = _on_line(self._prior, self._line, matrix, self._logarithmic)
        if self._model is not None:
            values = values + self._model.predict(matrix)
        return np.exp(values) if self._logarithmic else values

    def std(self, matrix: Matrix) -> Vector:
        """Standard deviations of a measurement, ``(n,)``, in the quantity's own unit."""
        if self._model is None:
            return np.zeros(len(matrix))
        std = self._model.predict_std(matrix)
        return std * self.mean(matrix) if self._logarithmic else std


class QuantityLearner:
    """Refits one quantity as more of it is measured.

    Args:
        space: The subnets.
        prior: An estimate available beforehand, such as a published predictor; the model learns the
            residuals of a straight-line fit to it.
        may_be_logarithmic: Whether positive values are learnt as logarithms, because costs are
            multiplicative.
    """

    def __init__(
        self, space: SearchSpace, *, prior: Prior | None, may_be_logarithmic: bool
    ) -> None:
        self._space, self._prior = space, prior
        self._may_be_logarithmic = may_be_logarithmic
        self._logs: torch.Tensor | None = None
        self._tuned_for: tuple[int, bool] = (0, False)

    def unmeasured(self) -> LearnedQuantity | None:
        """Return the prior as it is; None where there is none."""
        if self._prior is None:
            return None
        line = np.array([0.0, 1.0])
        return LearnedQuantity(model=None, prior=self._prior, line=line, logarithmic=False)

    def fit(self, matrix: Matrix, values: Vector, *, seed: int) -> LearnedQuantity:
        """Learn from all measurements.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes, at least one; some may be equal.
            values: ``(n,)`` finite.
            seed: Picks the rows for hyper-parameters.
        """
        logarithmic = self._may_be_logarithmic and bool(values.min() > 0)
        targets = np.log(values) if logarithmic else values
        line = self._fit_line(matrix, targets, logarithmic)
        left = targets - _on_line(self._prior, line, matrix, logarithmic)
        model = None
        if left.std() > _EXACT * max(targets.std(), float(np.abs(targets).max())):
            model = self._fit_model(matrix, left, logarithmic, seed)
        return LearnedQuantity(model=model, prior=self._prior, line=line, logarithmic=logarithmic)

    def _fit_line(self, matrix: Matrix, targets: Vector, logarithmic: bool) -> Vector:
        if self._prior is None:
            return np.array([targets.mean(), 0.0])
        known = _transformed(self._prior(matrix), logarithmic)
        spread = known.std()
        if spread > _EXACT * float(np.abs(known).max()):
            slope = ((known - known.mean()) * targets).mean() / spread**2
        else:  # one value does not determine the slope
            slope = 1.0
        return np.array([targets.mean() - slope * known.mean(), slope])

    def _fit_model(
        self, matrix: Matrix, left: Vector, logarithmic: bool, seed: int
    ) -> GaussianProcess:
        rows = averaged(matrix, left)
        n, of_logarithms = self._tuned_for
        if len(rows.matrix) >= _GROWTH * n or logarithmic != of_logarithms:
            self._logs, self._tuned_for = None, (len(rows.matrix), logarithmic)
        model = GaussianProcess.fit(
            self._space, rows, seed=seed, n_tuning_rows=_N_TUNING_ROWS, logs=self._logs
        )
        self._logs = model.logs
        return model


def _on_line(prior: Prior | None, line: Vector, matrix: Matrix, logarithmic: bool) -> Vector:
    if prior is None:
        return np.full(len(matrix), line[0])
    return np.asarray(line[0] + line[1] * _transformed(prior(matrix), logarithmic))


def _transformed(values: Vector, logarithmic: bool) -> Vector:
    return np.log(np.maximum(values, np.finfo(float).tiny)) if logarithmic else values
