"""The models that can be fitted to measured subnets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.accuracy._ridge import RidgeModel
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess
from optuna_ofa.space import SearchSpace

ModelKind = Literal["gaussian_process", "ridge"]


def fit_model(
    kind: ModelKind, space: SearchSpace, rows: MeasuredRows, *, penalty: float | None, seed: int
) -> AccuracyModel:
    """Fit the model with a given name.

    Raises:
        InvalidArgumentError: If the name is unknown, or ``penalty`` is not positive or not
            applicable.
    """
    if penalty is not None and kind != "ridge":
        raise InvalidArgumentError(
            f"`penalty` must be None unless model='ridge', but got {penalty} with {kind!r}."
        )
    if kind == "ridge":
        return RidgeModel.fit(space, rows, penalty)
    return GaussianProcess.fit(space, rows, seed=seed)


def read_model(space: SearchSpace, data: Mapping[str, Any]) -> AccuracyModel:
    """Read what `AccuracyModel.to_dict` wrote.

    Raises:
        FormatError: If its ``kind`` is unknown, or something is missing or does not fit.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind not in get_args(ModelKind):
        raise FormatError(
            f"`model` must have a `kind` among {', '.join(get_args(ModelKind))}, but "
            f"has {kind!r:.100}."
        )
    return (RidgeModel if kind == "ridge" else GaussianProcess).from_dict(space, data)
