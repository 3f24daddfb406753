"""Optuna's relational storage, in which single trials may be unreadable."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, TypeVar

import sqlalchemy as sa
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import Items, flaw_of, in_parts
from optuna_ofa.storage._errors import error_said, is_of_database
from optuna_ofa.storage._transactions import fetch_rows

UNREADABLE = "optuna_ofa:unreadable"  # system attribute of a stand-in, which is not stored
_FEW = 500
T = TypeVar("T")
_trials = models.TrialModel.__table__
_IDS = sa.select(_trials.c.trial_id, _trials.c.number).order_by(_trials.c.trial_id)


def stand_in(number: int, trial_id: int, flaw: str) -> FrozenTrial:
    """Return a failed trial in place of one that cannot be read."""
    return FrozenTrial(
        number=number,
        trial_id=trial_id,
        state=TrialState.FAIL,
        value=None,
        datetime_start=None,
        datetime_complete=None,
        params={},
        distributions={},
        user_attrs={},
        system_attrs={UNREADABLE: flaw},
        intermediate_values={},
    )


def is_of_row(error: Exception) -> bool:
    """Return whether an error is about what a row contains, not about the database."""
    if is_of_database(error):
        return "Could not decode" in error_said(error)  # SQLite, of text that is not UTF-8
    kinds = (ValueError, TypeError, AssertionError, LookupError, AttributeError, ArithmeticError)
    return isinstance(error, (*kinds, RecursionError))


class Unreadable(Exception):
    """The error of decoding some rows, as text."""


def in_readable_parts(call: Callable[[Items], T], items: Items) -> list[tuple[int, T | Exception]]:
    """Return `in_parts` of reading: an `Unreadable` for each item that cannot be decoded.

    Errors of the database propagate.
    """

    def attempt(part: Items) -> T:
        try:
            return call(part)
        except Exception as error:
            if not is_of_row(error):
                raise
            raise Unreadable(error_said(error)) from error

    return in_parts(attempt, items, (Unreadable,))


class TolerantTables(RDBStorage):
    """Optuna's tables; a trial that cannot be read is returned as a failed one.

    Optuna's own class raises for all trials of a study if it cannot decode one of them.
    """

    @staticmethod
    def of(storage: RDBStorage) -> TolerantTables:
        """Return the same storage, with the same connections and settings."""
        if isinstance(storage, TolerantTables):
            return storage
        tolerant = object.__new__(TolerantTables)
        tolerant.__dict__ = storage.__dict__
        return tolerant

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        included = {i for i in included_trial_ids if i <= trial_id_greater_than}
        read = super()._get_trials
        try:
            found = read(study_id, states, included, trial_id_greater_than)
        except Exception as error:
            if isinstance(error, KeyError) or not is_of_row(error):
                raise
            found = self._one_by_one(study_id, states, included, trial_id_greater_than)
        return [trial for trial in found if isinstance(trial.number, int)]

    def _one_by_one(
        self, study_id: int, states: Container[TrialState] | None, included: set[int], after: int
    ) -> list[FrozenTrial]:
        """Return what can be read, and stand-ins for the rest."""
        with self.engine.connect() as connection:
            rows = fetch_rows(connection, _IDS.where(_trials.c.study_id == study_id))
        wanted = [row for row in rows if row[0] > after or row[0] in included]
        last = max((row[0] for row in rows), default=0)
        read = super()._get_trials
        found: list[FrozenTrial] = []
        for start in range(0, len(wanted), _FEW):
            part = wanted[start : start + _FEW]
            parts = in_readable_parts(
                lambda some: read(study_id, states, {i for i, _ in some}, last), part
            )
            for n, result in parts:
                if not isinstance(result, Exception):
                    found += result
                elif states is None or TrialState.FAIL in states:
                    trial_id, number = part[0]
                    found.append(stand_in(number, trial_id, str(result)))
                part = part[n:]
        return found

    def _build_frozen_trial_from_trial_model(self, trial: Any) -> FrozenTrial:
        try:
            if sorted(value.objective for value in trial.values) != [*range(len(trial.values))]:
                return stand_in(trial.number, trial.trial_id, "its values are not those of a trial")
            found = super()._build_frozen_trial_from_trial_model(trial)
            flaw = flaw_of(found)
            return found if flaw is None else stand_in(trial.number, trial.trial_id, flaw)
        except Exception as error:
            if not is_of_row(error):
                raise
            return stand_in(trial.number, trial.trial_id, error_said(error))
