"""Finishing running trials in Optuna's tables, which ``_transactions.py`` describes.

Optuna writes each attribute, the state and the values in separate transactions; here a whole batch
takes one, so that it is never half-written.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import TrialState

from optuna_ofa.problem import LIST_KEY, PREFIX, listed
from optuna_ofa.storage._encoding import compact_json
from optuna_ofa.storage._rows import ATTRIBUTE_COLUMNS, VALUE_COLUMNS
from optuna_ofa.storage._transactions import locked, retrying
from optuna_ofa.storage._write import Inserter, utc

_trials = models.TrialModel.__table__
_values = models.TrialValueModel.__table__
_user = models.TrialUserAttributeModel.__table__
_system = models.TrialSystemAttributeModel.__table__
_FINITE = models.TrialValueModel.TrialValueType.FINITE


class Ending(NamedTuple):
    """The end of a trial.

    Args:
        trial_id: The trial.
        values: A finite number for each objective; None fails the trial.
        user_attributes: User attributes to set as well.
        constraints: By name, above 0 where violated.
    """

    trial_id: int
    values: list[float] | None
    user_attributes: Mapping[str, Any]
    constraints: Mapping[str, float]

    @property
    def state(self) -> TrialState:
        """The state that the trial ends in."""
        return TrialState.FAIL if self.values is None else TrialState.COMPLETE

    @property
    def system_attributes(self) -> dict[str, float]:
        """The attributes in which Optuna keeps constraints."""
        return {f"{PREFIX}{name}": excess for name, excess in self.constraints.items()}


class Started(NamedTuple):
    """A trial as it is before it ends.

    Args:
        number: Its number in the study.
        state: Its state.
        subnet: Its user attribute ``subnet``.
    """

    number: int
    state: TrialState
    subnet: Any


Check = Callable[[Mapping[int, Started]], None]


def finish_trials(
    tables: RDBStorage, study_id: int, endings: Sequence[Ending], check: Check
) -> None:
    """Finish running trials in one transaction; see `Store.finish`."""
    if endings:
        finish = partial(_finish, tables.engine, study_id, endings, check)
        retrying(finish, tables.engine, len(endings))


def _finish(engine: sa.Engine, study_id: int, endings: Sequence[Ending], check: Check) -> None:
    with locked(engine, study_id) as connection:
        check(_started(connection, study_id, [ending.trial_id for ending in endings]))
        # as in Optuna: an existing constraint is kept, a user attribute is replaced
        _set(connection, _user, {e.trial_id: e.user_attributes for e in endings}, replace=True)
        _set(connection, _system, {e.trial_id: e.system_attributes for e in endings}, replace=False)
        done = [ending.trial_id for ending in endings if ending.values is not None]
        _set(connection, _system, _lists(connection, done), replace=False)
        inserter = Inserter(connection)
        value_type = inserter.stored(_values.c.value_type, _FINITE)
        rows = [
            (e.trial_id, objective, value, value_type)
            for e in endings
            for objective, value in enumerate(e.values or ())
        ]
        inserter.insert(_values, VALUE_COLUMNS, rows)
        now = utc(datetime.datetime.now())
        for state in (TrialState.COMPLETE, TrialState.FAIL):
            own = _trials.c.trial_id.in_([e.trial_id for e in endings if e.state == state])
            connection.execute(
                sa.update(_trials).where(own).values(state=state, datetime_complete=now)
            )


def _started(connection: sa.Connection, study_id: int, ids: Sequence[int]) -> dict[int, Started]:
    """Return the trials that are in the study, locked as Optuna locks trials to finish."""
    query = sa.select(_trials.c.trial_id, _trials.c.study_id, _trials.c.number, _trials.c.state)
    found = connection.execute(query.where(_trials.c.trial_id.in_(ids)).with_for_update()).all()
    texts = sa.select(_user.c.trial_id, _user.c.value_json)
    own = _user.c.trial_id.in_(ids), _user.c.key == "subnet"
    subnets = {
        trial_id: json.loads(text) for trial_id, text in connection.execute(texts.where(*own))
    }
    return {
        trial_id: Started(number, state, subnets.get(trial_id))
        for trial_id, of_study, number, state in found
        if of_study == study_id
    }


def _lists(connection: sa.Connection, ids: Sequence[int]) -> dict[int, dict[str, list[float]]]:
    """Return what else trials with constraints get; see ``problem/_constraints.py``."""
    excess: dict[int, dict[str, float]] = {trial_id: {} for trial_id in ids}
    own = _system.c.trial_id.in_(ids), _system.c.key.startswith(PREFIX)
    query = sa.select(_system.c.trial_id, _system.c.key, _system.c.value_json).where(*own)
    for trial_id, key, text in connection.execute(query):
        excess[trial_id][key] = float(json.loads(text))
    return {trial_id: {LIST_KEY: listed(found)} for trial_id, found in excess.items() if found}


def _set(
    connection: sa.Connection,
    table: sa.Table,
    attributes: Mapping[int, Mapping[str, Any]],
    *,
    replace: bool,
) -> None:
    """Set attributes of trials, given by their ids; existing ones are kept or replaced."""
    rows = {
        (trial_id, key): compact_json(value)
        for trial_id, own in attributes.items()
        for key, value in own.items()
    }
    (primary,) = table.primary_key
    keys = {key for _, key in rows}
    query = sa.select(primary, table.c.trial_id, table.c.key)
    query = query.where(table.c.trial_id.in_(attributes), table.c.key.in_(keys))
    old = {(trial_id, key): row for row, trial_id, key in connection.execute(query)}
    if replace and old:
        connection.execute(sa.delete(table).where(primary.in_(old.values())))
    new = [(*at, text) for at, text in rows.items() if replace or at not in old]
    Inserter(connection).insert(table, ATTRIBUTE_COLUMNS, new)
