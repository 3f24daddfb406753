"""The rounds of a refinement, as the measured trials of a study tell them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.fronts import Snapshot, beyond, hypervolume, nondominated
from optuna_ofa.predictors import PredictionErrors, prediction_errors
from optuna_ofa.problem import CHOSEN_AFTER, MEASURED, PREDICTION, Evaluated, Problem
from optuna_ofa.studies._refinement import Round


class Course(NamedTuple):
    """The measurements of a study in the order of their trials.

    Args:
        problem: The problem.
        measured: The measured subnets.
        notes: The user attributes of their trials.
        chosen_after: ``(n,)`` how many measurements there were when each was chosen; -1 where
            something else chose it.
    """

    problem: Problem
    measured: Evaluated
    notes: Sequence[Mapping[str, Any]]
    chosen_after: NDArray[np.int64]

    @staticmethod
    def of(study: Snapshot) -> Course:
        """Read the course of a study."""
        measured = study.results(kind=MEASURED)
        measured = measured.select(np.argsort(measured.numbers, kind="stable"))
        notes = study.notes(measured.numbers.tolist())
        chosen = [note.get(CHOSEN_AFTER) for note in notes]
        known = [n if isinstance(n, int) and 0 <= n <= i else -1 for i, n in enumerate(chosen)]
        return Course(study.problem, measured, notes, np.array(known, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.measured.matrix)

    @property
    def starts(self) -> list[int]:
        """How many measurements there were when each round began."""
        return sorted({n for n in self.chosen_after.tolist() if n >= 0})

    def n_of(self, start: int) -> int:
        """Return how many subnets of the round that began with ``start`` are measured."""
        return int((self.chosen_after == start).sum())

    @property
    def reference(self) -> dict[str, float]:
        """The reference point of the hypervolumes, a tenth of the front's range beyond its ends.

        Where all points of the front have one value, it is that far beyond the worst measured one.
        It is empty where no measured subnet satisfies the constraints.
        """
        problem = self.problem
        costs = self.measured.values[self.measured.feasible] * problem.signs
        if not len(costs):
            return {}
        front = costs[nondominated(costs)]
        varies = np.ptp(front, axis=0) > 0
        ends = np.where(varies, front.max(axis=0), costs.max(axis=0))
        ranges = np.where(varies, np.ptp(front, axis=0), np.ptp(costs, axis=0))
        point = beyond(ends[None], ranges) * problem.signs
        return dict(zip(problem.objectives, point.tolist(), strict=True))

    def volume(self, n: int) -> float:
        """Return the hypervolume of the first ``n`` measured subnets."""
        first = self.measured.select(slice(n))
        values, reference = first.values[first.feasible], self.reference
        return hypervolume(values, reference, self.problem.objective_metrics) if reference else 0.0

    def rounds(self, metrics: Sequence[str]) -> tuple[Round, ...]:
        """Return the rounds, with the errors of the predictions of some metrics."""
        ends = [*self.starts[1:], len(self)] if self.starts else []
        return tuple(
            Round(start, end, self.volume(end), {m: self._errors(start, m) for m in metrics})
            for start, end in zip(self.starts, ends, strict=True)
        )

    def has_stopped(self, tolerance: float) -> bool:
        """Return whether the last two rounds hardly extended the measured front.

        Args:
            tolerance: The share of the hypervolume that a round must add; 0 for any.
        """
        ends = [*self.starts, len(self)][-3:]
        if len(ends) < 3 or not tolerance:
            return False
        volumes = [self.volume(n) for n in ends]
        return all(new - old <= tolerance * new for old, new in itertools.pairwise(volumes))

    def _errors(self, start: int, metric: str) -> PredictionErrors:
        measured = column(self.problem, self.measured, metric)
        predicted = np.array([of.get(PREDICTION, {}).get(metric, np.nan) for of in self.notes])
        known = (self.chosen_after == start) & np.isfinite(predicted)
        return prediction_errors(metric, predicted[known], measured[known])


def column(problem: Problem, measured: Evaluated, metric: str) -> NDArray[np.float64]:
    """Return the values of an objective or a constrained metric, ``(n,)``."""
    if metric in problem.objectives:
        return measured.values[:, problem.objectives.index(metric)]
    excess = measured.excess[:, list(problem.constraints).index(metric)]
    return problem.from_excess(metric, excess)
