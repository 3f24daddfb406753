"""Adding many trials to a journal in one write.

Optuna writes, syncs and reads the file again for each trial. Here its own `JournalStorage` writes
the same entries to a list, which then goes to the file at once. This relies on three things of
Optuna that are not documented, and where they are missing its public calls are used:

- ``JournalStorage._backend`` is the backend, whose ``append_logs`` is public.
- ``create_new_trial`` appends one entry, does not look for the study itself, and returns
  ``JournalStorage._replay_result._last_created_trial_id_by_this_process``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.study import Study
from optuna.trial import FrozenTrial


class _Recorder(BaseJournalBackend):
    """Keeps what is appended, and has nothing to read."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return ()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.entries += logs


def add_trials(study: Study, trials: Sequence[FrozenTrial]) -> None:
    """`optuna.Study.add_trials` for trials that are right, in one write where it can be."""
    backend = getattr(study._storage, "_backend", None)
    # others, such as that of Redis, are given a snapshot at every hundredth trial by Optuna
    if isinstance(backend, BaseJournalBackend) and not isinstance(backend, BaseJournalSnapshot):
        entries = _entries(study._study_id, trials)
        if len(entries) == len(trials) > 0:
            backend.append_logs(entries)
            return
    study.add_trials(trials)


def _entries(study_id: int, trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    recorder = _Recorder()
    storage = JournalStorage(recorder)
    try:
        storage._replay_result._last_created_trial_id_by_this_process = -1
        for trial in trials:
            storage.create_new_trial(study_id, trial)
    except (AttributeError, KeyError):  # of an Optuna that goes about it in another way
        return []
    return recorder.entries
