"""Subnets to measure, a batch at a time: what `ask_batch` of a study does."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import RandomSampler

from optuna_ofa.exceptions import InvalidArgumentError, SearchSpaceExhaustedError
from optuna_ofa.fronts import nondominated, promising
from optuna_ofa.problem import PREDICTION, PREDICTION_STD, Problem, warn_failed
from optuna_ofa.samplers import Evolution, Measurements, SurrogateSampler
from optuna_ofa.space import Matrix, Subnet, absent
from optuna_ofa.storage import Unfinished, start_trials

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy


class Asked(NamedTuple):
    """A subnet to measure.

    Args:
        subnet: The subnet.
        trial: Its trial, which runs until it is told.
        number: The trial's number.
        predicted: What is predicted for each objective and constrained metric, in their units; by
            what was measured where the study learns, and enough was.
        std: Standard deviations of those predictions that have one.
    """

    subnet: Subnet
    trial: optuna.Trial
    number: int
    predicted: Mapping[str, float]
    std: Mapping[str, float]


def ask(study: SubnetStudy, n: int) -> list[Asked]:
    """Start trials of promising subnets; see `SubnetStudy.ask_batch`."""
    if not isinstance(n, int | np.integer) or n < 1:
        raise InvalidArgumentError(f"`n` must be a whole number, at least 1, but got {n!r}.")
    study.problem.require_reachable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
    asked: list[Asked] = []
    candidates: Candidates | None = None
    with contextlib.suppress(SearchSpaceExhaustedError):
        while len(asked) < n:  # again where others have started some in the meantime
            seen = study._refresh()
            chosen = choose_learned(study, seen, n - len(asked))
            if chosen is None:
                if candidates is None:
                    candidates = _predicted(study)
                chosen, candidates = _choose(study, candidates, seen, n - len(asked))
            if len(chosen.matrix) == 0:
                break
            asked += _start(study, chosen, seen.last_id)
    if not asked:
        raise SearchSpaceExhaustedError(
            f"All {study.space.n_subnets} subnets of {study.space} have been evaluated, have "
            f"failed, or are being evaluated."
        )
    return asked


def _predicted(study: SubnetStudy) -> Candidates:
    """The subnets of all predicted trials."""
    known = study._archive.all()
    known = known.select(~known.measured)
    return Candidates.join([Candidates(known.matrix, known.values, known.constraints)])


def _choose(
    study: SubnetStudy, candidates: Candidates, seen: Unfinished, n: int
) -> tuple[Chosen, Candidates]:
    """What to measure, and what it was chosen from."""
    problem, known = study.problem, study._archive.all()
    measured = known.matrix[known.measured]
    taken = np.concatenate([measured, seen.matrix[~seen.abandoned]])
    wanted = np.concatenate([measured, seen.matrix[seen.running | seen.abandoned]])
    unknown = wanted[absent(wanted, candidates.matrix)]
    candidates = Candidates.join([candidates, Candidates.predict(problem, unknown)])
    if candidates.n_on_front(problem, taken) < n:
        evolution = study._evolution
        new = propose(problem, evolution, taken, n, batch=evolution.n_due)
        candidates = Candidates.join([candidates, new])
    picked = promising(
        candidates.values * problem.signs,
        problem.violations(candidates.constraints),
        absent(candidates.matrix, taken),
        n,
    )
    return Chosen.of(problem, candidates.select(picked)), candidates


def _start(study: SubnetStudy, chosen: Chosen, last_id: int) -> list[Asked]:
    attributes = [
        {PREDICTION: predicted, PREDICTION_STD: std}
        for predicted, std in zip(chosen.predicted, chosen.std, strict=True)
    ]
    ids = start_trials(study, study.problem, chosen.matrix, attributes, study._tables, last_id)
    study._heartbeat.watch(ids.values())
    # the predictions, so that the search goes on from these subnets and does not repeat them
    rows = np.array(list(ids), dtype=np.intp)
    study._learner.tell(*Candidates.predict(study.problem, chosen.matrix[rows]))
    subnets = study.space.from_matrix(chosen.matrix)
    plain = optuna.Study(study.study_name, study._storage, sampler=RandomSampler())
    return [
        Asked(
            subnets[i],
            trial := _trial(study, plain, trial_id),
            trial.number,
            chosen.predicted[i],
            chosen.std[i],
        )
        for i, trial_id in ids.items()
    ]


def _trial(study: SubnetStudy, plain: optuna.Study, trial_id: int) -> optuna.Trial:
    """A trial that was started; its study's sampler is not asked, for it has its parameters."""
    trial = optuna.Trial(plain, trial_id)
    trial.study = study
    return trial


