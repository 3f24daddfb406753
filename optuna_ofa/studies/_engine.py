"""The search of one study, of which every change takes place as a whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from optuna.samplers import BaseSampler

from optuna_ofa.exceptions import SearchSpaceExhaustedError
from optuna_ofa.problem import Evaluated, Problem
from optuna_ofa.samplers import Evolution
from optuna_ofa.space import Matrix, absent
from optuna_ofa.storage import Store, Unfinished
from optuna_ofa.studies._ask import Asked
from optuna_ofa.studies._budget import Budget
from optuna_ofa.studies._search import Search
from optuna_ofa.studies._tell import Measured, check_endings, endings_of

ProposeGuests = Callable[[int], Matrix]
T = TypeVar("T")


class Engine:
    """Searches on predictions, a generation at a time, and chooses subnets to measure.

    A `SubnetStudy` has one. It owns the store, the archive of trials read from it, and the
    evolution, which learns the predictions for every subnet of the study, measured or not:
    measured values never compete with predicted ones. A new process therefore learns the same, in
    the order of the trials, as the one that started them, and continues in the same way.

    All of these are in a `Search`, which never changes: each step changes a copy, and replaces
    the search by it in a single assignment, after the trials were written. An exception at any
    other moment (`KeyboardInterrupt`, also in a predictor) leaves the search before the step;
    trials that were written by then are read again, as a new process would read them. Another
    thread never sees a search in the middle of a step.

    Args:
        problem: The problem; its predictors cover all of its objectives.
        store: The trials of the study.
        evolution: The search to start from; a copy of it is used.
    """

    def __init__(self, problem: Problem, store: Store, evolution: Evolution) -> None:
        self.problem = problem
        # a fork, because in `optimize` Optuna itself tells the sampler the measurements
        self._search = Search(problem, store, evolution.fork())
        self._mark = secrets.token_hex(4)  # of trials that `ask` has not returned yet
        self._is_asking = False
        self._own = problem.nothing()

    @property
    def store(self) -> Store:
        """The trials and attributes of the study in its storage."""
        return self._search.store

    @property
    def seed(self) -> int:
        """The seed of the search."""
        return self._search.evolution.seed

    @property
    def mark(self) -> str:
        """The mark of trials that the next `ask` starts; another one after `took`."""
        return self._mark

    def results(self) -> Evaluated:
        """Return all finished trials, including those of other processes."""
        self._changed(Search.read)
        return self.known()

    def known(self) -> Evaluated:
        """Return the finished trials that were already read."""
        return self._search.archive.all()

    def own(self) -> Evaluated:
        """Return the complete trials that this process has written in the last generation.

        They are sorted by their numbers; there are none after `refresh`.
        """
        own = self._own
        if (own.numbers < 0).any():  # the storage has numbered them since
            read = self.results()
            ours = ~absent(read.matrix, own.matrix) & ~read.measured
            own = self._own = read.select(ours).select(slice(None, None, -1)).once()
        return own.select(np.argsort(own.numbers))

    def n_evaluated(self) -> int:
        """Return how many evaluations the study has, as far as this process knows.

        These are complete trials and evaluations that are not kept; failed trials do not count.
        """
        return self._search.n_evaluated()

    def knows(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return whether each subnet was evaluated, failed or is being evaluated, ``(n,)``."""
        return self._search.evolution.fork().knows(matrix)

    def refresh(self) -> Unfinished:
        """Learn trials written by other or earlier processes."""
        self._own = self.problem.nothing()
        return self._changed(Search.refresh)

    def _changed(self, change: Callable[[Search], T]) -> T:
        """Change a copy of the search, and use it from then on unless something is raised."""
        search = self._search.fork()
        result = change(search)
        self._search = search
        return result

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
                added, own = 0, [self.problem.nothing()]
                if guests is not None and len(matrix := guests(left)):
                    step = self._changed(partial(Search.evaluate, matrix=matrix, budget=budget))
                    added, own = step.n_evaluated, [step.own]
                if n := min(self._search.evolution.n_due, left - added):
                    step = self._changed(partial(Search.evaluate_next, n=n, budget=budget))
                    added, own = added + step.n_evaluated, [*own, step.own]
                budget.spend(added)
                self._own = Evaluated.join(own)
                yield added

    def ask(self, n: int, sampler: BaseSampler) -> list[Asked]:
        """Start trials of promising subnets; see `SubnetStudy.ask_batch`.

        Trials that an interrupted call has started and not returned are returned first, until
        `took` says that some were.

        Args:
            n: How many subnets.
            sampler: The sampler of the study; if it learns from measurements, it chooses.
        """
        self.problem.require_predictors(but_measured=True)
        self.problem.require_reachable()
        self.store.fail_stale()
        again, self._is_asking = self._is_asking, True
        asked = self._changed(lambda search: search.ask(n, sampler, self._mark, again))
        if not asked:
            raise SearchSpaceExhaustedError(
                f"All {self.problem.space.n_subnets} subnets of {self.problem.space} have been "
                f"evaluated, have failed, or are being evaluated."
            )
        return asked

    def took(self) -> None:
        """Say that the caller has the trials of the last `ask`."""
        self._mark, self._is_asking = secrets.token_hex(4), False

    def tell(
        self,
        asked: Iterable[Asked],
        values: Iterable[Measured],
        constraints: Mapping[str, Iterable[float]] | None,
        notes: Sequence[Mapping[str, Any]] = (),
        where: str = "`values`",
    ) -> None:
        """Finish trials started by `ask`; see `SubnetStudy.tell_batch`.

        Args:
            asked: The trials.
            values: The objectives of each.
            constraints: Other constrained metrics.
            notes: User attributes of each, if any.
            where: Where the values are from, for messages.
        """
        asked = list(asked)
        endings = endings_of(
            self.problem, self.store.study_name, asked, values, constraints or {}, where
        )
        for i, note in enumerate(notes):
            attributes = {**endings[i].user_attributes, **note}
            endings[i] = endings[i]._replace(user_attributes=attributes)
        self.store.finish(endings, check_endings(asked))

    def release(self, marks: Collection[str], trial_ids: Collection[int]) -> None:
        """End running trials without measurements; `ask` may return their subnets again.

        Args:
            marks: Of trials that `ask` has started.
            trial_ids: Of others.
        """
        self.store.release(marks, trial_ids)
        if self._mark in marks:
            self.took()
