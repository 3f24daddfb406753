"""The sampler of a study that learns from measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.problem import Problem, constraints_of
from optuna_ofa.samplers._surrogate_sampler import SurrogateSampler
from optuna_ofa.samplers.models._quantity import Prior
from optuna_ofa.space import Matrix

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# The predictors know the sizes already, so the start serves to correct them.
_N_STARTUP_TRIALS = 10


class LearningSampler(SurrogateSampler):
    """Corrects the predictors of a problem by what was measured.

    Constraints are learnt in units of their bounds, so that they can be added up.

    Args:
        problem: What is searched for.
        seed: Seed of all random choices.
    """

    def __init__(self, problem: Problem, *, seed: int | None) -> None:
        self._problem = problem
        self.known_constraints = tuple(problem.constraints)
        super().__init__(
            problem.space,
            n_startup_trials=_N_STARTUP_TRIALS,
            priors=[problem.predictors[metric] for metric in problem.objectives],
            seed=seed,
        )

    def constraints_of(self, trial: FrozenTrial) -> Mapping[str, float]:
        """Also those on objectives, which an objective of the user's own need not set."""
        problem, excess = self._problem, dict(constraints_of(trial))
        for name in problem.constraints:
            if name in problem.objectives:
                value = trial.values[problem.objectives.index(name)]
                excess.setdefault(name, float(problem.excess(name, np.array(value))))
        scales = dict(zip(problem.constraints, problem.scales.tolist(), strict=True))
        return {name: value / scales.get(name, 1.0) for name, value in excess.items()}

    def constraint_prior(self, name: str) -> Prior | None:
        """What the predictors say; None for a constraint that the problem does not have."""
        return _ExcessPrior(self._problem, name) if name in self._problem.constraints else None


@dataclass(frozen=True)
class _ExcessPrior:
    problem: Problem
    name: str

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        problem, at = self.problem, [*self.problem.constraints].index(self.name)
        return np.asarray(problem.evaluate(matrix).constraints[:, at] / problem.scales[at])
