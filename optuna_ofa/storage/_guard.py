"""Storages as the package uses them: with its own errors, and without unreadable trials."""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from typing import Any, cast

from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.problem import TRIAL_ARTIFACTS, PassedOver, flaw_of
from optuna_ofa.storage._errors import is_meant, raise_storage_error
from optuna_ofa.storage._outages import Patience, is_undone
from optuna_ofa.storage._tolerant import UNREADABLE, TolerantTables, stand_in


def guarded(storage: BaseStorage) -> BaseStorage:
    """Return a storage whose errors are a StorageError, and whose unreadable trials have failed.

    It behaves as the given storage in everything else, also for ``isinstance``. Each trial that
    cannot be read is named in one warning.
    """
    if _is_guarded(storage):
        return storage
    if isinstance(storage, _CachedStorage) and isinstance(storage._backend, RDBStorage):
        storage = _CachedStorage(TolerantTables.of(storage._backend))
    return cast(BaseStorage, Guarded(storage))


def passed_over(storage: BaseStorage) -> PassedOver:
    """Return the trials of a storage that were passed over so far."""
    found: PassedOver = getattr(storage, "passed_over", PassedOver())
    return found


def _is_guarded(storage: object) -> bool:
    return type(storage) is Guarded  # `isinstance` sees the storage behind it


# may have been done although no answer came
_ONCE = ("create_new_study", "create_new_trial", "delete_study")


class Guarded:
    """See `guarded`.

    While a server is away, a call waits for it and is repeated.

    Args:
        storage: The storage behind it.
    """

    def __init__(self, storage: BaseStorage) -> None:
        self._guarded = storage
        self.passed_over = PassedOver()
        self._seen: dict[int, tuple[int, set[int]]] = {}  # by study: as in `FinishedTrials`
        self._stand_ins: dict[int, dict[int, FrozenTrial]] = {}  # by study and number

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._guarded)

    def __reduce__(self) -> tuple[Any, ...]:
        return guarded, (self._guarded,)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._guarded, name)
        if not callable(found):
            return found

        def call(*args: Any, **options: Any) -> Any:
            patience, is_repeated = Patience(self._guarded), False
            while True:
                try:
                    return found(*args, **options)
                except UpdateFinishedTrialError:
                    if is_repeated and self._has_ended(name, args):  # by the first attempt
                        return True
                    raise
                except Exception as error:
                    is_sure = name not in _ONCE or is_undone(error)
                    if is_sure and patience.waits(error):
                        is_repeated = True
                    elif is_meant(error):
                        raise
                    else:
                        raise_storage_error(error, self._guarded)

        return call

    def _has_ended(self, name: str, args: Sequence[Any]) -> bool:
        """Return whether a trial has the state that it was to get."""
        return name == "set_trial_state_values" and self.get_trial(args[0]).state == args[1]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial, or a failed one in its place."""
        trial: FrozenTrial = self.__getattr__("get_trial")(trial_id)
        flaw = flaw_of(trial)
        return trial if flaw is None else stand_in(trial.number, trial_id, flaw)

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """Return the system attributes of a trial, with those that are noted in its study.

        `optuna.artifacts.get_all_artifact_meta` finds the artifacts of a finished trial by them.
        """
        trial: FrozenTrial = self.__getattr__("get_trial")(trial_id)
        if not trial.state.is_finished():
            return trial.system_attrs
        prefix = f"{TRIAL_ARTIFACTS}{trial_id}:"
        noted = {
            f"{ARTIFACTS_ATTR_PREFIX}{key.removeprefix(prefix)}": value
            for study in self.__getattr__("get_all_studies")()
            for key, value in study.system_attrs.items()
            if key.startswith(prefix) and value != "null"
        }
        return {**trial.system_attrs, **noted}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return all trials, with failed ones in place of those that cannot be read."""
        trials = self.__getattr__("get_all_trials")(study_id, deepcopy=False)
        self._look(study_id, trials)
        known = self._stand_ins.get(study_id)
        if known:
            trials = [known.get(trial.number, trial) for trial in trials]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _look(self, study_id: int, trials: Sequence[FrozenTrial]) -> None:
        """Look for trials that cannot be read among those that were not finished before."""
        first, seen = self._seen.get(study_id, (0, set()))
        if first == len(trials):
            return
        n_values = len(self.__getattr__("get_study_directions")(study_id))
        found = self._stand_ins.setdefault(study_id, {})
        for trial in trials[first:]:
            if trial.number in seen:
                continue
            flaw = trial.system_attrs.get(UNREADABLE) or flaw_of(trial, n_values)
            if flaw is not None:
                found[trial.number] = stand_in(trial.number, trial._trial_id, flaw)
            if trial.state.is_finished():
                seen.add(trial.number)
        while first in seen:  # trials before this one need not be looked at again
            seen.remove(first)
            first += 1
        self._seen[study_id] = first, seen
        if found:
            flaws = {number: of.system_attrs[UNREADABLE] for number, of in found.items()}
            name = self.__getattr__("get_study_name_from_id")(study_id)
            self.passed_over.warn(name, flaws)
