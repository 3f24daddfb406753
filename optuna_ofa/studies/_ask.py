"""The choice of subnets to measure, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from optuna_ofa.fronts import nondominated, promising
from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.samplers import Evolution, SurrogateSampler
from optuna_ofa.space import AnySubnet, Matrix, absent
from optuna_ofa.storage import SentTrial, Unfinished
from optuna_ofa.studies._stock import Stock, predicted, tell_evolution

_OTHERS = "others"  # the largest constraint that a trial has set itself


class Asked(NamedTuple):
    """A subnet to measure.

    It can be pickled, for example to be measured by another process, and told afterwards. Its trial
    is then without the study, and opens its storage when it is used.

    Args:
        subnet: The subnet; a `Configuration` of a space that is a plain table of choices.
        trial: Its trial, which is running until `SubnetStudy.tell_batch`.
        number: The trial's number.
        predicted: The prediction of each objective and constrained metric, in their units; by
            models fitted to measurements if the study learns and has enough of them.
        std: Standard deviations of those predictions that have one.
    """

    subnet: AnySubnet
    trial: optuna.Trial
    number: int
    predicted: Mapping[str, float]
    std: Mapping[str, float]

    @property
    def study_name(self) -> str:
        """The name of the study."""
        if isinstance(self.trial, SentTrial):  # whose study is not opened for this
            return self.trial.study_name
        return self.trial.study.study_name

    def __reduce__(self) -> tuple[Any, ...]:  # a trial has its study, with all that it knows
        return Asked, (*self[:1], SentTrial.of(self.trial), *self[2:])


def choose_learned(
    problem: Problem,
    sampler: BaseSampler,
    known: Evaluated,
    unfinished: Unfinished,
    n: int,
    n_round: int,
) -> Evaluated | None:
    """Return at most ``n`` subnets that may extend the measured front.

    Args:
        problem: The problem.
        sampler: The sampler of the study.
        known: All finished trials.
        unfinished: The trials that are running or have failed.
        n: How many.
        n_round: Which choice of the study this is, from 1.

    Returns:
        The subnets with learnt predictions; None if the sampler does not learn from
        measurements, or there are too few of them.

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
    failed = np.concatenate([failed, unfinished.waiting])  # others do not measure them either
    names = tuple(problem.constraints)
    if not np.isnan(measured.others).all():  # a model also learns the constraints that trials set
        measured = measured._replace(excess=np.c_[measured.excess, measured.others])
        names = (*names, _OTHERS)
    found = sampler.choose(
        measured, pending, failed, n, n_round, orientation=problem.orientation, names=names
    )
    found = found._replace(excess=found.excess[:, : len(problem.constraints)])
    if np.isnan(found.excess).any():  # of a constraint that was not measured
        given = problem.evaluate(found.matrix).excess
        found = found._replace(excess=np.where(np.isnan(found.excess), given, found.excess))
    return found


def choose_predicted(
    problem: Problem, stock: Stock, known: Evaluated, unfinished: Unfinished, n: int
) -> Evaluated:
    """Return at most ``n`` subnets along the predicted front.

    Args:
        problem: The problem.
        stock: The candidates, of which more are found if the front has too few.
        known: All finished trials.
        unfinished: The trials that run or have failed.
        n: How many.
    """
    measured = known.matrix[known.measured]
    others = unfinished.matrix[~unfinished.abandoned]
    taken = np.concatenate([measured, others, unfinished.waiting])
    wanted = unfinished.matrix[unfinished.running | unfinished.abandoned]
    wanted = np.concatenate([measured, wanted])
    unknown = wanted[absent(wanted, stock.predicted.matrix)]
    candidates = Evaluated.join([stock.predicted, predicted(problem, unknown)]).once()
    if _n_on_front(problem, candidates, taken) < n:
        proposed = stock.proposals(n, len(measured) + len(unfinished.matrix))
        candidates = Evaluated.join([candidates, proposed]).once()
    picked = promising(
        problem.orientation.costs(candidates.values),
        problem.violations(candidates),
        absent(candidates.matrix, taken),
        n,
    )
    return candidates.select(picked)


def choose_unpredicted(
    problem: Problem, evolution: Evolution, known: Evaluated, unfinished: Unfinished, n: int
) -> Evaluated:
    """Return at most ``n`` subnets proposed by a search on the measurements.

    Args:
        problem: A problem with metrics that are only measured.
        evolution: The search in its initial state; a copy learns the measurements.
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


def _n_on_front(problem: Problem, candidates: Evaluated, taken: Matrix) -> int:
    """Return how many of the feasible nondominated candidates are not taken."""
    feasible = np.flatnonzero(problem.violations(candidates) <= 0)
    front = feasible[nondominated(candidates.values[feasible] * problem.signs)]
    return int(absent(candidates.matrix[front], taken).sum())
