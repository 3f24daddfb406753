"""Subnets that are about to be measured, with what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._candidates import Candidates
from optuna_ofa.studies._problem import Problem

ByMetric = dict[str, float]


class Chosen(NamedTuple):
    """Subnets to measure.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        predicted: What is predicted of each by metric, also what only a constraint needs.
        std: Standard deviations of those predictions that have one.
    """

    matrix: Matrix
    predicted: list[ByMetric]
    std: list[ByMetric]

    @staticmethod
    def of(
        problem: Problem,
        candidates: Candidates,
        std: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> Chosen:
        """All of some candidates.

        Args:
            problem: What is searched for.
            candidates: The subnets.
            std: ``(n,)`` standard deviations by metric; None asks the predictors.
        """
        columns = dict(zip(problem.objectives, candidates.values.T, strict=True))
        for name, excess in zip(problem.constraints, candidates.constraints.T, strict=True):
            columns.setdefault(name, problem.from_excess(name, excess))
        if std is None:
            stds = {m: problem.predictors[m].predict_std(candidates.matrix) for m in columns}
            std = {m: column for m, column in stds.items() if column is not None}
        return Chosen(candidates.matrix, _rows(columns, candidates), _rows(std, candidates))


def _rows(columns: Mapping[str, NDArray[np.float64]], candidates: Candidates) -> list[ByMetric]:
    """One dict for each subnet, without what is not finite."""
    return [
        {name: float(column[i]) for name, column in columns.items() if np.isfinite(column[i])}
        for i in range(len(candidates.matrix))
    ]
