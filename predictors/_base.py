"""The interface of every predictor."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.space import Matrix, SearchSpace, require_family

Direction = Literal["maximize", "minimize"]
# Takes ``(n, n_genes)`` genotypes and, for each, the index of a nearby anchor.
LocalModel = Callable[[Matrix, NDArray[np.intp]], NDArray[np.float64]]


class Predictor(abc.ABC):
    """A function from subnets to one number each. Called by `optuna_ofa.study`.

    Attributes:
        metric: Name of the predicted quantity, with its unit: ``"top1"`` (percent),
            ``"latency_ms"``, ``"n_macs"``, ``"n_params"``.
        space: The subnets that can be predicted.
    """

    metric: str
    space: SearchSpace

    @abc.abstractmethod
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Predict a batch.

        Args:
            matrix: ``(n, n_genes)`` genotypes, canonical or not.

        Returns:
            ``(n,)`` predictions; that of a subnet is bit-identical in every batch.

        Raises:
            InvalidSubnetError: If a row does not belong to `space`.
        """

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64] | None:
        """Return standard deviations of the predictions, ``(n,)``; None if unknown."""
        return None

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which subnets are far from those that the predictor was fitted on, ``(n,)``."""
        return np.zeros(len(matrix), dtype=bool)

    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        """Return why subnets are far from those, in words; empty if none is, or it is unknown."""
        return []

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return a cheap estimate of `predict` near some subnets. Called by the search.

        The search creates many children and proposes those with the best estimates. Predictors
        that are cheap, or have a gradient, should provide one.

        Args:
            anchors: ``(m, n_genes)`` canonical genotypes, at which the estimate is exact.

        Returns:
            A function of ``(n, n_genes)`` canonical genotypes and ``(n,)`` indices of anchors,
            which returns ``(n,)`` estimates; None if there is no such model.
        """
        return None

    def terms(self) -> Terms | str:
        """Return the prediction as a sum, for `SubnetStudy.bound`; otherwise why it is none.

        It must be one by its formula for every subnet of `space`, not just nearly.
        """
        return f"a {type(self).__name__} is not known to be a sum over genes and layers"

    @property
    def direction(self) -> Direction:
        """``"maximize"`` if larger is better, otherwise ``"minimize"``."""
        return "maximize" if self.metric == "top1" else "minimize"

    def require(self, space: SearchSpace) -> None:
        """Refuse a space with subnets that this predictor was not made for.

        Raises:
            FamilyMismatchError: If the family differs; with the differences.
            InvalidArgumentError: If a choice, such as a resolution, is not covered.
        """
        require_family(
            self.space.table, space.table, self.metric, "its predictor", "in the predictor"
        )
        for name, choices in space.choices.items():
            unknown = sorted(set(choices) - set(self.space.choices[name]))
            if unknown:
                raise InvalidArgumentError(
                    f"`space` must keep {name!r} among {list(self.space.choices[name])}, which "
                    f"the predictor of {self.metric!r} covers, but got {unknown} as well; use "
                    f"`space.restrict(...)`."
                )
