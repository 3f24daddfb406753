"""Results of a batch as Optuna's finished trials."""

from __future__ import annotations

import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Evaluation, Problem


class _Shared(dict[str, Any]):
    """Distributions that deep copies of a trial may share, because nobody changes them.

    Optuna copies each trial that is added; the distributions are nine tenths of that work.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


def finished_trials(
    problem: Problem, matrix: Matrix, result: Evaluation, started: datetime.datetime
) -> list[FrozenTrial]:
    """Complete trials as Optuna would have written them, without their numbers.

    Args:
        problem: What was searched for.
        matrix: ``(n, n_genes)`` canonical genotypes.
        result: Their predictions.
        started: When the batch was started.
    """
    distributions = _Shared(problem.space.distributions)
    subnets = problem.space.from_matrix(matrix)
    names = [f"constraints:{name}" for name in problem.constraints]
    completed = datetime.datetime.now()
    return [
        FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.COMPLETE,
            value=None,
            values=values,
            datetime_start=started,
            datetime_complete=completed,
            params=params,
            distributions=distributions,
            user_attrs={"subnet": subnet.to_dict(), "kind": "predicted"},
            system_attrs=dict(zip(names, constraints, strict=True)),
            intermediate_values={},
        )
        for subnet, params, values, constraints in zip(
            subnets,
            problem.space.to_params(matrix),
            result.values.tolist(),
            result.constraints.tolist(),
            strict=True,
        )
    ]
