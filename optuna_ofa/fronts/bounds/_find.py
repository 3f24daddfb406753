"""Finding the bound of a study's front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import EmptyFrontError
from optuna_ofa.fronts._findings import Findings, find_front
from optuna_ofa.fronts._front import Front
from optuna_ofa.fronts._pareto import limit_words
from optuna_ofa.fronts.bounds._additive import Additive, additive
from optuna_ofa.fronts.bounds._bound import FrontBound
from optuna_ofa.fronts.bounds._steps import Steps
from optuna_ofa.fronts.bounds._windows import Search
from optuna_ofa.problem import PREDICTED, Evaluated, Problem
from optuna_ofa.space import Matrix

Array = NDArray[np.float64]
_TOLERANCE = {"%": 0.01}  # by unit
_SHARE = 1e-3  # of the magnitude of the values


def find_bound(study: Findings, tolerance: float | None) -> FrontBound:
    """See `SubnetStudy.bound`."""
    problem = study.problem
    found = additive(problem)
    metrics = problem.objective_metrics
    if tolerance is None:
        usual = _SHARE * found.sums.score.magnitude
        tolerance = _TOLERANCE.get(metrics[found.score].unit, usual)
    search = Search(
        found.sums,
        lambda matrix: _evaluate(problem, found, matrix),
        tolerance=tolerance,
        cost_error=found.errors[0],
    )
    search.run()
    bound = _within(problem, found, Steps.joined([search.known, *search.pieces]))
    return FrontBound(
        cost=metrics[found.cost],
        value=metrics[found.score],
        costs=found.signs[0] * (bound.cost - found.errors[0]),
        values=found.signs[1] * (bound.score + found.errors[1]),
        front=_front(problem, search.known.rows, study),
        studied=_studied(study),
        cost_error=found.errors[0],
        unused=limit_words(
            {m: b for m, b in problem.constraints.items() if m not in problem.objectives},
            problem.metrics,
        ),
    )


def _evaluate(problem: Problem, found: Additive, matrix: Matrix) -> tuple[Array, Array, Matrix]:
    rows = problem.space.canonicalize(matrix)
    names, signs = (found.cost, found.score), found.signs
    cost, score = (s * problem.predict(m, rows) for m, s in zip(names, signs, strict=True))
    return cost, score, rows


def _within(problem: Problem, found: Additive, steps: Steps) -> Steps:
    """Return the part of a bound that subnets within limits of the objectives can reach."""
    kept = np.ones(len(steps.cost), dtype=bool)
    if found.cost in problem.constraints:
        limit = found.signs[0] * problem.constraints[found.cost]
        kept &= steps.cost <= limit + found.errors[0]
    if found.score in problem.constraints:
        limit = found.signs[1] * problem.constraints[found.score]
        kept &= steps.score >= limit - found.errors[1]
    return steps.select(kept)


def _front(problem: Problem, rows: Matrix, study: Findings) -> Front:
    evaluated: Evaluated = problem.evaluate(rows)
    try:
        return find_front(problem, evaluated, PREDICTED, study.notes)
    except EmptyFrontError:
        return Front([], list(problem.objective_metrics.values()))


def _studied(study: Findings) -> Front:
    try:
        return study.front(kind=PREDICTED)
    except EmptyFrontError:
        return Front([], list(study.problem.objective_metrics.values()))
