"""Many attributes of a study at once, where a database would take a transaction for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from optuna.storages._rdb import models

from optuna_ofa.studies.storage._insert import Inserter
from optuna_ofa.studies.storage._retry import retrying
from optuna_ofa.studies.storage._tables import locked

if TYPE_CHECKING:
    from optuna_ofa.studies._study import SubnetStudy

_attributes = models.StudySystemAttributeModel.__table__


def set_study_attributes(study: SubnetStudy, attributes: Mapping[str, Any]) -> None:
    """Set system attributes of a study, in a database all of them or none.

    Args:
        study: The study.
        attributes: Values (JSON) by key; what is there is replaced.

    Raises:
        StorageError: If the database refuses.
    """
    tables = study._tables
    if tables is None:
        for key, value in attributes.items():
            study._storage.set_study_system_attr(study._study_id, key, value)
    elif attributes:
        engine, study_id = tables.engine, study._study_id
        retrying(
            lambda: _replace(engine, study_id, attributes), engine, len(attributes),
            what="attributes",
        )  # fmt: skip


def _replace(engine: sa.Engine, study_id: int, attributes: Mapping[str, Any]) -> None:
    with locked(engine, study_id) as connection:
        own = _attributes.c.study_id == study_id
        there = connection.execute(sa.select(_attributes.c.key).where(own)).scalars()
        for key in [key for key in there if key in attributes]:
            connection.execute(sa.delete(_attributes).where(own, _attributes.c.key == key))
        rows = [(study_id, key, json.dumps(value)) for key, value in attributes.items()]
        Inserter(connection).insert(_attributes, ("study_id", "key", "value_json"), rows)
