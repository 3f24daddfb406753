"""Writing many finished trials at once.

Optuna writes a trial in some hundred statements. For its relational storage a whole generation
goes into its tables in one transaction here. This relies on the tables and columns of
``optuna/storages/_rdb/models.py``: ``studies``; ``trials`` (study_id, number, state, start and
completion in naive UTC); ``trial_params`` (internal representation and the distribution's JSON);
``trial_values``; ``trial_user_attributes`` and ``trial_system_attributes`` (JSON). Every other
storage, and a schema that is not known here, gets Optuna's public calls.
"""

from __future__ import annotations

import datetime
import json
import warnings
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.study import Study
from optuna.trial import FrozenTrial

KNOWN_SCHEMAS = ("v3.2.0.a",)


def relational(study: Study) -> RDBStorage | None:
    """The relational storage of a study, if it has one whose schema is known."""
    storage = study._storage
    if isinstance(storage, _CachedStorage):
        storage = storage._backend
    if not isinstance(storage, RDBStorage):
        return None
    version = storage.get_current_version()
    if version not in KNOWN_SCHEMAS:
        warnings.warn(
            f"Optuna's schema {version} is not known to optuna_ofa ({', '.join(KNOWN_SCHEMAS)}), "
            f"so trials are written and read one by one, which is far slower.",
            stacklevel=2,
        )
        return None
    return storage


def write_trials(
    study: Study, trials: Sequence[FrozenTrial], storage: RDBStorage | None
) -> range | None:
    """Add finished trials to a study, all or none where the storage is relational.

    Args:
        study: The study.
        trials: Finished trials, whose numbers are given here.
        storage: What `relational` returned.

    Returns:
        The trials' numbers; None where the storage does not tell.
    """
    if storage is None:
        study.add_trials(trials)
        return None
    with storage.engine.begin() as connection:
        first = _lock_and_count(connection, study._study_id)
        _insert_all(connection, study._study_id, trials, first)
    return range(first, first + len(trials))


def _lock_and_count(connection: sa.Connection, study_id: int) -> int:
    """Take Optuna's own lock on the study's row; trial numbers stay gapless under it."""
    studies, trials = models.StudyModel.__table__, models.TrialModel.__table__
    row = studies.c.study_id == study_id
    if connection.dialect.name == "sqlite":  # no row locks: a write that changes nothing
        connection.execute(sa.update(studies).where(row).values(study_id=study_id))
    else:
        connection.execute(sa.select(studies.c.study_id).where(row).with_for_update())
    count = sa.select(sa.func.count()).where(trials.c.study_id == study_id)
    return int(connection.execute(count).scalar_one())


def _insert_all(
    connection: sa.Connection, study_id: int, trials: Sequence[FrozenTrial], first: int
) -> None:
    table = models.TrialModel.__table__
    rows = [
        {
            "study_id": study_id,
            "number": first + i,
            "state": trial.state,
            "datetime_start": _utc(trial.datetime_start),
            "datetime_complete": _utc(trial.datetime_complete),
        }
        for i, trial in enumerate(trials)
    ]
    connection.execute(sa.insert(table), rows)
    ids = connection.execute(
        sa.select(table.c.trial_id)
        .where(table.c.study_id == study_id, table.c.number >= first)
        .order_by(table.c.number)
    ).scalars()
    pairs = list(zip(ids, trials, strict=True))
    _insert(connection, models.TrialParamModel, _params(pairs))
    _insert(connection, models.TrialValueModel, _values(pairs))
    for model, name in (
        (models.TrialUserAttributeModel, "user_attrs"),
        (models.TrialSystemAttributeModel, "system_attrs"),
    ):
        _insert(
            connection,
            model,
            [
                {"trial_id": i, "key": key, "value_json": json.dumps(value)}
                for i, trial in pairs
                for key, value in getattr(trial, name).items()
            ],
        )


def _insert(connection: sa.Connection, model: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(model.__table__), rows)


def _params(pairs: list[tuple[int, FrozenTrial]]) -> list[dict[str, Any]]:
    """Rows of the parameters; a distribution's JSON is made once, for it is the same in all."""
    known: dict[tuple[str, int], tuple[str, dict[Any, float]]] = {}
    rows = []
    for trial_id, trial in pairs:
        for name, value in trial.params.items():
            distribution = trial.distributions[name]
            cached = known.get((name, id(distribution)))
            if cached is None:
                cached = distribution_to_json(distribution), {}
                known[name, id(distribution)] = cached
            text, representations = cached
            if value not in representations:
                representations[value] = distribution.to_internal_repr(value)
            rows.append({"trial_id": trial_id, "param_name": name,
                         "param_value": representations[value],
                         "distribution_json": text})  # fmt: skip
    return rows


def _values(pairs: list[tuple[int, FrozenTrial]]) -> list[dict[str, Any]]:
    finite = models.TrialValueModel.TrialValueType.FINITE
    return [
        {"trial_id": i, "objective": o, "value": value, "value_type": finite}
        for i, trial in pairs
        for o, value in enumerate(trial.values)
    ]


def _utc(moment: datetime.datetime | None) -> datetime.datetime | None:
    return moment and moment.astimezone(datetime.UTC).replace(tzinfo=None)
