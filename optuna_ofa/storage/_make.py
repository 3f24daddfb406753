"""Opening a storage and making a study while other processes may do the same."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from optuna_ofa.problem import DESCRIPTION, Keep, Problem
from optuna_ofa.storage._open import _ATTEMPTS, _PAUSE_S, _patiently
from optuna_ofa.storage._public_store import PublicStore
from optuna_ofa.storage._store import Store
from optuna_ofa.storage._table_store import TableStore
from optuna_ofa.storage._transactions import known_tables


def open_store(storage: BaseStorage, study_name: str, problem: Problem, keep: Keep) -> Store:
    """Return the store of a study that exists: of tables where they are known, else public."""
    tables = known_tables(storage)
    if tables is None:
        return PublicStore(storage, study_name, problem, keep)
    return TableStore(storage, study_name, problem, keep, tables)


def make_study(store: BaseStorage, study_name: str | None, problem: Problem) -> optuna.Study:
    """Create a study and say in it what it searches for.

    Raises:
        optuna.exceptions.DuplicatedStudyError: If there is one of that name.
    """
    study = _patiently(
        lambda: optuna.create_study(
            storage=store, study_name=study_name, directions=problem.directions
        )
    )
    _describe(store, study, problem)
    return study


def _describe(store: BaseStorage, study: optuna.Study, problem: Problem) -> None:
    names = list(problem.objectives)
    # what `set_metric_names` does, without its warning that it is experimental
    _patiently(lambda: store.set_study_system_attr(study._study_id, "study:metric_names", names))
    _patiently(lambda: study.set_user_attr(DESCRIPTION, problem.describe()))


def find_study(
    store: BaseStorage, study_name: str | None, problem: Problem
) -> tuple[optuna.Study, Mapping[str, Any] | None]:
    """Load a study, or make it where there is none.

    One that does not say what it searches for, and has no trials, is what a process left that
    died while it made it, or a plain one of Optuna; with the same directions it is taken.

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
    same = [d.name.lower() for d in study.directions] == problem.directions
    if not same or study.get_trials(deepcopy=False):
        return study, None
    _describe(store, study, problem)
    return study, study.user_attrs[DESCRIPTION]  # of two at once that of the later one
