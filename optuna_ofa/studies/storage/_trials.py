"""Subnets as Optuna's trials."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._violations import system_attributes
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import PREDICTED, Batch
from optuna_ofa.studies.storage._subnet_attr import subnet_dicts


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
    attributes = [{"kind": PREDICTED}] * len(batch.matrix)
    trials = templates(problem.space, batch.matrix, TrialState.COMPLETE, attributes, batch.started)
    rows = zip(trials, batch.values.tolist(), batch.constraints.tolist(), strict=True)
    for trial, values, excess in rows:
        trial.values, trial.datetime_complete = values, batch.completed
        trial.system_attrs = system_attributes(dict(zip(problem.constraints, excess, strict=True)))
    return trials


def templates(
    space: SearchSpace,
    matrix: Matrix,
    state: TrialState,
    attributes: Sequence[Mapping[str, Any]],
    started: datetime.datetime,
) -> list[FrozenTrial]:
    """Trials without numbers and values, for `optuna.Study.add_trials`.

    Args:
        space: The space of the subnets.
        matrix: ``(n, n_genes)`` canonical genotypes.
        state: The state of all trials.
        attributes: User attributes of each beside its subnet.
        started: When they were started, in local time; those that have finished end now.
    """
    distributions = _Shared(space.distributions)
    rows = zip(space.to_params(matrix), subnet_dicts(space.family, matrix), attributes, strict=True)
    completed = datetime.datetime.now() if state.is_finished() else None
    return [
        FrozenTrial(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            datetime_start=started,
            datetime_complete=completed,
            params=_Shared(params),
            distributions=distributions,
            user_attrs={"subnet": _Shared(subnet), **more},
            system_attrs={},
            intermediate_values={},
        )
        for params, subnet, more in rows
    ]
