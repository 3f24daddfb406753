"""A predictor of other weights as what is expected of subnets."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    InvalidArgumentError,
    PredictionError,
)
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.predictors._thermometer import LocalFeatures
from optuna_ofa.predictors.gaussian_process._expected import Expected
from optuna_ofa.space import Family, Matrix, SearchSpace

# the second column is in units of 20 percent
_PER_LOG = 5.0


ReadPredictor = Callable[[Mapping[str, Any]], Predictor]


@runtime_checkable
class Stored(Protocol):
    """A predictor that can be read again."""

    def content(self) -> dict[str, Any]:
        """Return what a file holds of it."""


class PriorPredictor(Expected):
    """The predictions of another predictor, whose family has the same genes.

    Each subnet is mapped gene by gene. A resolution that the other predictor does not cover becomes
    the nearest that it covers, in logarithms, and a second column holds the logarithm of the ratio.

    Args:
        predictor: The other predictor.
        space: The space of the subnets.
        metric: What it must predict.

    Raises:
        InvalidArgumentError: If it predicts something else, or does not cover a choice of the space
            other than a resolution.
        FamilyMismatchError: If the families' architectures or genes differ.
    """

    def __init__(self, predictor: Predictor, space: SearchSpace, *, metric: str = "top1") -> None:
        _require(predictor, space, metric)
        self.predictor: Predictor = _quiet(predictor)
        (self._column,) = space.family.columns("resolution")
        name = space.genes[self._column].name
        wanted, covered = space.choices[name], np.array(predictor.space.choices[name])
        near = np.abs(np.log(np.array(wanted)[:, None] / covered)).argmin(axis=1)
        self._nearest = np.zeros(max(wanted) + 1, dtype=np.int16)
        self._nearest[list(wanted)] = covered[near]
        self.n_columns = 1 if set(wanted) <= set(covered.tolist()) else 2

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return the predictions and, if needed, the logarithms of ratios of resolutions.

        Raises:
            PredictionError: If a prediction is not a finite number.
        """
        rows = self._mapped(matrix)
        values = np.asarray(self.predictor.predict(rows), dtype=float)
        if values.shape != (len(rows),) or not np.isfinite(values).all():
            raise PredictionError(
                f"`prior` must predict {len(rows)} finite numbers, but predicted an array of "
                f"shape {values.shape} with {int((~np.isfinite(values)).sum())} that are not."
            )
        return self._columns(matrix, rows, values)

    def local(self, anchors: Matrix) -> LocalFeatures | None:
        """Return the columns near some subnets by the local model of the predictor."""
        model = self.predictor.local_model(self._mapped(anchors))
        if model is None:
            return None

        def near(matrix: Matrix, anchor: NDArray[np.intp]) -> NDArray[np.float64]:
            rows = self._mapped(matrix)
            return self._columns(matrix, rows, model(rows, anchor))

        return near

    def to_dict(self) -> dict[str, Any]:
        """Return the whole predictor, JSON-ready.

        Raises:
            InvalidArgumentError: If it is not an `AccuracyPredictor`.
        """
        if not isinstance(self.predictor, Stored):
            raise InvalidArgumentError(
                f"The prior must be an AccuracyPredictor to be saved with the predictor, but is "
                f"a {type(self.predictor).__name__}."
            )
        return self.predictor.content()

    def familiar(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return for which subnets the predictor does not extrapolate, ``(n,)``."""
        rows = self._mapped(matrix)
        covered = rows[:, self._column] == matrix[:, self._column]
        return np.asarray(covered & ~self.predictor.extrapolates(rows), dtype=bool)

    def _mapped(self, matrix: Matrix) -> Matrix:
        rows = np.array(matrix, dtype=np.int16)
        rows[:, self._column] = self._nearest[rows[:, self._column]]
        return rows

    def _columns(
        self, matrix: Matrix, rows: Matrix, values: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.n_columns == 1:
            return values[:, None]
        wanted, found = (of[:, self._column].astype(float) for of in (matrix, rows))
        return np.stack([values, _PER_LOG * np.log(wanted / found)], axis=1)


def read_prior(space: SearchSpace, data: Any, read: ReadPredictor) -> PriorPredictor:
    """Read what `PriorPredictor.to_dict` wrote.

    Args:
        space: The space of the subnets.
        data: The content.
        read: Reads the predictor.

    Raises:
        FormatError: If it is not a predictor that can be one for the space.
    """
    if not isinstance(data, Mapping):
        raise FormatError(f"`prior` must be a predictor, but is {data!r:.100}.")
    try:
        return PriorPredictor(read(data), space)
    except (FamilyMismatchError, InvalidArgumentError) as error:
        raise FormatError(f"`prior` must fit the file's choices, but: {error}") from error


def _quiet(predictor: Predictor) -> Predictor:
    """Return an accuracy predictor that does not warn: the one that it is corrected to does."""
    if not hasattr(predictor, "has_warned"):
        return predictor
    quiet = copy.copy(predictor)
    quiet.has_warned = True
    return quiet


def _require(predictor: Predictor, space: SearchSpace, metric: str) -> None:
    if predictor.metric != metric:
        raise InvalidArgumentError(
            f"`prior` must predict {metric!r}, but predicts {predictor.metric!r}."
        )
    own, theirs = space.family, predictor.space.family
    if own.architecture != theirs.architecture or _names(own) != _names(theirs):
        raise FamilyMismatchError(
            f"`prior` must be of a family with the same architecture and choices as {own.name}, a "
            f"{own.architecture} with {len(own.genes)} genes, but is of {theirs.name}, a "
            f"{theirs.architecture} with {len(theirs.genes)}."
        )
    for gene in space.genes:
        covered = predictor.space.choices[gene.name]
        unknown = sorted(set(space.choices[gene.name]) - set(covered))
        if unknown and gene.kind != "resolution":
            raise InvalidArgumentError(
                f"`prior` must cover the choices of {gene.name!r}, but covers {list(covered)} and "
                f"not {unknown}; restrict `space`."
            )


def _names(family: Family) -> list[tuple[str, float]]:
    return [(gene.name, gene.scale) for gene in family.genes]
