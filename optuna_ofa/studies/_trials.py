"""A batch as Optuna's finished trials."""

from __future__ import annotations

from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import PREDICTED, Batch
from optuna_ofa.studies._subnet_attr import subnet_dicts


class _Shared(dict[str, Any]):
    """A dict whose deep copies may share its values, because nobody changes these.

    Optuna copies each trial that is added, which is most of the work where it keeps studies in
    memory.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


def finished_trials(problem: Problem, batch: Batch) -> list[FrozenTrial]:
    """Complete trials as Optuna would have written them, without their numbers.

    Args:
        problem: What was searched for.
        batch: What was predicted.
    """
    distributions = _Shared(problem.space.distributions)
    subnets = subnet_dicts(problem.space.family, batch.matrix)
    names = [f"constraints:{name}" for name in problem.constraints]
    return [
        FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.COMPLETE,
            value=None,
            values=row,
            datetime_start=batch.started,
            datetime_complete=batch.completed,
            params=_Shared(params),
            distributions=distributions,
            user_attrs={"subnet": _Shared(subnet), "kind": PREDICTED},
            system_attrs=dict(zip(names, excess, strict=True)),
            intermediate_values={},
        )
        for subnet, params, row, excess in zip(
            subnets,
            problem.space.to_params(batch.matrix),
            batch.values.tolist(),
            batch.constraints.tolist(),
            strict=True,
        )
    ]
