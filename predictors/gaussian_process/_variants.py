"""How far measurements may depart from what was expected: one distribution a degree of trust."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors.gaussian_process._kernel import HyperPrior, n_groups

# A process that corrects expectations departs from them by less than accuracies depart from their
# mean, and is nearly linear in them. Not tuned: figures change little between half and twice these.
_LENGTH, _FLAT = 5.0, 20.0
_SLOPE, _AMPLITUDE, _NOISE = 0.1, 0.3, 0.15
_LINE_SLOPE = 0.2  # standard deviation of the slope of the line around 1
_FEATURE_SLOPE = 1.0
_TERM_SLOPE = 2.0  # of other columns, in standard deviations of the accuracies
_LINE_STD = 0.3  # of the logarithms of these
_NOISE_ALONE = 0.3
_NOTHING = 1e-3

Trust = Literal["offset", "line", "process", "feature"]


def trusting(variant: Trust, n_columns: int, groups: NDArray[np.intp]) -> HyperPrior:
    """Return the distribution of hyper-parameters of a process with expectations.

    Args:
        variant: ``"offset"``: all differ from what is expected by one number, up to noise;
            ``"line"``: by a line; ``"process"``: by a line and a process; ``"feature"``: what is
            expected is a feature like others, of which only more is expected.
        n_columns: The last groups are the columns of an `Expected`, the expected value first.
        groups: ``(n_features,)`` group of each feature.
    """
    n_own, n_terms = n_groups(groups) - n_columns, n_columns - 1
    if variant == "feature":
        return _with_columns(HyperPrior.usual(groups), n_own)
    corrects, tilts = variant == "process", variant != "offset"
    own = _SLOPE if corrects else _NOTHING
    values = [
        *[_LENGTH] * n_own,
        *[_FLAT] * (1 + n_terms),
        *[own] * n_own,
        _LINE_SLOPE if tilts else _NOTHING,
        *[_TERM_SLOPE] * n_terms,
        _AMPLITUDE if corrects else _NOTHING,
        _NOISE if corrects else _NOISE_ALONE,
    ]
    std = [
        *[float(corrects)] * n_own,
        *[_LINE_STD * corrects] * (1 + n_terms),
        *[float(corrects)] * n_own,
        _LINE_STD * tilts,
        *[_LINE_STD] * n_terms,
        float(corrects),
        1.0,
    ]
    return HyperPrior(np.log(values), np.array(std))


def _with_columns(usual: HyperPrior, n_own: int) -> HyperPrior:
    logs, std = usual.logs.copy(), usual.std.copy()
    n = (len(logs) - 2) // 2
    logs[n_own:n] = math.log(_FLAT)
    logs[n + n_own] = math.log(_FEATURE_SLOPE)
    logs[n + n_own + 1 : 2 * n] = math.log(_TERM_SLOPE)
    std[n_own:n] = std[n + n_own : 2 * n] = _LINE_STD
    return HyperPrior(logs, std)
