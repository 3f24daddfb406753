"""Rounds of measuring, correcting the predictors, and searching again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from optuna_ofa._progress import Bar, progress_bar
from optuna_ofa._terminations import terminations_raised
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Findings, Front, find_front, unit
from optuna_ofa.problem import CHOSEN_AFTER, MEASURED, PREDICTED, Evaluated, Problem, significant
from optuna_ofa.space import Matrix, Subnet, absent
from optuna_ofa.storage import Store
from optuna_ofa.studies._callbacks import MeasurementWatch
from optuna_ofa.studies._choices import choose, searched
from optuna_ofa.studies._corrections import corrected_problem
from optuna_ofa.studies._refinement import Ending, Refinement
from optuna_ofa.studies._rounds import Course

if TYPE_CHECKING:
    from optuna_ofa.executors import Executor
    from optuna_ofa.verification import Measure, Meter


class Refined(Findings, Protocol):
    """The study that is refined."""

    @property
    def seed(self) -> int:
        """The seed of its search."""

    @property
    def store(self) -> Store:
        """Its trials."""


@terminations_raised()
def refine(
    study: Refined,
    measure: Mapping[str, Measure],
    *,
    budget: int,
    rounds: int,
    tolerance: float,
    progress: bool | None,
    executor: Executor | None = None,
    watch: MeasurementWatch | None = None,
) -> Refinement:
    """See `SubnetStudy.refine`."""
    from optuna_ofa.verification import (  # needs torch
        meters_of,
        require_same_networks,
        warn_failures,
    )

    meters = meters_of(study.problem, measure, executor, progress=progress)
    _require_objectives(study.problem, meters)
    study.problem.require_predictors(but_measured=True)
    measured = study.results(kind=MEASURED).numbers
    require_same_networks(meters, study.store.notes(measured.tolist()))
    n = min(budget, len(measured))
    with progress_bar("refining", progress, total=budget, initial=n, unit="subnet") as bar:
        refiner = Refiner(study, meters, budget, rounds, bar, watch)
        ending = refiner.run(tolerance)
        warn_failures(refiner.failures, len(refiner.failures) + refiner.n_new)
        return refiner.result(ending)


def _require_objectives(problem: Problem, meters: Mapping[str, Meter]) -> None:
    from optuna_ofa.verification import exact_metrics

    known = {*meters, *exact_metrics(problem, meters)}
    missing = [name for name in problem.objectives if name not in known]
    if missing:
        raise InvalidArgumentError(
            f"`measure` must say how to measure each objective that is not exact, "
            f"{', '.join(m for m in problem.objectives if m in meters or m in missing)}, but "
            f"lacks {missing[0]!r}."
        )


class Refiner:
    """One call of `SubnetStudy.refine`.

    Args:
        study: The study.
        meters: The meter of each metric.
        budget: Measurements that the study has at the end.
        rounds: In how many rounds.
        bar: Shows what is done.
        watch: What may end it early; None is nothing.
    """

    def __init__(
        self,
        study: Refined,
        meters: Mapping[str, Meter],
        budget: int,
        rounds: int,
        bar: Bar,
        watch: MeasurementWatch | None,
    ) -> None:
        self._study, self._meters, self._bar, self._watch = study, meters, bar, watch
        self._budget, self._size = budget, math.ceil(budget / rounds)
        # that of the study, so that several processes choose the same subnets and share them
        self._seed = min(study.snapshot().seeds, default=study.seed)
        self._begun: set[int] = set()  # rounds, which are not tried again by this call
        self.failures: dict[Subnet, str] = {}
        self.n_new = 0

    def run(self, tolerance: float) -> Ending:
        """Measure until there is a reason to end; return it."""
        while True:
            course = self._course()
            if len(course) >= self._budget:
                return "budget spent"
            if self._watch and (reason := self._watch.reason()):
                return reason
            start = self._unfinished(course)
            if start is None:
                if course.has_stopped(tolerance):
                    return "front no longer grows"
                start = len(course)
            self._begun.add(start)
            if self._round(course, start) or start < len(course):
                continue
            if len(self._course()) > len(course):  # another process was faster
                continue
            if not (self._watch and self._watch.is_over()):
                return "no subnet left"

    def result(self, ending: Ending) -> Refinement:
        """Return what was found; the corrected front is searched."""
        course, problem = self._course(), self._study.problem
        found, corrected = self._searched(course, len(course))
        metrics = problem.objective_metrics
        none = Front([], list(metrics.values()))
        measured = course.measured
        return Refinement(
            front=find_front(problem, measured, MEASURED, self._study.notes)
            if measured.feasible.any()
            else none,
            predicted=find_front(corrected, found, PREDICTED, self._study.notes)
            if found.feasible.any()
            else none,
            predictors={m: corrected.predictors[m] for m in self._meters},
            rounds=course.rounds(list(self._meters)),
            reference=course.reference,
            ending=ending,
            failures=dict(self.failures),
            units=problem.metrics,
        )

    def _course(self) -> Course:
        return Course.of(self._study.snapshot())

    def _unfinished(self, course: Course) -> int | None:
        """Return the start of the last round if it was interrupted, also in another process."""
        starts = course.starts[-1:]
        return next(
            (n for n in starts if n not in self._begun and course.n_of(n) < self._size), None
        )

    def _round(self, course: Course, start: int) -> int:
        """Measure the subnets of a round that are missing; return how many are measured."""
        found, corrected = self._searched(course, start)
        failed = self._study.space.to_matrix(list(self.failures))
        unfinished = self._study.store.unfinished()
        running = unfinished.matrix[unfinished.running]  # measured by others at this time
        taken = np.concatenate([course.measured.matrix[:start], failed, running])
        chosen = choose(corrected, found, taken, self._size)
        missing = chosen[absent(chosen, course.measured.matrix)][: self._budget - len(course)]
        return self._measure(course, corrected, missing, start) if len(missing) else 0

    def _searched(self, course: Course, start: int) -> tuple[Evaluated, Problem]:
        """Return what predictors find that the first measurements correct, and their problem."""
        known, problem = course.measured.select(slice(start)), self._study.problem
        seed = int(np.random.default_rng((self._seed, start)).integers(2**31))
        predicted = self._study.results(kind=PREDICTED).once()
        self._show(course, "correcting")
        corrected = corrected_problem(problem, known, list(self._meters), seed=seed)
        self._show(course, "searching")
        if corrected is problem and len(predicted.matrix):
            return predicted, problem
        return searched(corrected, predicted, known.once().matrix, seed=seed), corrected

    def _measure(self, course: Course, corrected: Problem, matrix: Matrix, start: int) -> int:
        from optuna_ofa.verification import Work

        self._show(course, f"measuring {len(matrix)} subnets")
        noted = {CHOSEN_AFTER: start}
        work = Work(self._study, corrected, self._study.store, self._meters, noted)
        try:
            work.run_all(matrix, self._bar, "refine", self._watch, self._budget)
        finally:
            stopped = {s: f"stopped early, {of.reason}" for s, of in work.partial.items()}
            self.failures |= {**work.failures, **stopped}
            self.n_new += len(work.found)
        return len(work.found)

    def _show(self, course: Course, words: str) -> None:
        metrics = self._study.problem.objective_metrics
        volume = f"measured hypervolume {significant(course.volume(len(course)))} {unit(metrics)}"
        self._bar.n = min(len(course), self._budget)
        self._bar.set_description_str(words, refresh=False)
        self._bar.set_postfix_str(volume)
