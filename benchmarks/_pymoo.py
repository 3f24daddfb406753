"""pymoo's NSGA-II on subnets, tuned on the Note10 as far as its operators go.

Of seven pairs of operators (simulated binary, uniform and two-point crossover; polynomial and
reset mutation at several rates), populations of 50 to 200, and random or graded starts, these
found the most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _fronts import Matrix, Values
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.operators.crossover.pntx import TwoPointCrossover
from pymoo.optimize import minimize

from optuna_ofa.space import SearchSpace

POPULATION_SIZE = 100


def search(
    space: SearchSpace, evaluate: Callable[[Matrix], Values], n_trials: int, seed: int
) -> None:
    """Search until at least so many subnets were evaluated."""
    problem = _Subnets(space, evaluate)
    algorithm = NSGA2(
        pop_size=POPULATION_SIZE,
        sampling=_start(problem, seed),
        crossover=TwoPointCrossover(prob=0.9),
        mutation=_Reset(),
        eliminate_duplicates=True,
    )
    minimize(problem, algorithm, ("n_eval", n_trials), seed=seed)


class _Subnets(Problem):  # type: ignore[misc]
    """Each gene is the place of its value among its choices."""

    def __init__(self, space: SearchSpace, evaluate: Callable[[Matrix], Values]) -> None:
        self.space, self._evaluate_rows = space, evaluate
        self.choices = [np.array(c, dtype=np.int16) for c in space.choices.values()]
        largest = np.array([len(c) - 1 for c in self.choices])
        super().__init__(n_var=len(largest), n_obj=2, xl=0, xu=largest, vtype=int)

    def _evaluate(self, x: NDArray[Any], out: dict[str, Any], *_: Any, **__: Any) -> None:
        columns = [c[places] for c, places in zip(self.choices, x.T.astype(int), strict=True)]
        rows = self.space.canonicalize(np.stack(columns, axis=1))
        out["F"] = self._evaluate_rows(rows) * np.array([-1.0, 1.0])


class _Reset(Mutation):  # type: ignore[misc]
    """Each gene is drawn anew once in as many as there are."""

    def _do(self, problem: Any, x: NDArray[Any], random_state: Any = None, **_: Any) -> Any:
        drawn = (random_state.random(x.shape) * (problem.xu + 1)).astype(int)
        return np.where(random_state.random(x.shape) < 1 / x.shape[1], drawn, x)


def _start(problem: _Subnets, seed: int) -> NDArray[np.int64]:
    """The smallest subnet, the largest, and random ones of every size between them."""
    rng = np.random.default_rng(seed)
    sizes = np.linspace(0, 1, POPULATION_SIZE)[:, None]
    return rng.binomial(problem.xu.astype(int), sizes)
