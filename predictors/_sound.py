"""The check of a predictor that was read from a file: what it predicts is possible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._plausible import PERCENT, possible_range, warn_fractions
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]
_N_RANDOM = 100
_LEAST_INSIDE = 0.8  # of the subnets
# largest subnets take at most a hundred times as long as smallest ones, at all resolutions
_MOST_RATIO = 1000


def require_sound(predictor: Predictor, where: str, *, with_std: bool = True) -> None:
    """Refuse a predictor whose predictions are impossible for a subnet, or equal for all.

    The smallest and the largest subnet of its space and 100 random ones, always the same, are
    tried.

    Args:
        predictor: The predictor.
        where: Begins the message: "`path` accuracy.pth".
        with_std: Whether to try standard deviations too.

    Raises:
        FormatError: With the worst subnet, and what is predicted for it.

    Warns:
        ImplausibleValueWarning: Predicted accuracies are probably fractions.
    """
    space, metric = predictor.space, predictor.metric
    ends = space.to_matrix([space.smallest(), space.largest()])
    matrix = np.concatenate([ends, space.sample(_N_RANDOM, seed=0)])
    try:
        with np.errstate(all="ignore"):
            values = np.asarray(predictor.predict(matrix), dtype=float)
            std = predictor.predict_std(matrix) if with_std else None
    except (ArithmeticError, RuntimeError, ValueError) as error:  # such as a singular matrix
        raise FormatError(f"{where} must predict {metric}, but cannot: {error!r:.200}.") from error
    low, high = possible_range(metric)
    _require(predictor, matrix, values, low, high, f"{where} must predict {metric}, but predicts")
    if std is not None:
        known = np.where(np.isnan(std), 0, std)  # NaN is unknown
        of = f"{where} must know how sure it is of {metric}, but predicts a standard deviation of"
        _require(predictor, matrix, known, -np.finfo(float).tiny, high, of)
    lowest, highest = values.min(), values.max()
    is_alone = len(np.unique(matrix, axis=0)) == 1
    if metric in PERCENT:
        is_wrong = np.mean((values >= 0) & (values <= 100)) < _LEAST_INSIDE
    else:
        is_wrong = highest > _MOST_RATIO * lowest
    if is_wrong or (lowest == highest and not is_alone):
        raise FormatError(
            f"{where} must predict {metric}, but predicts {lowest:g} to {highest:g} for all "
            f"{len(matrix)} subnets."
        )
    warn_fractions(metric, values, where)


def _require(
    predictor: Predictor, matrix: Matrix, values: Array, low: float, high: float, text: str
) -> None:
    """Refuse values that are not above ``low`` and at most ``high``; name the worst."""
    wrong = ~((values > low) & (values <= high) & np.isfinite(values))
    if wrong.any():
        far = np.where(np.isnan(values), np.inf, np.abs(values - np.clip(values, low, high)))
        worst = int(np.argmax(np.where(wrong, far, -1)))
        (subnet,) = predictor.space.from_matrix(matrix[[worst]])
        raise FormatError(
            f"{text} {values[worst]:g} for {subnet} ({wrong.sum()} of {len(matrix)} subnets)."
        )