# The sampler proposes at least so many subnets where the predicted front has too few.
_N_PROPOSED = 1000


class Candidates(NamedTuple):
    """Subnets with their predictions, each once.

    Args:
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: ``(n, n_objectives)`` in the metrics' own units.
        constraints: ``(n, n_constraints)``, above 0 where violated.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    constraints: NDArray[np.float64]

    @staticmethod
    def join(parts: Sequence[Candidates]) -> Candidates:
        """All subnets of several; of equal ones the first."""
        joined = Candidates(*(np.concatenate(field) for field in zip(*parts, strict=True)))
        once: dict[bytes, int] = {}
        for i, row in enumerate(joined.matrix):
            once.setdefault(row.tobytes(), i)
        return joined.select(np.fromiter(once.values(), dtype=np.intp, count=len(once)))

    @staticmethod
    def predict(problem: Problem, matrix: Matrix) -> Candidates:
        """Those that the predictors do not fail for, with a warning if some are missing."""
        attempt = problem.try_evaluate(matrix)
        if attempt.errors:
            warn_failed(attempt.errors, len(matrix))
        return Candidates(matrix[attempt.done], *attempt.evaluation)

    def select(self, which: NDArray[np.intp]) -> Candidates:
        """Some of them."""
        return Candidates(self.matrix[which], self.values[which], self.constraints[which])

    def n_on_front(self, problem: Problem, taken: Matrix) -> int:
        """How many of the feasible subnets that none dominates are not taken."""
        feasible = np.flatnonzero(problem.violations(self.constraints) <= 0)
        front = feasible[nondominated(self.values[feasible] * problem.signs)]
        return int(absent(self.matrix[front], taken).sum())


def propose(
    problem: Problem, evolution: Evolution, taken: Matrix, n: int, *, batch: int
) -> Candidates:
    """What the sampler would search next, on predictions that it forgets afterwards.

    Args:
        problem: What is searched for.
        evolution: The sampler's; a copy of it is asked and told.
        taken: Subnets that must not be proposed.
        n: How many are wanted; more are found.
        batch: How many to predict at a time.
    """
    evolution = evolution.fork()
    evolution.forbid(taken)
    found = [Candidates.predict(problem, taken[:0])]
    for _ in range(0, max(_N_PROPOSED, 4 * n), batch):
        try:
            new = Candidates.predict(problem, evolution.ask(batch))
        except SearchSpaceExhaustedError:
            break
        found.append(new)
        violations = problem.violations(new.constraints)
        evolution.tell(new.matrix, new.values * problem.signs, violations)
    return Candidates.join(found)


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


def choose_learned(study: SubnetStudy, seen: Unfinished, n: int) -> Chosen | None:
    """At most ``n`` subnets that may extend the measured front.

    Args:
        study: The study.
        seen: What runs and has failed.
        n: How many.

    Returns:
        The subnets; None where the study does not learn, or too little was measured.

    Raises:
        SearchSpaceExhaustedError: If none is left.
    """
    sampler, problem = study.sampler, study.problem
    if not isinstance(sampler, SurrogateSampler):
        return None
    search = sampler.search_for(study, tuple(problem.constraints))
    known = study._archive.all()
    known = known.select(known.measured & np.isfinite(known.values).all(axis=1))
    pending = seen.matrix[seen.running]
    if not search.is_started(len(known.matrix), len(pending)):
        return None
    measured = Measurements(
        known.matrix, known.values * problem.signs, known.constraints / problem.scales
    )
    taken = seen.matrix[~seen.running & ~seen.abandoned]
    found = search.propose(measured, pending, taken, n, sampler.next_rng(len(known.matrix)))
    constraints = found.constraints * problem.scales
    if np.isnan(constraints).any():  # one that nobody has measured
        given = problem.evaluate(found.matrix).constraints
        constraints = np.where(np.isnan(constraints), given, constraints)
    chosen = Candidates(found.matrix, found.values * problem.signs, constraints)
    return Chosen.of(problem, chosen, dict(zip(problem.objectives, found.std.T, strict=True)))
