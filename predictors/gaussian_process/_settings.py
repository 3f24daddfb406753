"""The numbers of a Gaussian process that do not depend on how it is summarised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._values import array, number, of_metric
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors._thermometer import GaussianProcessInputs
from optuna_ofa.predictors.gaussian_process._expected import Expected, ExpectingInputs
from optuna_ofa.predictors.gaussian_process._kernel import HyperPrior, Rows, fit_logs, n_groups
from optuna_ofa.space import Matrix, SearchSpace

# Fitting time grows with the cube of the rows; more than this hardly change the predictions.
MAX_TUNING_ROWS = 500
# largest absolute logarithm of any hyper-parameter that a fit finds
_MAX_LOG = 12.0
# largest standard deviation of accuracies, and of the noise, in points
_MAX_STD = 50.0


class Settings(NamedTuple):
    """Hyper-parameters and the unit that they are in.

    Args:
        logs: Hyper-parameters, see `Kernel`; in units of ``scale``.
        level: Mean accuracy of the measured subnets, in percent.
        scale: Standard deviation of their accuracies, in points.
    """

    logs: NDArray[np.float64]
    level: float
    scale: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {"level": self.level, "scale": self.scale, "logs": self.logs.tolist()}

    @classmethod
    def from_dict(cls, inputs: GaussianProcessInputs, data: Mapping[str, Any]) -> Settings:
        """Read what `to_dict` wrote, and ``n_features`` beside it.

        Raises:
            FormatError: If something does not fit the inputs.
            KeyError: If something is missing.
        """
        n = len(inputs.groups)
        if data.get("n_features") != n:
            raise FormatError(
                f"`n_features` must be {n} for the space, but is {data.get('n_features')!r:.100}."
            )
        n_kernel = 2 * n_groups(inputs.groups) + 1
        logs = array(data["logs"], "`logs`", (n_kernel + inputs.shares.shape[1],))
        level = of_metric("top1", data["level"], "`level`")
        scale = number(data["scale"], "`scale`", least=0, most=_MAX_STD, above=True)
        if np.abs(logs).max() > _MAX_LOG or scale * np.exp(logs[n_kernel:].max()) > _MAX_STD:
            raise FormatError(
                f"`logs` must be numbers between {-_MAX_LOG} and {_MAX_LOG}, those of the noise at "
                f"most {_MAX_STD:g} points, but got {data['logs']!r:.200}."
            )
        return cls(logs, level, scale)


class Standardised(NamedTuple):
    """Measured subnets as a Gaussian process takes them.

    Args:
        inputs: Their features.
        rows: What the covariance depends on.
        targets: ``(n,)`` what is left of what is expected, in units of ``scale``.
        level: Mean accuracy, in percent.
        scale: Standard deviation of the accuracies, in points, or of what is expected.
    """

    inputs: GaussianProcessInputs
    rows: Rows
    targets: NDArray[np.float64]
    level: float
    scale: float

    @classmethod
    def of(
        cls, space: SearchSpace, measured: MeasuredRows, expected: Expected | None = None
    ) -> Standardised:
        """Return measured subnets with their features."""
        level, scale = float(measured.top1.mean()), float(measured.top1.std())
        if expected is not None:
            scale = max(scale, float(expected(measured.matrix)[:, 0].std()))
        inputs = expecting_inputs(space, measured.matrix, expected, scale)
        known = (measured.top1 - level) / scale
        return cls(
            inputs,
            Rows(inputs.features, inputs.shares, measured.counts.astype(np.float64)),
            known - inputs.features @ inputs.expected,
            level,
            scale,
        )

    def tuned(
        self,
        *,
        seed: int,
        n_rows: int | None = None,
        before: Callable[[NDArray[np.intp]], HyperPrior] = HyperPrior.usual,
    ) -> Settings:
        """Return hyper-parameters by marginal likelihood of at most ``n_rows``."""
        n, groups = len(self.targets), self.inputs.groups
        some = np.random.default_rng(seed).permutation(n)[: n_rows or MAX_TUNING_ROWS]
        logs = fit_logs(self.rows.select(some), self.targets[some], groups, before(groups))
        return Settings(logs, self.level, self.scale)


def expecting_inputs(
    space: SearchSpace, matrix: Matrix, expected: Expected | None, unit: float
) -> GaussianProcessInputs:
    """Return features, with the columns of what is expected if there is something."""
    if expected is None:
        return GaussianProcessInputs(space, matrix)
    return ExpectingInputs(space, matrix, expected=expected, unit=unit)
