"""All results of a study as arrays, read once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import TrialState

from optuna_ofa._errors import InvalidSubnetError
from optuna_ofa.space import Subnet, genotype_of
from optuna_ofa.studies._problem import Problem

# of trials that a user's own objective evaluated
EVALUATED = "evaluated"


class Result(NamedTuple):
    """One finished trial of the space."""

    number: int
    genotype: tuple[int, ...]
    values: tuple[float, ...]
    constraints: tuple[float, ...]
    kind: str


class Archive:
    """The finished trials of a study, in the order in which they were read.

    Args:
        problem: What the study searches for.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._results: list[Result] = []
        self._known: set[int] = set()

    def __len__(self) -> int:
        return len(self._results)

    def update(self, study: Study, storage: RDBStorage | None) -> None:
        """Read the trials that have finished since the last call, whoever ran them.

        Args:
            study: The study.
            storage: What `relational` returned; it is read directly, 20 times as fast.
        """
        read = _read_trials(study) if storage is None else _read_tables(study._study_id, storage)
        for number, params, values, system_attrs, user_attrs in read(self._known):
            self._known.add(number)
            genotype = self._genotype(params, user_attrs)
            if genotype is not None:
                constraints = (
                    float(system_attrs.get(f"constraints:{name}", math.nan))
                    for name in self._problem.constraints
                )
                kind = str(user_attrs.get("kind", EVALUATED))
                self._results.append(Result(number, genotype, values, tuple(constraints), kind))

    def _genotype(
        self, params: Mapping[str, Any], user_attrs: Mapping[str, Any]
    ) -> tuple[int, ...] | None:
        """The canonical row of a trial; None if it is not a subnet of the space."""
        space = self._problem.space
        try:
            if "subnet" in user_attrs:
                return genotype_of(Subnet.from_dict(user_attrs["subnet"], space.family))
            return tuple(int(g) for g in space.from_params([params])[0])
        except InvalidSubnetError:
            return None

    def since(self, start: int) -> tuple[NDArray[np.int16], NDArray[np.float64], NDArray[Any]]:
        """Genotypes, values and constraints of the results from number ``start`` of the archive.

        Constraints that a trial did not set are NaN.
        """
        results = self._results[start:]
        n = len(results)
        return (
            np.array([r.genotype for r in results], np.int16).reshape(
                n, len(self._problem.space.genes)
            ),
            np.array([r.values for r in results], float).reshape(n, len(self._problem.objectives)),
            np.array([r.constraints for r in results], float).reshape(
                n, len(self._problem.constraints)
            ),
        )

    @property
    def kinds(self) -> list[str]:
        """Kind of each result."""
        return [r.kind for r in self._results]

    @property
    def numbers(self) -> list[int]:
        """Trial number of each result."""
        return [r.number for r in self._results]


_Row = tuple[int, Mapping[str, Any], tuple[float, ...], Mapping[str, Any], Mapping[str, Any]]


def _read_trials(study: Study) -> Any:
    """Through Optuna's public calls."""

    def read(known: set[int]) -> Iterable[_Row]:
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.number not in known:
                yield (trial.number, trial.params, tuple(trial.values), trial.system_attrs,
                       trial.user_attrs)  # fmt: skip

    return read


def _read_tables(study_id: int, storage: RDBStorage) -> Any:
    """From Optuna's tables, whose layout `_bulk` describes."""

    def read(known: set[int]) -> Iterable[_Row]:
        trials = models.TrialModel.__table__
        complete = (trials.c.study_id == study_id) & (trials.c.state == TrialState.COMPLETE)
        if known and known == set(range(len(known))):
            complete &= trials.c.number >= len(known)  # what follows is all that can be new
        with storage.engine.connect() as connection:
            rows = connection.execute(sa.select(trials.c.trial_id, trials.c.number).where(complete))
            numbers = {i: number for i, number in rows.tuples() if number not in known}
            if not numbers:
                return
            values = _values(connection, complete)
            user = _attributes(connection, models.TrialUserAttributeModel, complete)
            system = _attributes(connection, models.TrialSystemAttributeModel, complete)
        plain = {n for i, n in numbers.items() if "subnet" not in user.get(i, {})}
        params = _params(storage, study_id, plain)
        for trial_id, number in sorted(numbers.items(), key=lambda item: item[1]):
            yield (number, params.get(number, {}), values.get(trial_id, ()),
                   system.get(trial_id, {}), user.get(trial_id, {}))  # fmt: skip

    return read


def _values(connection: sa.Connection, complete: Any) -> dict[int, tuple[float, ...]]:
    table, trials = models.TrialValueModel.__table__, models.TrialModel.__table__
    query = (
        sa.select(table.c.trial_id, table.c.value, table.c.value_type)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(complete)
        .order_by(table.c.trial_id, table.c.objective)
    )
    values: dict[int, tuple[float, ...]] = {}
    for trial_id, value, value_type in connection.execute(query).tuples():
        number = models.TrialValueModel.stored_repr_to_value(value, value_type)
        values[trial_id] = (*values.get(trial_id, ()), float(number))
    return values


def _attributes(connection: sa.Connection, model: Any, complete: Any) -> dict[int, dict[str, Any]]:
    table, trials = model.__table__, models.TrialModel.__table__
    query = (
        sa.select(table.c.trial_id, table.c.key, table.c.value_json)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(complete)
    )
    attributes: dict[int, dict[str, Any]] = {}
    for trial_id, key, value in connection.execute(query).tuples():
        attributes.setdefault(trial_id, {})[key] = json.loads(value)
    return attributes


def _params(
    storage: RDBStorage, study_id: int, numbers: set[int]
) -> dict[int, Mapping[str, Any]]:
    """Parameters of trials that have no subnet of ours with them."""
    if not numbers:
        return {}
    trials = storage.get_all_trials(study_id, deepcopy=False)
    return {t.number: t.params for t in trials if t.number in numbers}
