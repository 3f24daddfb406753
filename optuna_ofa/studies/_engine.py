"""The search of one study: known trials, and the subnets to predict and to measure next."""

from __future__ import annotations

import contextlib
import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from optuna_ofa.exceptions import PredictionError, SearchSpaceExhaustedError
from optuna_ofa.problem import (
    PREDICTED,
    PREDICTION,
    PREDICTION_STD,
    Attempt,
    Evaluated,
    Problem,
    error_in_words,
    warn_failed,
)
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix
from optuna_ofa.storage import Store, Unfinished, decode_trials
from optuna_ofa.studies._ask import (
    Asked,
    choose_learned,
    choose_predicted,
    choose_unpredicted,
    predicted,
    tell_evolution,
)
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._tell import Measured, check_endings, endings_of

ProposeGuests = Callable[[int], Matrix]


class Archive:
    """The finished trials of a study, in the order in which they were read.

    Args:
        problem: The problem of the study.
    """

    def __init__(self, problem: Problem) -> None:
        self._parts = [problem.nothing()]
        self._unlearnt = [problem.nothing()]

    def __len__(self) -> int:
        return sum(len(part.numbers) for part in self._parts)

    def all(self) -> Evaluated:
        """Return all trials."""
        if len(self._parts) > 1:
            self._parts = [Evaluated.join(self._parts)]
        return self._parts[0]

    def add(self, evaluated: Evaluated, *, learnt: bool = False) -> None:
        """Add new trials.

        Args:
            evaluated: The trials.
            learnt: Whether the search has already learnt them.
        """
        if len(evaluated.numbers):
            self._parts.append(evaluated)
            if not learnt:
                self._unlearnt.append(evaluated)

    def unlearnt(self) -> Evaluated:
        """Return the trials that the search has not learnt."""
        return Evaluated.join(self._unlearnt)

    def mark_learnt(self) -> None:
        """Mark all trials as learnt by the search."""
        self._unlearnt = self._unlearnt[:1]


