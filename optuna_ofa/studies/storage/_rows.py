"""Rows of Optuna's tables for predicted subnets, straight from the arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import distribution_to_json

from optuna_ofa._violations import system_attributes
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import PREDICTED, Batch
from optuna_ofa.studies.storage._subnet_attr import subnet_texts

Rows = list[tuple[Any, ...]]
PARAM_COLUMNS = ("trial_id", "param_name", "param_value", "distribution_json")
VALUE_COLUMNS = ("trial_id", "objective", "value", "value_type")
ATTRIBUTE_COLUMNS = ("trial_id", "key", "value_json")


class TrialRows:
    """The rows of trials that `finished_trials` would make of the same batch.

    Args:
        problem: What was searched for.
    """

    def __init__(self, problem: Problem) -> None:
        self._space, self._constraints = problem.space, list(problem.constraints)
        distributions = problem.space.distributions
        self._heads = [(name, distribution_to_json(distributions[name]))
                       for name in (gene.name for gene in problem.space.genes)]  # fmt: skip
        self._choices = [np.array(problem.space.choices[name]) for name, _ in self._heads]

    def params(self, ids: Sequence[int], matrix: Matrix) -> Rows:
        """`PARAM_COLUMNS`; genes of absent blocks too.

        What is stored is the index of a choice; for a gene that is absent, of the first.
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

    def values(self, ids: Sequence[int], batch: Batch, value_type: Any) -> Rows:
        """`VALUE_COLUMNS`."""
        return [
            (trial_id, objective, value, value_type)
            for trial_id, row in zip(ids, batch.values.tolist(), strict=True)
            for objective, value in enumerate(row)
        ]

    def user_attributes(self, ids: Sequence[int], batch: Batch) -> Rows:
        """`ATTRIBUTE_COLUMNS`."""
        kind = json.dumps(PREDICTED)
        texts = subnet_texts(self._space.family, batch.matrix)
        return [
            row
            for trial_id, text in zip(ids, texts, strict=True)
            for row in ((trial_id, "subnet", text), (trial_id, "kind", kind))
        ]

    def system_attributes(self, ids: Sequence[int], batch: Batch) -> Rows:
        """`ATTRIBUTE_COLUMNS`."""
        return [
            (trial_id, key, json.dumps(value))
            for trial_id, row in zip(ids, batch.constraints.tolist(), strict=True)
            for key, value in system_attributes(
                dict(zip(self._constraints, row, strict=True))
            ).items()
        ]
