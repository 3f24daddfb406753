"""Summaries of the studies of a storage, without reading their trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import sqlalchemy as sa
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study._frozen import FrozenStudy
from optuna.trial import TrialState

from optuna_ofa.problem import DESCRIPTION, PREDICTED, VIEW, is_number
from optuna_ofa.storage._errors import relational, storage_errors

_trials, _attributes = models.TrialModel.__table__, models.TrialUserAttributeModel.__table__


class StudySummary(NamedTuple):
    """A study of a storage.

    Args:
        name: Its name.
        study_id: Its number in the storage, which Optuna Dashboard uses in its URLs.
        family: Name of its family; None for a study that `optuna_ofa.study` did not create.
        objectives: Its objectives; empty for such a study.
        constraints: Its constraints.
        board: The name of its microcontroller, if it was searched for one.
        n_predicted: Finished trials whose values are predicted.
        n_measured: Other finished trials.
        n_others: Trials that run, wait or have failed.
        is_view: Whether it is a copy that `optuna_ofa.dashboard.publish_view` made.
    """

    name: str
    study_id: int
    family: str | None
    objectives: tuple[str, ...]
    constraints: dict[str, float]
    board: str | None
    n_predicted: int
    n_measured: int
    n_others: int
    is_view: bool


def summaries(storage: BaseStorage) -> list[StudySummary]:
    """Return a summary of each study, in the order in which they were created."""
    tables = relational(storage)
    with storage_errors(storage):
        return [_summary(storage, tables, study) for study in storage.get_all_studies()]


def _summary(storage: BaseStorage, tables: RDBStorage | None, study: FrozenStudy) -> StudySummary:
    described = _described(study.user_attrs.get(DESCRIPTION))
    count = _counted(storage, study._study_id) if tables is None else _selected(tables, study)
    n_complete, n_predicted, n_all = count
    return StudySummary(
        name=str(study.study_name),
        study_id=study._study_id,
        family=described.get("family", {}).get("name"),
        objectives=tuple(described.get("objectives", ())),
        constraints=dict(described.get("constraints", {})),
        board=described.get("board"),
        n_predicted=n_predicted,
        n_measured=n_complete - n_predicted,
        n_others=n_all - n_complete,
        is_view=VIEW in study.system_attrs,
    )


def _described(given: object) -> Mapping[str, Any]:
    """Return the description of a study; nothing of one that was damaged."""
    described = given if isinstance(given, Mapping) else {}
    family, objectives = described.get("family"), described.get("objectives")
    constraints = described.get("constraints")
    if isinstance(family, str):  # of a published one, its name
        family = {"name": family}
    is_sound = (
        isinstance(family, Mapping)
        and isinstance(family.get("name"), str)
        and isinstance(objectives, list)
        and all(isinstance(name, str) for name in objectives)
        and isinstance(constraints, Mapping)
        and all(map(is_number, constraints.values()))
        and isinstance(described.get("board", ""), str)
    )
    return {**described, "family": family} if is_sound else {}


def _selected(tables: RDBStorage, study: FrozenStudy) -> tuple[int, int, int]:
    """Return the numbers of complete, complete predicted, and all trials, from the tables."""
    own = _trials.c.study_id == study._study_id
    complete = sa.and_(own, _trials.c.state == TrialState.COMPLETE)
    is_predicted = sa.and_(
        _attributes.c.key == "kind", _attributes.c.value_json == json.dumps(PREDICTED)
    )
    joined = _trials.join(_attributes, _attributes.c.trial_id == _trials.c.trial_id)
    count = sa.select(sa.func.count())
    queries = (
        count.select_from(_trials).where(complete),
        count.select_from(joined).where(complete, is_predicted),
        count.select_from(_trials).where(own),
    )
    with tables.engine.connect() as connection:
        n_complete, n_predicted, n_all = (connection.execute(q).scalar_one() for q in queries)
    return n_complete, n_predicted, n_all


def _counted(storage: BaseStorage, study_id: int) -> tuple[int, int, int]:
    """Return the same from the trials of a storage without tables."""
    trials = storage.get_all_trials(study_id, deepcopy=False)
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    predicted = [trial for trial in complete if trial.user_attrs.get("kind") == PREDICTED]
    return len(complete), len(predicted), len(trials)
