"""The choice of subnets to measure by corrected predictors."""

from __future__ import annotations

import numpy as np

from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.fronts import nondominated, promising
from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.samplers import EvolutionarySampler, PredictorEstimator
from optuna_ofa.space import Matrix, absent, first_of_each, keys_of
from optuna_ofa.studies._stock import predicted, tell_evolution

_N_SEARCHED = 5_000
# a search that starts from a front needs fewer, and those of corrected predictors are slow
_N_CANDIDATES = 1_000


def searched(problem: Problem, before: Evaluated, known: Matrix, *, seed: int) -> Evaluated:
    """Search on the predictors of a problem, in memory.

    Args:
        problem: The problem. With a metric that nothing predicts yet, subnets of all sizes are
            drawn.
        before: Predictions by other predictors, whose front the search starts from.
        known: ``(n, n_genes)`` different subnets that it also starts from.
        seed: Seed of the search.

    Returns:
        Different subnets with their predictions.
    """
    rng = np.random.default_rng(seed)
    if problem.measured_only:
        return predicted(problem, problem.space.stratified(_N_SEARCHED, rng)).once()
    feasible = before.select(before.feasible)
    front = feasible.matrix[nondominated(feasible.values * problem.signs)]
    start = np.concatenate([known, front])
    found = [predicted(problem, start[first_of_each(keys_of(start))])]
    evolution = EvolutionarySampler(
        problem.space, estimator=PredictorEstimator(problem), n_candidates=_N_CANDIDATES, seed=seed
    ).evolution
    tell_evolution(problem, evolution, found[0])
    left = _N_SEARCHED
    while left > 0:
        try:
            new = evolution.ask(min(evolution.n_due, left))
        except SearchSpaceExhaustedError:
            break
        left -= len(new)
        found.append(predicted(problem, new))
        tell_evolution(problem, evolution, found[-1])
    return Evaluated.join(found)


def choose(problem: Problem, found: Evaluated, taken: Matrix, n: int) -> Matrix:
    """Return at most ``n`` subnets along the predicted front, away from measured ones.

    Args:
        problem: The problem.
        found: Subnets with their predictions.
        taken: ``(m, n_genes)`` subnets that were measured, or cannot be.
        n: How many.
    """
    free = absent(found.matrix, taken)
    if problem.measured_only:
        return found.matrix[free][:n]
    costs = problem.orientation.costs(found.values)
    return found.matrix[promising(costs, problem.violations(found), free, n)]
