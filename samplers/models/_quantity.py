"""One quantity of subnets, learnt from measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.predictors import CorrectedProcess, Expected, MeasuredRows, averaged
from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.samplers.models._kernel import Settings
from optuna_ofa.samplers.models._process import Process
from optuna_ofa.samplers.models._transformation import (
    Identity,
    Logarithm,
    Transformation,
    YeoJohnson,
)
from optuna_ofa.space import Matrix, SearchSpace

Vector = NDArray[np.float64]
Prior = Callable[[Matrix], Vector]
# Corrections are fitted to at most this many rows; all hyper-parameters again when there are this
# many times more.
_N_TUNING_ROWS = 300
_GROWTH = 1.25
# residuals below this share of the spread of the values are rounding errors
_EXACT = 1e-9
# a prior that has to be stretched by more is in another unit
_MOST_SLOPE = 5.0


class Estimate(NamedTuple):
    """What a model says of rows, ``(n,)`` each, in the quantity's own unit.

    Args:
        mean: Estimates; medians if they were learnt on another scale.
        std: Standard deviations of a measurement.
        optimistic: Values that are some standard deviations smaller than the mean.
    """

    mean: Vector
    std: Vector
    optimistic: Vector


class LearnedQuantity:
    """The estimate of one quantity of any subnet.

    Args:
        model: A process; None if there is nothing that it could learn.
        prior: What the line is of, None for a constant.
        line: Intercept and slope by which the prior's values are corrected; the model is of what
            is left of it.
        scale: Of the model, the line and the prior.
        features: What a `Process` takes.
    """

    def __init__(
        self,
        *,
        model: Process | CorrectedProcess | None,
        prior: Prior | None,
        line: Vector,
        scale: Transformation,
        features: RowFeatures,
    ) -> None:
        self._model, self._prior, self._line = model, prior, line
        self._scale, self._features = scale, features

    def mean(self, matrix: Matrix) -> Vector:
        """Return estimates of canonical rows, ``(n,)``; medians on another scale."""
        return self.estimate(matrix, self._features(matrix), 0.0).mean

    def std(self, matrix: Matrix) -> Vector:
        """Return standard deviations of a measurement, ``(n,)``, in the quantity's own unit."""
        return self.estimate(matrix, self._features(matrix), 0.0).std

    def estimate(self, matrix: Matrix, features: Values, optimism: float) -> Estimate:
        """Return estimates of rows.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            features: ``(n, n_features)`` their `RowFeatures`.
            optimism: How many standard deviations.
        """
        mean = _on_line(self._prior, self._line, matrix, self._scale)
        if isinstance(self._model, Process):
            left, std = self._model.estimate(features)
        elif self._model is not None:
            left, std = self._model.predict(matrix), self._model.predict_std(matrix)
        else:
            left = std = np.zeros(len(matrix))
        mean, inverse = mean + left, self._scale.inverse
        spread = (inverse(mean + std) - inverse(mean - std)) / 2
        return Estimate(inverse(mean), spread, inverse(mean - optimism * std))


