"""The choice of subnets to measure, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.fronts import nondominated, promising
from optuna_ofa.problem import Evaluated, Problem, warn_failed
from optuna_ofa.samplers import Evolution, SurrogateSampler
from optuna_ofa.space import Matrix, Subnet, absent
from optuna_ofa.storage import Unfinished

# The search proposes at least so many subnets where the predicted front has too few.
_N_PROPOSED = 1000

_OTHERS = "others"  # the largest constraint of a trial that is not of the problem


class Asked(NamedTuple):
    """A subnet to measure.

    Args:
        subnet: The subnet.
        trial: Its trial, which runs until `SubnetStudy.tell_batch`.
        number: The trial's number.
        predicted: The prediction of each objective and constrained metric, in their units; by
            models of what was measured where the study learns, and enough was.
        std: Standard deviations of those predictions that have one.
    """

    subnet: Subnet
    trial: optuna.Trial
    number: int
    predicted: Mapping[str, float]
    std: Mapping[str, float]


def choose_learned(
    problem: Problem, sampler: BaseSampler, known: Evaluated, unfinished: Unfinished, n: int
) -> Evaluated | None:
    """Return at most ``n`` subnets that may extend the measured front.

    Args:
        problem: The problem.
        sampler: The sampler of the study.
        known: All finished trials.
        unfinished: The trials that run or have failed.
        n: How many.

    Returns:
        The subnets with learnt predictions; None where the sampler does not learn from
        measurements, or too little was measured.

    Raises:
        SearchSpaceExhaustedError: If no subnet is left.
    """
    if not isinstance(sampler, SurrogateSampler):
        return None
    measured = known.select(known.measured & known.finite)
    pending = unfinished.matrix[unfinished.running]
    if not sampler.is_started(len(measured.matrix), len(pending)):
        return None
    failed = unfinished.matrix[~unfinished.running & ~unfinished.abandoned]
    failed = np.concatenate([failed, unfinished.waiting])  # nobody else measures them either
    names = tuple(problem.constraints)
    if not np.isnan(measured.others).all():  # a model learns the constraints that trials set too
        measured = measured._replace(excess=np.c_[measured.excess, measured.others])
        names = (*names, _OTHERS)
    found = sampler.choose(
        measured, pending, failed, n, orientation=problem.orientation, names=names
    )
    found = found._replace(excess=found.excess[:, : len(problem.constraints)])
    if np.isnan(found.excess).any():  # of a constraint that nobody has measured
        given = problem.evaluate(found.matrix).excess
        found = found._replace(excess=np.where(np.isnan(found.excess), given, found.excess))
    return found


def choose_predicted(
    problem: Problem,
    evolution: Evolution,
    candidates: Evaluated,
    known: Evaluated,
    unfinished: Unfinished,
    n: int,
) -> tuple[Evaluated, Evaluated]:
    """Return at most ``n`` subnets along the predicted front, and the candidates for the next call.

    Args:
        problem: The problem.
        evolution: Proposes more candidates where the front has too few.
        candidates: Predicted subnets, each once.
        known: All finished trials.
        unfinished: The trials that run or have failed.
        n: How many.
    """
    measured = known.matrix[known.measured]
    others = unfinished.matrix[~unfinished.abandoned]
    taken = np.concatenate([measured, others, unfinished.waiting])
    wanted = unfinished.matrix[unfinished.running | unfinished.abandoned]
    wanted = np.concatenate([measured, wanted])
    unknown = wanted[absent(wanted, candidates.matrix)]
    candidates = Evaluated.join([candidates, predicted(problem, unknown)]).once()
    if _n_on_front(problem, candidates, taken) < n:
        more = _propose(problem, evolution, taken, n)
        candidates = Evaluated.join([candidates, more]).once()
    picked = promising(
        problem.orientation.costs(candidates.values),
        problem.violations(candidates),
        absent(candidates.matrix, taken),
        n,
    )
    return candidates.select(picked), candidates


def choose_unpredicted(
    problem: Problem, evolution: Evolution, known: Evaluated, unfinished: Unfinished, n: int
) -> Evaluated:
    """Return at most ``n`` subnets that a search on what was measured proposes.

    Args:
        problem: A problem with metrics that are only measured.
        evolution: The search as it starts; a copy learns what was measured.
        known: All finished trials.
        unfinished: The trials that run or have failed.
        n: How many.

    Raises:
        SearchSpaceExhaustedError: If no subnet is left.
    """
    evolution = evolution.fork()
    evolution.forbid(np.concatenate([unfinished.matrix[~unfinished.abandoned], unfinished.waiting]))
    tell_evolution(problem, evolution, known.select(known.measured))
    return predicted(problem, evolution.ask(n))


def predicted(problem: Problem, matrix: Matrix) -> Evaluated:
    """Return the subnets that no predictor fails for; the others are left out with a warning."""
    attempt = problem.try_evaluate(matrix)
    if attempt.errors:
        warn_failed(attempt.errors, len(matrix))
    return attempt.predicted


def tell_evolution(problem: Problem, evolution: Evolution, evaluated: Evaluated) -> None:
    """Tell a search what was predicted: costs, smaller is better, and violations."""
    costs = problem.orientation.costs(evaluated.values)
    evolution.tell(evaluated.matrix, costs, problem.violations(evaluated))


def _n_on_front(problem: Problem, candidates: Evaluated, taken: Matrix) -> int:
    """Return how many of the feasible nondominated candidates are not taken."""
    feasible = np.flatnonzero(problem.violations(candidates) <= 0)
    front = feasible[nondominated(candidates.values[feasible] * problem.signs)]
    return int(absent(candidates.matrix[front], taken).sum())


def _propose(problem: Problem, evolution: Evolution, taken: Matrix, n: int) -> Evaluated:
    """Return the next proposals of a search, on predictions that it forgets afterwards."""
    batch, evolution = evolution.n_due, evolution.fork()
    evolution.forbid(taken)
    found = [problem.nothing()]
    for _ in range(0, max(_N_PROPOSED, 4 * n), batch):
        try:
            new = predicted(problem, evolution.ask(batch))
        except SearchSpaceExhaustedError:
            break
        found.append(new)
        tell_evolution(problem, evolution, new)
    return Evaluated.join(found)
