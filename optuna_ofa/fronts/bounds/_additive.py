"""Which studies have a provable bound, and their objectives as sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts._pareto import cost_metric
from optuna_ofa.fronts.bounds._ascent import Sums
from optuna_ofa.fronts.bounds._buckets import Bucket, buckets_of
from optuna_ofa.fronts.bounds._relaxation import relax
from optuna_ofa.fronts.bounds._tables import Table, layer_table, table_of
from optuna_ofa.predictors import LogCurve, Terms
from optuna_ofa.problem import Problem
from optuna_ofa.space import Family

Array = NDArray[np.float64]
_HINT = (
    'accuracies have one with a linear model: `AccuracyPredictor.fit(model="ridge")`, or '
    'accuracy="linear" for ofa_mbv3_w1.0'
)
# Rounding errors of sums of thousands of terms are far less than this share of their magnitude.
ROUNDING = 1e-9
_N_COMPARED = 256


class Additive(NamedTuple):
    """The two objectives of a study as sums: a cost, which is minimised, and a score.

    Args:
        cost: Name of the cost.
        score: Name of the other objective.
        signs: Factors that make the cost one to minimise and the score one to maximise.
        sums: What is maximised.
        errors: More than any rounding error of the cost and the score.
    """

    cost: str
    score: str
    signs: tuple[float, float]
    sums: Sums
    errors: tuple[float, float]


def additive(problem: Problem) -> Additive:
    """Return the objectives of a study as sums.

    Raises:
        InvalidArgumentError: If they are none, with the reason.
    """
    if len(problem.objectives) != 2:
        raise _none(f"it has {len(problem.objectives)} objectives instead of two")
    if not isinstance(problem.space.table, Family):
        raise _none("its space is a plain table of choices, without layers")
    problem.require_predictors()
    metrics = problem.objective_metrics
    cost = cost_metric(metrics) or problem.objectives[0]
    score = next(name for name in problem.objectives if name != cost)
    signs = (metrics[cost].sign, -metrics[score].sign)
    cost_terms, score_terms = _terms(problem, cost), _terms(problem, score)
    if cost_terms.curves:
        raise _none(f"{cost} is not linear in its {cost_terms.curves[0].name}")
    space, buckets = problem.space, buckets_of(problem.space)
    pixels = np.array(space.resolutions, dtype=np.int16)
    tables = []
    for curve in score_terms.curves:
        table = layer_table(space, buckets, curve.total, np.full_like(pixels, curve.pixels))
        _require_concave(curve, buckets, table, score, signs[1])
        tables.append((curve, table))
    sums = Sums(
        buckets,
        pixels,
        table_of(space, buckets, score_terms).times(signs[1]),
        table_of(space, buckets, cost_terms).times(signs[0]),
        tuple(tables),
    )
    _require_same(problem, cost, cost_terms, sums.cost.magnitude)
    _require_same(problem, score, score_terms, sums.score.magnitude)
    cost_error, score_error = (ROUNDING * t.magnitude for t in (sums.cost, sums.score))
    return Additive(cost, score, signs, sums, (cost_error, score_error))


def _none(reason: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"`study` must have two objectives whose predictions are sums over genes and layers, so "
        f"that a bound can be proven, but {reason}."
    )


def _terms(problem: Problem, metric: str) -> Terms:
    terms = problem.predictors[metric].terms()
    if isinstance(terms, str):
        raise _none(f"those of {metric} are not: {terms}" + f"; {_HINT}" * (metric == "top1"))
    return terms


def _require_concave(
    curve: LogCurve, buckets: Sequence[Bucket], table: Table, score: str, sign: float
) -> None:
    """Refuse a term that lies above its tangents somewhere in the space."""
    high = relax(buckets, table.parts).best + table.rest
    low = table.rest - relax(buckets, [-part for part in table.parts]).best
    if sign < 0 or not curve.is_concave(float(low.min()), float(high.max())):
        raise _none(f"{score} is not concave in the {curve.name}, so that tangents are no bounds")


def _require_same(problem: Problem, metric: str, terms: Terms, magnitude: float) -> None:
    """Refuse terms that are not what the predictor predicts: one that overrides `predict`."""
    rows = problem.space.sample(_N_COMPARED, seed=0, uniform_over="sizes")
    difference = np.abs(terms(rows) - problem.predictors[metric].predict(rows)).max()
    if not difference <= ROUNDING * magnitude:
        name = type(problem.predictors[metric]).__name__
        raise _none(f"the terms of {metric} are not what its {name} predicts")