class QuantityLearner:
    """Refits one quantity as more of it is measured.

    Args:
        space: The subnets.
        features: Their features; None is built here.
        prior: An estimate available beforehand, such as a published predictor, which
            `CorrectedProcess` corrects.
        is_cost: Whether smaller is better; then positive values are learnt as logarithms, because
            costs are multiplicative, and others on a scale on which they are about normal.
    """

    def __init__(
        self,
        space: SearchSpace,
        features: RowFeatures | None = None,
        *,
        prior: Prior | None,
        is_cost: bool,
    ) -> None:
        self._space, self._prior = space, prior
        self._features = RowFeatures(space) if features is None else features
        self._is_cost = is_cost
        self._settings: Settings | None = None
        self._corrected: CorrectedProcess | None = None
        self._tuned_for: tuple[int, type] = (0, Identity)

    def unmeasured(self) -> LearnedQuantity | None:
        """Return the prior as it is; None where there is none."""
        if self._prior is None:
            return None
        line = np.array([0.0, 1.0])
        return self._learned(None, self._prior, line, Identity())

    def fit(self, matrix: Matrix, values: Vector, *, seed: int) -> LearnedQuantity:
        """Learn from all measurements.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes, at least one; some may be equal.
            values: ``(n,)`` finite.
            seed: Picks the rows for hyper-parameters.
        """
        scale = self._scale_of(values)
        targets = scale(values)
        line = self._fit_line(matrix, targets, scale)
        left = targets - _on_line(self._prior, line, matrix, scale)
        if left.std() <= _EXACT * max(targets.std(), float(np.abs(targets).max())):
            return self._learned(None, self._prior, line, scale)
        if self._prior is None:
            model = self._fit_model(averaged(matrix, left), scale, seed)
            return self._learned(model, None, line, scale)
        corrected = self._correct(averaged(matrix, targets), float(line[1]), scale, seed)
        return self._learned(corrected, None, np.zeros(2), scale)

    def _learned(
        self,
        model: Process | CorrectedProcess | None,
        prior: Prior | None,
        line: Vector,
        scale: Transformation,
    ) -> LearnedQuantity:
        return LearnedQuantity(
            model=model, prior=prior, line=line, scale=scale, features=self._features
        )

    def _scale_of(self, values: Vector) -> Transformation:
        if not self._is_cost:
            return Identity()
        if values.min() > 0:
            return Logarithm()
        return Identity() if self._prior is not None else YeoJohnson.of(values)

    def _fit_line(self, matrix: Matrix, targets: Vector, scale: Transformation) -> Vector:
        if self._prior is None:
            return np.array([targets.mean(), 0.0])
        known = scale(self._prior(matrix))
        spread = known.std()
        # two values determine no line, and one value no slope
        if len(targets) > 2 and spread > _EXACT * float(np.abs(known).max()):
            slope = ((known - known.mean()) * targets).mean() / spread**2
        else:
            slope = 1.0
        return np.array([targets.mean() - slope * known.mean(), slope])

    def _fit_model(self, rows: MeasuredRows, scale: Transformation, seed: int) -> Process:
        if self._is_outgrown(rows, scale):
            self._settings = None
        model = Process(self._features, rows, settings=self._settings, seed=seed)
        self._settings = model.settings
        return model

    def _correct(
        self, rows: MeasuredRows, slope: float, scale: Transformation, seed: int
    ) -> CorrectedProcess:
        assert self._prior is not None
        if self._is_outgrown(rows, scale):
            self._corrected = None
        before = self._corrected
        model = CorrectedProcess.fit(
            self._space,
            rows,
            _Scaled.of(self._prior, slope, scale) if before is None else before.expected,
            seed=seed,
            n_tuning_rows=_N_TUNING_ROWS,
            like=before,
        )
        self._corrected = model
        return model

    def _is_outgrown(self, rows: MeasuredRows, scale: Transformation) -> bool:
        """Return whether hyper-parameters have to be fitted again, and assume that they are."""
        n, kind = self._tuned_for
        outgrown = len(rows.matrix) >= _GROWTH * n or type(scale) is not kind
        if outgrown:
            self._tuned_for = (len(rows.matrix), type(scale))
        return outgrown


class _Scaled(Expected):
    """A prior in the unit of the measured values.

    Args:
        prior: The prior.
        factor: What it is multiplied by.
        scale: Which is applied before.
    """

    def __init__(self, prior: Prior, factor: float, scale: Transformation) -> None:
        self._prior, self._factor, self._scale = prior, factor, scale

    @classmethod
    def of(cls, prior: Prior, slope: float, scale: Transformation) -> _Scaled:
        """Return the prior as it is, or in another unit if the slope to it is far from 1."""
        alike = 1 / _MOST_SLOPE <= abs(slope) <= _MOST_SLOPE
        return cls(prior, 1.0 if alike else slope, scale)

    def __call__(self, matrix: Matrix) -> Vector:
        return self._factor * self._scale(self._prior(matrix))[:, None]


def _on_line(prior: Prior | None, line: Vector, matrix: Matrix, scale: Transformation) -> Vector:
    if prior is None:
        return np.full(len(matrix), line[0])
    return np.asarray(line[0] + line[1] * scale(prior(matrix)))
