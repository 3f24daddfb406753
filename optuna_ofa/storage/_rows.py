"""Rows of Optuna's tables for predicted subnets, straight from the arrays."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import PREDICTED, Evaluated, Problem, system_attributes
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.storage._encoding import compact_json, shown_texts, subnet_dicts, subnet_texts

Rows = list[tuple[Any, ...]]
PARAM_COLUMNS = ("trial_id", "param_name", "param_value", "distribution_json")
VALUE_COLUMNS = ("trial_id", "objective", "value", "value_type")
ATTRIBUTE_COLUMNS = ("trial_id", "key", "value_json")


class TrialRows:
    """The rows of trials that `finished_trials` would make of the same batch.

    Args:
        problem: The problem of the study.
    """

    def __init__(self, problem: Problem) -> None:
        self._space, self._constraints = problem.space, list(problem.constraints)
        self._heads = list(distribution_texts(problem.space.distributions).items())
        self._shown = shown_texts(problem.space.table)
        self._choices = [np.array(problem.space.choices[name]) for name, _ in self._heads]

    def params(self, ids: Sequence[int], matrix: Matrix) -> Rows:
        """`PARAM_COLUMNS`; genes of absent blocks too.

        The index of a choice is stored; for an absent gene, that of the first.
        """
        indices: NDArray[np.float64] = np.empty(matrix.shape)
        for j, choices in enumerate(self._choices):
            indices[:, j] = np.searchsorted(choices, matrix[:, j])
        indices[~self._space.active_genes(matrix)] = 0
        return [
            (trial_id, name, index, text)
            for trial_id, row in zip(ids, indices.tolist(), strict=True)
            for (name, text), index in zip(self._heads, row, strict=True)
        ]

    def values(self, ids: Sequence[int], batch: Evaluated, value_type: Any) -> Rows:
        """`VALUE_COLUMNS`."""
        return [
            (trial_id, objective, value, value_type)
            for trial_id, row in zip(ids, batch.values.tolist(), strict=True)
            for objective, value in enumerate(row)
        ]

    def user_attributes(self, ids: Sequence[int], batch: Evaluated) -> Rows:
        """`ATTRIBUTE_COLUMNS`."""
        kind = json.dumps(PREDICTED)
        family = self._space.table
        texts = subnet_texts(family, batch.matrix)
        shown = self._shown(subnet_dicts(family, batch.matrix))
        return [
            row
            for trial_id, text, words in zip(ids, texts, shown, strict=True)
            for row in (
                (trial_id, "subnet", text),
                (trial_id, "subnet_text", json.dumps(words)),
                (trial_id, "kind", kind),
            )
        ]

    def system_attributes(self, ids: Sequence[int], batch: Evaluated) -> Rows:
        """`ATTRIBUTE_COLUMNS`."""
        return [
            (trial_id, key, compact_json(value))
            for trial_id, row in zip(ids, batch.excess.tolist(), strict=True)
            for key, value in system_attributes(
                dict(zip(self._constraints, row, strict=True))
            ).items()
        ]


def distribution_texts(distributions: Mapping[str, BaseDistribution]) -> dict[str, str]:
    """Return the JSON of each distribution.

    Every parameter of every trial has one, so that it takes most of a database. Without spaces it
    is the shortest that Optuna, the viewers of Optuna Dashboard and Rustuna all read; Optuna's
    abbreviated form is not read by the last two.
    """
    texts = {name: distribution_to_json(of) for name, of in distributions.items()}
    return {name: compact_json(json.loads(text)) for name, text in texts.items()}


class _New(FrozenTrial):
    """A trial that was made to be added to a storage, and that nobody else has.

    Its first deep copy is itself: storages in memory copy what they are given.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> FrozenTrial:
        self.__class__ = FrozenTrial  # type: ignore[assignment]
        return self


class _Shared(dict[str, Any]):
    """A dict whose deep copies may share its values, because these are never changed.

    Optuna copies each trial that is added, which is most of the work for studies in memory.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return dict(self)


def finished_trials(
    problem: Problem,
    batch: Evaluated,
    attributes: Sequence[Mapping[str, Any]],
    times: tuple[datetime.datetime, datetime.datetime],
) -> list[FrozenTrial]:
    """Return complete trials as Optuna would have written them, without their numbers.

    Args:
        problem: The problem of the study.
        batch: The subnets with their values.
        attributes: User attributes of each besides its subnet and its kind.
        times: When they were started and finished, in local time.
    """
    own = [{"kind": k, **of} for k, of in zip(batch.kind.tolist(), attributes, strict=True)]
    trials = templates(problem.space, batch.matrix, TrialState.COMPLETE, own, times[0])
    rows = zip(trials, batch.values.tolist(), batch.excess.tolist(), strict=True)
    for trial, values, excess in rows:
        trial.values, trial.datetime_complete = values, times[1]
        trial.system_attrs = system_attributes(dict(zip(problem.constraints, excess, strict=True)))
    return trials


def templates(
    space: SearchSpace,
    matrix: Matrix,
    state: TrialState,
    attributes: Sequence[Mapping[str, Any]],
    started: datetime.datetime,
) -> list[FrozenTrial]:
    """Return trials without numbers and values, for `optuna.Study.add_trials`.

    Args:
        space: The space of the subnets.
        matrix: ``(n, n_genes)`` canonical genotypes.
        state: The state of all trials.
        attributes: User attributes of each besides its subnet.
        started: When they were started, in local time; finished trials end now.
    """
    distributions = _Shared(space.distributions)
    subnets = subnet_dicts(space.table, matrix)
    rows = zip(
        space.to_params(matrix), subnets, shown_texts(space.table)(subnets), attributes, strict=True
    )
    completed = datetime.datetime.now() if state.is_finished() else None
    return [
        _New(
            number=-1,
            trial_id=-1,
            state=state,
            value=None,
            datetime_start=started,
            datetime_complete=completed,
            params=_Shared(params),
            distributions=distributions,
            user_attrs={"subnet": _Shared(subnet), "subnet_text": shown, **more},
            system_attrs={},
            intermediate_values={},
        )
        for params, subnet, shown, more in rows
    ]
