"""One quantity of subnets, learnt from measurements."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Values
from optuna_ofa.predictors import averaged
from optuna_ofa.samplers.models._features import RowFeatures
from optuna_ofa.samplers.models._kernel import Settings
from optuna_ofa.samplers.models._process import Process
from optuna_ofa.samplers.models._transformation import (
    Identity,
    Logarithm,
    Transformation,
    YeoJohnson,
)
from optuna_ofa.space import ChoiceTable, Matrix, SearchSpace

Vector = NDArray[np.float64]
Prior = Callable[[Matrix], Vector]
# Hyper-parameters are fitted again when there are this many times more measurements.
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
    """The estimate of one quantity of any subnet: a line of its prior, and a process of the rest.

    Args:
        model: The process; None if there is nothing that it could learn.
        prior: What the line is of, None for a constant.
        line: Intercept and slope.
        unit: What the line is divided by to be a feature of the process; 0 if it is none.
        scale: Of the process, the line and the prior.
        features: What the process takes otherwise.
    """

    def __init__(
        self,
        *,
        model: Process | None,
        prior: Prior | None,
        line: Vector,
        unit: float,
        scale: Transformation,
        features: RowFeatures,
    ) -> None:
        self._model, self._prior, self._line, self._unit = model, prior, line, unit
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
        left = std = np.zeros(len(matrix))
        if self._model is not None:
            own = mean[:, None] / self._unit if self._unit else np.empty((len(matrix), 0))
            left, std = self._model.estimate(np.hstack([features, own]))
        mean, inverse = mean + left, self._scale.inverse
        spread = (inverse(mean + std) - inverse(mean - std)) / 2
        return Estimate(inverse(mean), spread, inverse(mean - optimism * std))


class QuantityLearner:
    """Refits one quantity as more of it is measured.

    Args:
        space: The subnets.
        features: Their features; None is built here.
        prior: An estimate available beforehand, such as a published predictor. What is left of it
            is learnt; one that measurements agree with exactly is used as it is.
        is_cost: Whether smaller is better; then positive values are learnt as logarithms, because
            costs are multiplicative, and others of a plain table on a scale on which they are about
            normal.
    """

    def __init__(
        self,
        space: SearchSpace,
        features: RowFeatures | None = None,
        *,
        prior: Prior | None,
        is_cost: bool,
    ) -> None:
        self._prior, self._is_table = prior, isinstance(space.table, ChoiceTable)
        self._features = RowFeatures(space) if features is None else features
        self._is_cost = is_cost
        self._settings: Settings | None = None
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
            model = self._fit_model(matrix, left, None, float(left.std()), scale, seed)
            return self._learned(model, None, line, scale)
        alike = 1 / _MOST_SLOPE <= abs(line[1]) <= _MOST_SLOPE
        line = np.array([0.0, 1.0 if alike else line[1]])
        expected = _on_line(self._prior, line, matrix, scale)
        unit = float(max(targets.std(), expected.std()))
        model = self._fit_model(matrix, targets - expected, expected, unit, scale, seed)
        return self._learned(model, self._prior, line, scale, unit)

    def _learned(
        self,
        model: Process | None,
        prior: Prior | None,
        line: Vector,
        scale: Transformation,
        unit: float = 0.0,
    ) -> LearnedQuantity:
        return LearnedQuantity(
            model=model, prior=prior, line=line, unit=unit, scale=scale, features=self._features
        )

    def _scale_of(self, values: Vector) -> Transformation:
        if not self._is_cost:
            return Identity()
        if values.min() > 0:
            return Logarithm()
        # subnets of one supernet have no long tail of bad ones
        may_bend = self._is_table and self._prior is None
        return YeoJohnson.of(values) if may_bend else Identity()

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

    def _fit_model(
        self,
        matrix: Matrix,
        values: Vector,
        expected: Vector | None,
        unit: float,
        scale: Transformation,
        seed: int,
    ) -> Process:
        rows = averaged(matrix, values)
        columns, groups = self._features(rows.matrix), self._features.groups
        if expected is not None:
            own = averaged(matrix, expected / unit).top1
            columns = np.column_stack([columns, own])
            groups = np.append(groups, len(self._features.scales))
        if self._is_outgrown(len(rows.matrix), scale):
            self._settings = None
        model = Process(
            columns,
            rows.top1,
            rows.counts.astype(float),
            groups=groups,
            scale=unit,
            before=Settings.before(self._features.scales, trusting=expected is not None),
            settings=self._settings,
            seed=seed,
        )
        self._settings = model.settings
        return model

    def _is_outgrown(self, n_rows: int, scale: Transformation) -> bool:
        """Return whether hyper-parameters have to be fitted again, and assume that they are."""
        n, kind = self._tuned_for
        outgrown = n_rows >= _GROWTH * n or type(scale) is not kind
        if outgrown:
            self._tuned_for = (n_rows, type(scale))
        return outgrown


def _on_line(prior: Prior | None, line: Vector, matrix: Matrix, scale: Transformation) -> Vector:
    if prior is None:
        return np.full(len(matrix), line[0])
    return np.asarray(line[0] + line[1] * scale(prior(matrix)))
