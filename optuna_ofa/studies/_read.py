"""Reading finished trials: through Optuna's calls, or straight from its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import TrialState


class Row(NamedTuple):
    """What is needed of a finished trial."""

    number: int
    params: Mapping[str, Any]
    values: tuple[float, ...]
    system_attrs: Mapping[str, Any]
    user_attrs: Mapping[str, Any]


def read_trials(study: Study, known: set[int]) -> Iterator[Row]:
    """Complete trials whose numbers are not known, through Optuna's public calls."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if trial.number not in known:
            yield Row(trial.number, trial.params, tuple(trial.values), trial.system_attrs,
                      trial.user_attrs)  # fmt: skip


def count_waiting(study: Study, storage: RDBStorage | None) -> int:
    """Number of trials that were enqueued and not started."""
    if storage is None:
        return len(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
    trials = models.TrialModel.__table__
    query = sa.select(sa.func.count()).where(
        trials.c.study_id == study._study_id, trials.c.state == TrialState.WAITING
    )
    with storage.engine.connect() as connection:
        return int(connection.execute(query).scalar_one())


def read_tables(study_id: int, storage: RDBStorage, known: set[int]) -> Iterator[Row]:
    """Complete trials whose numbers are not known, from the tables that ``_bulk.py`` describes.

    Parameters are only read of trials that have no subnet of ours as an attribute.
    """
    trials = models.TrialModel.__table__
    wanted = (trials.c.study_id == study_id) & (trials.c.state == TrialState.COMPLETE)
    if known and len(known) == max(known) + 1:
        wanted &= trials.c.number >= len(known)  # what came before is known without a gap
    with storage.engine.connect() as connection:
        query = sa.select(trials.c.trial_id, trials.c.number).where(wanted)
        found = connection.execute(query.order_by(trials.c.number)).all()
        new = [(trial_id, number) for trial_id, number in found if number not in known]
        if not new:
            return
        values = _values(connection, wanted)
        user = _attributes(connection, models.TrialUserAttributeModel, wanted)
        system = _attributes(connection, models.TrialSystemAttributeModel, wanted)
    for trial_id, number in new:
        user_attrs = user.get(trial_id, {})
        params = {} if "subnet" in user_attrs else storage.get_trial(trial_id).params
        yield Row(number, params, tuple(values.get(trial_id, ())), system.get(trial_id, {}),
                  user_attrs)  # fmt: skip


def _values(connection: sa.Connection, wanted: Any) -> dict[int, list[float]]:
    table, trials = models.TrialValueModel.__table__, models.TrialModel.__table__
    query = (
        sa.select(table.c.trial_id, table.c.value, table.c.value_type)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(wanted)
        .order_by(table.c.trial_id, table.c.objective)
    )
    values: dict[int, list[float]] = {}
    for trial_id, value, value_type in connection.execute(query):
        number = models.TrialValueModel.stored_repr_to_value(value, value_type)
        values.setdefault(trial_id, []).append(float(number))
    return values


def _attributes(connection: sa.Connection, model: Any, wanted: Any) -> dict[int, dict[str, Any]]:
    table, trials = model.__table__, models.TrialModel.__table__
    query = (
        sa.select(table.c.trial_id, table.c.key, table.c.value_json)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(wanted)
    )
    attributes: dict[int, dict[str, Any]] = {}
    for trial_id, key, value in connection.execute(query):
        attributes.setdefault(trial_id, {})[key] = json.loads(value)
    return attributes
