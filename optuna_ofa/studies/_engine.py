"""The loop of `SubnetStudy.search`."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from optuna.study import Study
from optuna.trial import TrialState
from tqdm import tqdm

from optuna_ofa.exceptions import InvalidArgumentError, PredictionError, SearchSpaceExhaustedError
from optuna_ofa.fronts import Batch, Results
from optuna_ofa.problem import PREDICTED, Attempt, Problem, describe, warn_failed
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix
from optuna_ofa.storage import Unfinished, templates

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy

Callback = Callable[["SubnetStudy"], None]


def search(
    study: SubnetStudy,
    n_evaluations: int,
    *,
    progress: bool | None,
    callbacks: Sequence[Callback] = (),
) -> None:
    """Search a generation at a time; see `SubnetStudy.search`."""
    require_number(n_evaluations)
    hidden = None if progress is None else not progress
    with tqdm(total=n_evaluations, disable=hidden, unit="subnet", desc="search") as bar:
        for added in generations(study, n_evaluations):
            bar.update(added)
            with _stoppable(study):
                for callback in callbacks:
                    callback(study)


def require_number(n_evaluations: int) -> None:
    """Refuse a negative number of evaluations.

    Raises:
        InvalidArgumentError: If it is negative.
    """
    if n_evaluations < 0:
        raise InvalidArgumentError(
            f"`n_evaluations` must not be negative, but got {n_evaluations}."
        )


def generations(
    study: SubnetStudy, n_evaluations: int, guests: Callable[[int], Matrix] | None = None
) -> Iterator[int]:
    """Search a generation at a time.

    Args:
        study: The study.
        n_evaluations: How many evaluations, those of guests included.
        guests: Takes how many evaluations are left, and returns the canonical genotypes of at
            most so many subnets to evaluate before the next generation.

    Yields:
        How many subnets were evaluated since the last time.
    """
    study.problem.require_reachable()
    study._stop_flag = False
    study._refresh()
    done = _run_enqueued(study, n_evaluations)
    if done:
        yield done
        study._refresh()
    with contextlib.suppress(SearchSpaceExhaustedError):
        while done < n_evaluations and not study._stop_flag:
            added = 0
            with _stoppable(study):
                if guests is not None and len(matrix := guests(n_evaluations - done)):
                    added += _run(study, matrix, datetime.datetime.now())
                if n := min(study._evolution.n_due, n_evaluations - done - added):
                    added += _run_generation(study, n)
            done += added
            yield added


@contextlib.contextmanager
def _stoppable(study: SubnetStudy) -> Iterator[None]:
    """Let `optuna.Study.stop` be called, which is refused outside of `optimize`."""
    outer = study._thread_local.in_optimize_loop
    study._thread_local.in_optimize_loop = True
    try:
        yield
    finally:
        study._thread_local.in_optimize_loop = outer


def _run_enqueued(study: SubnetStudy, at_most: int) -> int:
    n = min(study._store.count_waiting(), at_most)
    if n:
        study.optimize(study.problem, n_trials=n)
    return n


def _run_generation(study: SubnetStudy, n: int) -> int:
    """As `_run`, with what the search proposes."""
    started = datetime.datetime.now()
    return _run(study, study._evolution.ask(n), started)


def _run(study: SubnetStudy, matrix: Matrix, started: datetime.datetime) -> int:
    """Predict, write, tell; returns how many nobody else had evaluated by then."""
    attempt = study.problem.try_evaluate(matrix)
    add_failed(study, study.problem, matrix, attempt, started)
    matrix = matrix[attempt.done]
    batch = Batch(matrix, *attempt.evaluation, started, datetime.datetime.now())
    written = study._store.write(batch)
    study._archive.add(written.news)
    study._archive.add(written.own, told=True)
    study._learn()
    study._learner.tell(*batch[:3])
    if written.n_evaluated == 0:  # another worker makes the same choices at the same time
        study._evolution.reseed()
    return written.n_evaluated + len(attempt.errors)


def add_failed(
    study: Study, problem: Problem, matrix: Matrix, attempt: Attempt, started: datetime.datetime
) -> None:
    """Add the trials of a batch that a predictor has failed for, if any, and say so.

    Their user attribute ``error`` says type and message of what was raised.

    Args:
        study: The study.
        problem: What is searched for.
        matrix: ``(n, n_genes)`` all genotypes of the batch.
        attempt: What came of it.
        started: When the batch was started.

    Raises:
        PredictionError: If all of them failed; their trials are added before.
    """
    errors = attempt.errors
    if not errors:
        return
    attributes = [{"kind": PREDICTED, "error": describe(error)} for error in errors]
    failed = matrix[~attempt.done]
    study.add_trials(templates(problem.space, failed, TrialState.FAIL, attributes, started))
    if len(errors) == len(matrix):
        raise PredictionError(
            f"A predictor failed for all {len(matrix)} subnets of a batch; the first error is "
            f"{describe(errors[0])}"
        ) from errors[0]
    warn_failed(errors, len(matrix))


class Learner:
    """Tells the search what is predicted for every subnet of the study, measured or not.

    Measured values never compete with predicted ones, and what runs is known as long as it
    runs. So a process that starts anew learns the same, in the order of the trials, as one that
    has asked for them, and goes on the same way.

    Args:
        problem: What is searched for; its predictors cover all of its objectives.
        evolution: The search, which passes over what it has been told already.
    """

    def __init__(self, problem: Problem, evolution: Evolution) -> None:
        self._problem, self._evolution = problem, evolution
        self._early: set[int] = set()  # trials that were learnt before they had finished

    def learn(self, results: Results, seen: Unfinished | None = None) -> None:
        """Learn from trials; those that a predictor fails for are not proposed again.

        Args:
            results: Trials that have finished since the last call.
            seen: What runs and has failed, if that was looked at before.

        Raises:
            PredictionError: If a predictor returns something that is no number. Nothing was
                learnt then.
        """
        known = results.select(~results.measured)
        numbers, matrix = self._unpredicted(results.select(results.measured), seen)
        attempt = self._problem.try_evaluate(matrix)
        self._evolution.forbid(matrix[~attempt.done])
        if seen is not None:
            self._evolution.forbid(seen.matrix[~seen.predictable])
            self._early.update(seen.numbers[seen.predictable].tolist())
        values, constraints = attempt.evaluation
        order = np.argsort(np.r_[known.numbers, numbers[attempt.done]], kind="stable")
        self.tell(
            np.concatenate([known.matrix, matrix[attempt.done]])[order],
            np.concatenate([known.values, values])[order],
            np.concatenate([known.constraints, constraints])[order],
        )

    def _unpredicted(
        self, measured: Results, seen: Unfinished | None
    ) -> tuple[NDArray[np.int64], Matrix]:
        """Numbers and subnets of trials without predictions that were not learnt before."""
        numbers, matrix = measured.numbers, measured.matrix
        if seen is not None:
            numbers = np.r_[numbers, seen.numbers[seen.predictable]]
            matrix = np.concatenate([matrix, seen.matrix[seen.predictable]])
        new = np.array([n not in self._early for n in numbers.tolist()], dtype=bool)
        return numbers[new], matrix[new]

    def tell(
        self, matrix: Matrix, values: NDArray[np.float64], constraints: NDArray[np.float64]
    ) -> None:
        """Learn predictions.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            values: ``(n, n_objectives)`` in the metrics' own units.
            constraints: ``(n, n_constraints)``, above 0 where violated, NaN where unknown.
        """
        violations = self._problem.violations(np.nan_to_num(constraints))
        self._evolution.tell(matrix, values * self._problem.signs, violations)
