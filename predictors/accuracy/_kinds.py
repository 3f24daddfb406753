"""The models that can be fitted to measured subnets, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from optuna_ofa.exceptions import FormatError, InvalidArgumentError
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._model import AccuracyModel
from optuna_ofa.predictors.accuracy._prior import PriorPredictor, ReadPredictor, read_prior
from optuna_ofa.predictors.accuracy._ridge import RidgeModel
from optuna_ofa.predictors.gaussian_process._corrected import CorrectedProcess
from optuna_ofa.predictors.gaussian_process._model import ProcessModel
from optuna_ofa.predictors.gaussian_process._process import GaussianProcess
from optuna_ofa.predictors.gaussian_process._sparse import SparseGaussianProcess
from optuna_ofa.space import SearchSpace

_CORRECTED = "corrected"
ModelKind = Literal["gaussian_process", "sparse_gaussian_process", "ridge"]


def fit_model(
    kind: ModelKind,
    space: SearchSpace,
    rows: MeasuredRows,
    *,
    penalty: float | None,
    seed: int,
    prior: PriorPredictor | None = None,
) -> AccuracyModel:
    """Fit the model with a given name.

    Raises:
        InvalidArgumentError: If the name is unknown, or ``penalty`` or ``prior`` is not
            applicable.
    """
    if prior is not None and kind != "gaussian_process":
        raise InvalidArgumentError(
            f"`prior` must be None unless model='gaussian_process', but got one with {kind!r}."
        )
    if penalty is not None and kind != "ridge":
        raise InvalidArgumentError(
            f"`penalty` must be None unless model='ridge', but got {penalty} with {kind!r}."
        )
    if kind == "ridge":
        return RidgeModel.fit(space, rows, penalty)
    if prior is not None:
        return CorrectedProcess.fit(space, rows, prior, seed=seed)
    if kind == "sparse_gaussian_process":
        return SparseGaussianProcess.fit(space, rows, seed=seed)
    return GaussianProcess.fit(space, rows, seed=seed)


def refit_model(
    model: AccuracyModel,
    space: SearchSpace,
    rows: MeasuredRows,
    *,
    penalty: float | None,
    seed: int,
) -> AccuracyModel:
    """Fit a model of the same kind to other rows; a Gaussian process keeps its hyper-parameters."""
    if isinstance(model, RidgeModel):
        return RidgeModel.fit(space, rows, penalty)
    if isinstance(model, ProcessModel):
        return GaussianProcess.fit(space, rows, logs=model.logs)
    if isinstance(model, CorrectedProcess):
        return CorrectedProcess.fit(space, rows, model.expected, like=model)
    return fit_model("gaussian_process", space, rows, penalty=None, seed=seed)


def read_model(space: SearchSpace, data: Mapping[str, Any], read: ReadPredictor) -> AccuracyModel:
    """Read what `AccuracyModel.to_dict` wrote.

    Args:
        space: The space of the subnets.
        data: The numbers.
        read: Reads the predictor that a model corrects.

    Raises:
        FormatError: If its ``kind`` is unknown, or something is missing or does not fit.
    """
    kind = data.get("kind") if isinstance(data, Mapping) else None
    if kind == _CORRECTED:
        return CorrectedProcess.from_dict(space, data, read_prior(space, data.get("prior"), read))
    if not isinstance(kind, str) or kind not in _READERS:
        known = ", ".join([*_READERS, _CORRECTED])
        raise FormatError(f"`model` must have a `kind` among {known}, but has {kind!r:.100}.")
    return _READERS[kind](space, data)


def _read_published(space: SearchSpace, data: Mapping[str, Any]) -> AccuracyModel:
    from optuna_ofa.predictors.accuracy._onehot_mlp import OneHotMLP  # needs torch

    return OneHotMLP.from_dict(space, data)


_READERS: dict[str, Callable[[SearchSpace, Mapping[str, Any]], AccuracyModel]] = {
    "ridge": RidgeModel.from_dict,
    "gaussian_process": GaussianProcess.from_dict,
    "sparse_gaussian_process": SparseGaussianProcess.from_dict,
    "published": _read_published,
}