class Engine:
    """Searches on predictions, a generation at a time, and chooses subnets to measure.

    A `SubnetStudy` has one. It owns the store, the archive of trials read from it, and the
    evolution, which learns the predictions for every subnet of the study, measured or not:
    measured values never compete with predicted ones. A new process therefore learns the same, in
    the order of the trials, as the one that started them, and continues in the same way.

    Args:
        problem: The problem; its predictors cover all of its objectives.
        store: The trials of the study.
        evolution: The search to start from; a copy of it is used.
    """

    def __init__(self, problem: Problem, store: Store, evolution: Evolution) -> None:
        self.problem, self.store = problem, store
        # a fork, because in `optimize` Optuna itself tells the sampler the measurements
        self._evolution = evolution.fork()
        self._archive = Archive(problem)
        self._n_unread = 0  # own trials that are read later
        self._early: set[int] = set()  # trials that were learnt before they finished

    @property
    def seed(self) -> int:
        """The seed of the search."""
        return self._evolution.seed

    def results(self) -> Evaluated:
        """Return all finished trials, including those of other processes."""
        self._read()
        return self._archive.all()

    def known(self) -> Evaluated:
        """Return the finished trials that were already read."""
        return self._archive.all()

    def n_evaluated(self) -> int:
        """Return how many evaluations the study has, as far as this process knows.

        These are complete trials and evaluations that are not kept; failed trials do not count.
        """
        return len(self._archive) + self._n_unread + self.store.n_unwritten()

    def knows(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return whether each subnet was evaluated, failed or is being evaluated, ``(n,)``."""
        return self._evolution.knows(matrix)

    def refresh(self) -> Unfinished:
        """Learn trials written by other or earlier processes."""
        unfinished = self.store.unfinished()
        self._read()
        self._learn(unfinished)
        return unfinished

    def _read(self) -> None:
        self._archive.add(self.store.read())
        self._n_unread = 0

    # ------------------------------------------------------------------ searching

    def generations(self, budget: Budget, guests: ProposeGuests | None = None) -> Iterator[int]:
        """Search a generation at a time; call `refresh` first.

        Args:
            budget: How many evaluations, those of guests included, or how long.
            guests: Takes the number of evaluations left, and returns the canonical genotypes of at
                most that many subnets to evaluate before the next generation.

        Yields:
            How many subnets were evaluated since the last time.
        """
        with contextlib.suppress(SearchSpaceExhaustedError):
            while left := budget.left(self.n_evaluated):
                added = 0
                if guests is not None and len(matrix := guests(left)):
                    added += self._run(matrix, datetime.datetime.now(), budget)
                if n := min(self._evolution.n_due, left - added):
                    started = datetime.datetime.now()
                    added += self._run(self._evolution.ask(n), started, budget)
                budget.spend(added)
                yield added

    def _run(self, matrix: Matrix, started: datetime.datetime, budget: Budget) -> int:
        """Predict, write and learn; return how many no other process had evaluated by then."""
        attempt = self.problem.try_evaluate(matrix)
        self._add_failed(matrix, attempt, started)
        times = (started, datetime.datetime.now())
        written = self.store.write(attempt.predicted, times, budget.room(self.n_evaluated))
        self._archive.add(written.news)
        self._archive.add(written.own, learnt=True)
        self._n_unread += written.n_unread
        self._learn()
        self._tell(attempt.predicted)
        if written.n_evaluated == 0:  # another worker makes the same choices at the same time
            self._evolution.reseed()
        return written.n_evaluated + len(attempt.errors)

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
            self._archive.mark_learnt()
            return
        new = self._archive.unlearnt()
        known = new.select(~new.measured)
        numbers, matrix = self._unpredicted(new.select(new.measured), unfinished)
        attempt = self.problem.try_evaluate(matrix)
        self._evolution.forbid(matrix[~attempt.done])
        if unfinished is not None:
            self._evolution.forbid(unfinished.matrix[~unfinished.predictable])
            self._evolution.forbid(unfinished.waiting)  # others run them
            self._early.update(unfinished.numbers[unfinished.predictable].tolist())
        predicted = attempt.predicted.numbered(numbers[attempt.done].tolist())
        joined = Evaluated.join([known, predicted])
        self._tell(joined.select(np.argsort(joined.numbers, kind="stable")))
        self._archive.mark_learnt()

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
        tell_evolution(self.problem, self._evolution, predicted)

    # ------------------------------------------------------------------ measuring

    def ask(self, n: int, sampler: BaseSampler) -> list[Asked]:
        """Start trials of promising subnets; see `SubnetStudy.ask_batch`.

        Args:
            n: How many subnets.
            sampler: The sampler of the study; if it learns from measurements, it chooses.
        """
        self.problem.require_predictors(but_measured=True)
        self.problem.require_reachable()
        self.store.fail_stale()
        asked: list[Asked] = []
        candidates: Evaluated | None = None
        with contextlib.suppress(SearchSpaceExhaustedError):
            while len(asked) < n:  # again if other processes have started some in the meantime
                unfinished, left = self.refresh(), n - len(asked)
                if unfinished.retries:
                    asked += self._resume(unfinished.retries, left)
                    continue
                known = self._archive.all()
                chosen = choose_learned(self.problem, sampler, known, unfinished, left)
                if chosen is None and self.problem.measured_only:
                    chosen = choose_unpredicted(
                        self.problem, self._evolution, known, unfinished, left
                    )
                if chosen is None:
                    if candidates is None:
                        candidates = known.select(~known.measured).once()
                    chosen, candidates = choose_predicted(
                        self.problem, self._evolution, candidates, known, unfinished, left
                    )
                if len(chosen.matrix) == 0:
                    break
                asked += self._start(chosen, unfinished.last_id)
        if not asked:
            raise SearchSpaceExhaustedError(
                f"All {self.problem.space.n_subnets} subnets of {self.problem.space} have been "
                f"evaluated, have failed, or are being evaluated."
            )
        return asked

    def _resume(self, retries: Sequence[FrozenTrial], n: int) -> list[Asked]:
        """Rerun at most ``n`` trials whose process died and that no other process has taken."""
        taken = itertools.islice((t for t in retries if self.store.resume(t._trial_id)), n)
        trials = list(taken)
        matrix, _ = decode_trials(self.problem.space, trials)
        subnets = self.problem.space.from_matrix(matrix)
        return [
            Asked(
                subnet,
                self.store.open_trial(trial._trial_id),
                trial.number,
                trial.user_attrs.get(PREDICTION, {}),
                trial.user_attrs.get(PREDICTION_STD, {}),
            )
            for subnet, trial in zip(subnets, trials, strict=True)
        ]

    def _start(self, chosen: Evaluated, last_id: int) -> list[Asked]:
        named = self.problem.named(chosen)
        attributes = [{PREDICTION: values, PREDICTION_STD: std} for values, std in named]
        ids = self.store.start(chosen.matrix, attributes, last_id)
        # the predictions, so that the search continues from these subnets and does not repeat them
        if not self.problem.measured_only:
            self._tell(predicted(self.problem, chosen.matrix[np.array(list(ids), dtype=np.intp)]))
        subnets = self.problem.space.from_matrix(chosen.matrix)
        trials = {i: self.store.open_trial(trial_id) for i, trial_id in ids.items()}
        return [Asked(subnets[i], t, t.number, *named[i]) for i, t in trials.items()]

    def tell(
        self,
        asked: Iterable[Asked],
        values: Iterable[Measured],
        constraints: Mapping[str, Iterable[float]] | None,
    ) -> None:
        """Finish trials started by `ask`; see `SubnetStudy.tell_batch`."""
        asked = list(asked)
        endings = endings_of(self.problem, self.store.study_name, asked, values, constraints or {})
        self.store.finish(endings, check_endings(asked))
