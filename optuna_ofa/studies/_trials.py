"""Results of a batch as Optuna's finished trials."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._subnet_attr import subnet_dicts


class _Shared(dict[str, Any]):
    """A dict whose deep copies may share its values, because nobody changes these.

    Optuna copies each trial that is added, which is most of the work where it keeps studies in
    memory.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


def finished_trials(
    problem: Problem,
    matrix: Matrix,
    values: NDArray[np.float64],
    constraints: NDArray[np.float64],
    started: datetime.datetime,
) -> list[FrozenTrial]:
    """Complete trials as Optuna would have written them, without their numbers.

    Args:
        problem: What was searched for.
        matrix: ``(n, n_genes)`` canonical genotypes.
        values: Their predictions.
        constraints: How much they violate each constraint.
        started: When the batch was started.
    """
    distributions = _Shared(problem.space.distributions)
    subnets = subnet_dicts(problem.space.family, matrix)
    names = [f"constraints:{name}" for name in problem.constraints]
    completed = datetime.datetime.now()
    return [
        FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.COMPLETE,
            value=None,
            values=row,
            datetime_start=started,
            datetime_complete=completed,
            params=_Shared(params),
            distributions=distributions,
            user_attrs={"subnet": _Shared(subnet), "kind": "predicted"},
            system_attrs=dict(zip(names, excess, strict=True)),
            intermediate_values={},
        )
        for subnet, params, row, excess in zip(
            subnets,
            problem.space.to_params(matrix),
            values.tolist(),
            constraints.tolist(),
            strict=True,
        )
    ]
