"""Trials that run while their subnets are measured.

Where the tables are known (``_bulk.py`` says which), trials are started in one transaction that
holds Optuna's lock on the study's row, and that drops subnets which run elsewhere by then, so that
no two processes measure the same one. With other storages there is a moment between the look at
what runs and the start, in which another process may start the same subnet.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._heartbeat import is_heartbeat_enabled
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._errors import InvalidSubnetError
from optuna_ofa.space import SearchSpace
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._subnet_attr import subnet_dicts, subnet_rows

_OPEN = (TrialState.RUNNING, TrialState.FAIL)


def unavailable(
    study: Study, space: SearchSpace, tables: RDBStorage | None
) -> tuple[Matrix, Matrix]:
    """Subnets of trials that run, and of those that have failed, ``(n, n_genes)`` each.

    Those of trials that failed because their process died are left out: nobody told anything.
    """
    if tables is None:
        trials = study.get_trials(deepcopy=False, states=_OPEN)
    else:  # which does not read the finished trials
        trials = tables.get_all_trials(study._study_id, deepcopy=False, states=_OPEN)
    trials = [trial for trial in trials if not _is_abandoned(trial)]
    running = [_row(space, t) for t in trials if t.state == TrialState.RUNNING]
    failed = [_row(space, t) for t in trials if t.state == TrialState.FAIL]
    none = np.empty((0, len(space.genes)), dtype=np.int16)
    return np.concatenate([none, *running]), np.concatenate([none, *failed])


def _is_abandoned(trial: FrozenTrial) -> bool:
    attributes = trial.user_attrs
    return trial.state == TrialState.FAIL and "predicted" in attributes and "kind" not in attributes


def _row(space: SearchSpace, trial: FrozenTrial) -> Matrix:
    try:
        if "subnet" in trial.user_attrs:
            return space.check(subnet_rows(space.family, [trial.user_attrs["subnet"]]))
        return space.from_params([trial.params])
    except (InvalidSubnetError, KeyError, TypeError, ValueError):  # none of this space, or not yet
        return np.empty((0, len(space.genes)), dtype=np.int16)


def start_trials(
    study: Study,
    space: SearchSpace,
    matrix: Matrix,
    predicted: list[dict[str, float]],
    tables: RDBStorage | None,
) -> dict[int, int]:
    """Start a trial for each subnet that runs nowhere else.

    Args:
        study: The study.
        space: Its search space.
        matrix: ``(n, n_genes)`` canonical genotypes.
        predicted: Their predictions by metric.
        tables: The relational storage, if the study has one with known tables.

    Returns:
        Trial ids by index into ``matrix``.
    """
    attributes = [
        {"subnet": subnet, "predicted": values}
        for subnet, values in zip(subnet_dicts(space.family, matrix), predicted, strict=True)
    ]
    params = space.to_params(matrix)
    if tables is None:
        return {
            i: study._storage.create_new_trial(study._study_id, _template(space, params[i], attrs))
            for i, attrs in enumerate(attributes)
        }
    with tables.engine.begin() as connection:
        first = _lock(connection, study._study_id)
        taken = _running_subnets(connection, study._study_id)
        free = [i for i, attrs in enumerate(attributes) if attrs["subnet"] not in taken]
        ids = _insert_trials(connection, study._study_id, range(first, first + len(free)))
        _insert_details(connection, space, ids, [params[i] for i in free],
                        [attributes[i] for i in free])  # fmt: skip
        if is_heartbeat_enabled(tables) and ids:
            beats = sa.insert(models.TrialHeartbeatModel.__table__)
            connection.execute(beats, [{"trial_id": trial_id} for trial_id in ids])
    return dict(zip(free, ids, strict=True))


def _lock(connection: sa.Connection, study_id: int) -> int:
    """Take Optuna's own lock on the study's row, and return the number of the next trial."""
    studies, trials = models.StudyModel.__table__, models.TrialModel.__table__
    row = studies.c.study_id == study_id
    if connection.dialect.name == "sqlite":  # no row locks: a write that changes nothing
        connection.execute(sa.update(studies).where(row).values(study_id=study_id))
    else:
        connection.execute(sa.select(studies.c.study_id).where(row).with_for_update())
    last = sa.select(sa.func.max(trials.c.number)).where(trials.c.study_id == study_id)
    number = connection.execute(last).scalar_one()
    return 0 if number is None else int(number) + 1


def _template(
    space: SearchSpace, params: Mapping[str, Any], attributes: Mapping[str, Any]
) -> FrozenTrial:
    return FrozenTrial(
        number=-1,
        trial_id=-1,
        state=TrialState.RUNNING,
        value=None,
        datetime_start=datetime.datetime.now(),
        datetime_complete=None,
        params=dict(params),
        distributions=dict(space.distributions),
        user_attrs=dict(attributes),
        system_attrs={},
        intermediate_values={},
    )


def _running_subnets(connection: sa.Connection, study_id: int) -> list[Any]:
    trials, table = models.TrialModel.__table__, models.TrialUserAttributeModel.__table__
    query = (
        sa.select(table.c.value_json)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(
            trials.c.study_id == study_id,
            trials.c.state == TrialState.RUNNING,
            table.c.key == "subnet",
        )
    )
    return [json.loads(text) for text in connection.execute(query).scalars()]


def _insert_trials(connection: sa.Connection, study_id: int, numbers: range) -> list[int]:
    if not numbers:
        return []
    table = models.TrialModel.__table__
    row = {"study_id": study_id, "state": TrialState.RUNNING, "datetime_complete": None,
           "datetime_start": datetime.datetime.now(datetime.UTC).replace(tzinfo=None)}  # fmt: skip
    connection.execute(sa.insert(table), [{**row, "number": number} for number in numbers])
    query = (
        sa.select(table.c.trial_id)
        .where(table.c.study_id == study_id, table.c.number >= numbers.start)
        .order_by(table.c.number)
    )
    return list(connection.execute(query).scalars())


def _insert_details(
    connection: sa.Connection,
    space: SearchSpace,
    ids: list[int],
    params: list[dict[str, int | float]],
    attributes: list[dict[str, Any]],
) -> None:
    if not ids:
        return
    texts = {name: distribution_to_json(d) for name, d in space.distributions.items()}
    rows = [
        {"trial_id": trial_id, "param_name": name, "distribution_json": texts[name],
         "param_value": space.distributions[name].to_internal_repr(value)}
        for trial_id, values in zip(ids, params, strict=True)
        for name, value in values.items()
    ]  # fmt: skip
    connection.execute(sa.insert(models.TrialParamModel.__table__), rows)
    attribute_rows = [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for trial_id, values in zip(ids, attributes, strict=True)
        for key, value in values.items()
    ]
    connection.execute(sa.insert(models.TrialUserAttributeModel.__table__), attribute_rows)
