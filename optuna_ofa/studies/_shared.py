"""Opening a storage and making a study while other processes may do the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from optuna_ofa._errors import StorageError
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._storage import open_storage

# User attribute of a study that says what it searches for.
DESCRIPTION = "optuna_ofa"
# What databases say when two processes make the same tables; the second finds them a bit later.
_MADE_TWICE = ("already exists", "duplicate", "is locked", "deadlock")
_ATTEMPTS, _PAUSE_S = 40, 0.05


def open_shared(storage: str | BaseStorage | None) -> BaseStorage:
    """`open_storage`, again where another process is making the tables.

    Raises:
        InvalidArgumentError, MissingDependencyError, StorageError: As `open_storage`.
    """
    for _ in range(_ATTEMPTS):
        try:
            return open_storage(storage)
        except StorageError as error:
            if not any(text in str(error).lower() for text in _MADE_TWICE):
                raise
        time.sleep(_PAUSE_S)
    return open_storage(storage)


def make_study(store: BaseStorage, study_name: str | None, problem: Problem) -> optuna.Study:
    """Create a study and say in it what it searches for.

    Raises:
        optuna.exceptions.DuplicatedStudyError: If there is one of that name.
    """
    study = optuna.create_study(storage=store, study_name=study_name, directions=problem.directions)
    store.set_study_system_attr(
        study._study_id, "study:metric_names", list(problem.objectives)
    )  # what `set_metric_names` does, without its warning that it is experimental
    study.set_user_attr(DESCRIPTION, problem.describe())
    return study


def find_study(
    store: BaseStorage, study_name: str | None, problem: Problem
) -> tuple[optuna.Study, Mapping[str, Any] | None]:
    """Load a study, or make it where there is none.

    Returns:
        The study, and what it searches for; None if it does not say.
    """
    if study_name is None or study_name not in optuna.get_all_study_names(store):
        try:
            return make_study(store, study_name, problem), problem.describe()
        except DuplicatedStudyError:  # made by another process since the look
            pass
    study = optuna.load_study(study_name=study_name, storage=store)  # needs no writing
    for _ in range(_ATTEMPTS):
        description = study.user_attrs.get(DESCRIPTION)
        if description is not None:
            return study, description
        time.sleep(_PAUSE_S)  # whoever is making it says so next
    return study, None
