"""What the search of a study knows, and how it learns; a copy of it is changed at a time."""

from __future__ import annotations

import contextlib
import copy
import datetime
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from optuna_ofa.exceptions import PredictionError, SearchSpaceExhaustedError
from optuna_ofa.problem import (
    ASKED,
    PREDICTED,
    PREDICTION,
    PREDICTION_STD,
    Attempt,
    Evaluated,
    Problem,
    error_in_words,
    numbers_by_name,
    warn_failed,
)
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix
from optuna_ofa.storage import Store, Unfinished, Written, decode_trials
from optuna_ofa.studies._archive import Archive
from optuna_ofa.studies._ask import Asked, choose_learned, choose_predicted, choose_unpredicted
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._stock import Stock, predicted, tell_evolution


class Step(NamedTuple):
    """What a search has evaluated.

    Args:
        n_evaluated: How many subnets no other process had evaluated by then, failed ones included.
        own: The complete trials that were written; numbered -1 where the storage gives numbers
            later.
    """

    n_evaluated: int
    own: Evaluated


class Search:
    """What one search knows: the trials that it has read, and what it has learnt from them.

    Every change is made to a copy, which `Engine` uses from then on if nothing was raised.
    Whatever happens in between, a Ctrl-C included, leaves the search as it was; trials that were
    written by then are read again, as a new process reads them.

    Args:
        problem: The problem; its predictors cover all of its objectives.
        store: The trials of the study.
        evolution: The search to start from.
    """

    def __init__(self, problem: Problem, store: Store, evolution: Evolution) -> None:
        self.problem, self.store = problem, store
        self.evolution = evolution
        self._start_of_search = evolution.fork()
        self._stock: Stock | None = None
        self.archive = Archive(problem)
        self._n_unread = 0  # own trials that are read later
        self._early: set[int] = set()  # trials that were learnt before they finished
        self._n_rounds = 0  # of learning from measurements

    def fork(self) -> Search:
        """Return an independent copy."""
        other = copy.copy(self)
        other.store, other.evolution = self.store.fork(), self.evolution.fork()
        other.archive, other._early = self.archive.fork(), set(self._early)
        other._stock = None if self._stock is None else self._stock.fork()
        return other

    def n_evaluated(self) -> int:
        """Return how many evaluations the study has, as far as this process knows."""
        return len(self.archive) + self._n_unread + self.store.n_unwritten()

    def read(self) -> None:
        """Read the trials that have finished since the last time."""
        self.archive.add(self.store.read())
        self.archive.add_unwritten(self.store.read_unwritten())  # after the trials among them
        self._n_unread = 0

    def refresh(self) -> Unfinished:
        """Learn trials written by other or earlier processes."""
        unfinished = self.store.unfinished()
        self.read()
        self._learn(unfinished)
        return unfinished

    # ------------------------------------------------------------------ searching

    def evaluate_next(self, n: int, budget: Budget) -> Step:
        """Evaluate at most ``n`` proposals as `evaluate` does.

        Raises:
            SearchSpaceExhaustedError: If there is none.
        """
        started = datetime.datetime.now()
        return self.evaluate(self.evolution.ask(n), budget, started)

    def evaluate(
        self, matrix: Matrix, budget: Budget, started: datetime.datetime | None = None
    ) -> Step:
        """Predict, write and learn; return what was evaluated."""
        started = started or datetime.datetime.now()
        attempt = self.problem.try_evaluate(matrix)
        self._add_failed(matrix, attempt, started)
        times = (started, datetime.datetime.now())
        written = self.store.write(attempt.predicted, times, budget.room(self.n_evaluated))
        self.archive.add(written.news)
        self.archive.add_unwritten(written.unwritten)
        self.archive.add(written.own, learnt=True)
        unread = self.problem.nothing() if written.unread is None else written.unread
        self._n_unread += len(unread.matrix)
        self._learn()
        self._tell(attempt.predicted)
        repeats = written.n_evaluated == 0 and budget.left(self.n_evaluated) > 0
        if repeats or (_meets_others(written) and not self.evolution.is_shared):
            self.evolution.share(self.store.take_worker())
        n_evaluated = written.n_evaluated + len(attempt.errors)
        return Step(n_evaluated, Evaluated.join([written.own, unread]))

    def _add_failed(self, matrix: Matrix, attempt: Attempt, started: datetime.datetime) -> None:
        """Add the trials of a batch for which a predictor failed, if any, with a warning.

        Their user attribute ``error`` has the type and the message of the error.

        Raises:
            PredictionError: If all of them failed; their trials are added first.
        """
        errors = attempt.errors
        if not errors:
            return
        attributes = [{"kind": PREDICTED, "error": error_in_words(error)} for error in errors]
        self.store.add_failed(matrix[~attempt.done], attributes, started)
        if len(errors) == len(matrix):
            raise PredictionError(
                f"A predictor failed for all {len(matrix)} subnets of a batch; the first error is "
                f"{error_in_words(errors[0])}"
            ) from errors[0]
        warn_failed(errors, len(matrix))

    # ------------------------------------------------------------------ learning

    def _learn(self, unfinished: Unfinished | None = None) -> None:
        """Learn the trials that are new to the search.

        Subnets for which a predictor fails are not proposed again.

        Raises:
            PredictionError: If a predictor returns something that is not a number; nothing is
                learnt then.
        """
        if self.problem.measured_only:  # no search on predictions
            self.archive.mark_learnt()
            return
        new = self.archive.unlearnt()
        known = new.select(~new.measured)
        numbers, matrix = self._unpredicted(new.select(new.measured), unfinished)
        attempt = self.problem.try_evaluate(matrix)
        self.evolution.forbid(matrix[~attempt.done])
        if unfinished is not None:
            self.evolution.forbid(unfinished.matrix[~unfinished.predictable])
            self.evolution.forbid(unfinished.waiting)  # others run them
            self._early.update(unfinished.numbers[unfinished.predictable].tolist())
        predicted = attempt.predicted.numbered(numbers[attempt.done].tolist())
        joined = Evaluated.join([known, predicted])
        found = joined.select(np.argsort(joined.numbers, kind="stable"))
        tell_evolution(self.problem, self.evolution, found, proposed=False)
        self.archive.mark_learnt()

    def _unpredicted(
        self, measured: Evaluated, unfinished: Unfinished | None
    ) -> tuple[NDArray[np.int64], Matrix]:
        """Return numbers and subnets of trials that have no predictions and are not yet learnt."""
        numbers, matrix = measured.numbers, measured.matrix
        if unfinished is not None:
            numbers = np.r_[numbers, unfinished.numbers[unfinished.predictable]]
            matrix = np.concatenate([matrix, unfinished.matrix[unfinished.predictable]])
        new = np.array([n not in self._early for n in numbers.tolist()], dtype=bool)
        return numbers[new], matrix[new]

    def _tell(self, predicted: Evaluated) -> None:
        tell_evolution(self.problem, self.evolution, predicted)

    # ------------------------------------------------------------------ measuring

    def ask(self, n: int, sampler: BaseSampler, mark: str, again: bool) -> list[Asked]:
        """Start trials of promising subnets; see `SubnetStudy.ask_batch`.

        Args:
            n: How many subnets.
            sampler: The sampler of the study; if it learns from measurements, it chooses.
            mark: As in `Store.start`.
            again: Whether trials that were started with the mark before are the first.
        """
        asked = self._started(mark)[:n] if again else []
        taken = self.problem.nothing().matrix  # by running trials, also those that cannot be read
        with contextlib.suppress(SearchSpaceExhaustedError):
            while len(asked) < n:  # again if other processes have started some in the meantime
                unfinished, left = self.refresh(), n - len(asked)
                if unfinished.retries:
                    asked += self._resume(unfinished.retries, left)
                    continue
                unfinished = unfinished._replace(
                    waiting=np.concatenate([unfinished.waiting, taken])
                )
                chosen = self._choose(sampler, unfinished, left)
                if chosen is None:
                    stock, known = self._candidates(unfinished), self.archive.all()
                    chosen = choose_predicted(self.problem, stock, known, unfinished, left)
                if len(chosen.matrix) == 0:
                    break
                started, others = self._start(chosen, unfinished.last_id, mark)
                asked, taken = asked + started, np.concatenate([taken, others])
        return asked

    def _choose(self, sampler: BaseSampler, unfinished: Unfinished, n: int) -> Evaluated | None:
        """Return at most ``n`` subnets chosen by measurements; None if predictions choose."""
        known, n_round = self.archive.all(), self._n_rounds + 1
        chosen = choose_learned(self.problem, sampler, known, unfinished, n, n_round)
        if chosen is not None:
            self._n_rounds = n_round
        elif self.problem.measured_only:
            chosen = choose_unpredicted(self.problem, self.evolution, known, unfinished, n)
        return chosen

    def _candidates(self, unfinished: Unfinished) -> Stock:
        """Return the candidates of the predicted trials."""
        known = self.archive.all()
        trials, failed = known.select(~known.measured), unfinished.matrix[~unfinished.predictable]
        if self._stock is None or not self._stock.is_of(trials, failed):
            self._stock = Stock(self.problem, self._start_of_search, trials, failed)
        return self._stock

    def _resume(self, retries: Sequence[FrozenTrial], n: int) -> list[Asked]:
        """Rerun at most ``n`` trials whose process died and that no other process has taken."""
        taken = itertools.islice((t for t in retries if self.store.resume(t._trial_id)), n)
        return self._asked(list(taken))

    def _started(self, mark: str) -> list[Asked]:
        """Return what was started with a mark, and count the choices that led to it."""
        trials = self.store.started(mark)
        rounds = [int(trial.system_attrs[ASKED].rpartition(":")[2]) for trial in trials]
        self._n_rounds = max([self._n_rounds, *rounds])
        return self._asked(trials)

    def _asked(self, trials: Sequence[FrozenTrial]) -> list[Asked]:
        matrix, _ = decode_trials(self.problem.space, trials)
        subnets = self.problem.space.from_matrix(matrix)
        return [
            Asked(
                subnet,
                self.store.open_trial(trial._trial_id),
                trial.number,
                numbers_by_name(trial.user_attrs.get(PREDICTION)),
                numbers_by_name(trial.user_attrs.get(PREDICTION_STD)),
            )
            for subnet, trial in zip(subnets, trials, strict=True)
        ]

    def _start(self, chosen: Evaluated, last_id: int, mark: str) -> tuple[list[Asked], Matrix]:
        """Start trials, and return them and the subnets that others have started."""
        named = self.problem.named(chosen)
        attributes = [{PREDICTION: values, PREDICTION_STD: std} for values, std in named]
        ids = self.store.start(chosen.matrix, attributes, last_id, f"{mark}:{self._n_rounds}")
        # the predictions, so that the search continues from these subnets and does not repeat them
        if not self.problem.measured_only:
            self._tell(predicted(self.problem, chosen.matrix[np.array(list(ids), dtype=np.intp)]))
        subnets = self.problem.space.from_matrix(chosen.matrix)
        trials = {i: self.store.open_trial(trial_id) for i, trial_id in ids.items()}
        asked = [Asked(subnets[i], t, t.number, *named[i]) for i, t in trials.items()]
        return asked, np.delete(chosen.matrix, list(ids), axis=0)


def _meets_others(written: Written) -> bool:
    """Return whether other workers have searched while a generation was evaluated."""
    return len(written.unwritten.numbers) > 0 or not bool(written.news.measured.all())
