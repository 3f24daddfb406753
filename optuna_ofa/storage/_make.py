"""Opening a storage and creating a study while other processes may do the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from optuna_ofa.problem import DESCRIPTION, Keep, Parameters, Problem
from optuna_ofa.storage._open import _ATTEMPTS, _PAUSE_S, _patiently
from optuna_ofa.storage._public_store import PublicStore
from optuna_ofa.storage._store import Store
from optuna_ofa.storage._table_store import TableStore
from optuna_ofa.storage._transactions import known_tables


def open_store(
    storage: BaseStorage,
    study_name: str,
    problem: Problem,
    keep: Keep = "all",
    parameters: Parameters = "all",
) -> Store:
    """Return the store of a study that exists: of tables if their schema is known, else public."""
    tables = known_tables(storage)
    if tables is None:
        return PublicStore(storage, study_name, problem, keep, parameters)
    return TableStore(storage, study_name, problem, keep, parameters, tables)


def make_study(
    store: BaseStorage, study_name: str | None, problem: Problem, description: Mapping[str, Any]
) -> optuna.Study:
    """Create a study.

    Args:
        store: The storage.
        study_name: Its name; None makes one.
        problem: Its problem.
        description: ``problem.describe()``, which predicts, and so may raise.

    Raises:
        optuna.exceptions.DuplicatedStudyError: If there is one of that name.
    """
    study = _patiently(
        lambda: optuna.create_study(
            storage=store, study_name=study_name, directions=problem.directions
        )
    )
    _describe(store, study, description)
    return study


def _describe(store: BaseStorage, study: optuna.Study, description: Mapping[str, Any]) -> None:
    names = list(description["objectives"])
    # what `set_metric_names` does, without its warning that it is experimental
    _patiently(lambda: store.set_study_system_attr(study._study_id, "study:metric_names", names))
    _patiently(lambda: study.set_user_attr(DESCRIPTION, description))


def find_study(
    store: BaseStorage, study_name: str | None, problem: Problem, description: Mapping[str, Any]
) -> tuple[optuna.Study, Mapping[str, Any] | None]:
    """Load a study, or create it if there is none.

    A study without a description and without trials was left by a process that died while creating
    it, or is a plain Optuna study; if it has the same directions, it is used.

    Args:
        store: As in `make_study`.
        study_name: As in `make_study`.
        problem: As in `make_study`.
        description: As in `make_study`.

    Returns:
        The study, and its description; None if it has none.
    """
    if study_name is None or study_name not in optuna.get_all_study_names(store):
        try:
            return make_study(store, study_name, problem, description), description
        except DuplicatedStudyError:  # created by another process in the meantime
            pass
    study = optuna.load_study(study_name=study_name, storage=store)  # writes nothing
    for _ in range(_ATTEMPTS):
        stored = study.user_attrs.get(DESCRIPTION)
        if stored is not None:
            return study, stored
        time.sleep(_PAUSE_S)  # the process creating it writes the description next
    same = [d.name.lower() for d in study.directions] == problem.directions
    if not same or study.get_trials(deepcopy=False):
        return study, None
    _describe(store, study, description)
    return study, study.user_attrs[DESCRIPTION]  # of two written at once, the later one
