"""Trials in any storage, through Optuna's public calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.fronts import Batch, Results, assemble
from optuna_ofa.problem import PREDICTED, PREFIX, Keep, Problem
from optuna_ofa.storage._encoding import decode_trials
from optuna_ofa.storage._generations import Generation, next_key
from optuna_ofa.storage._rows import finished_trials
from optuna_ofa.storage._store import Store, Written


class PublicStore(Store):
    """The trials of a study in memory, in a journal, behind gRPC, or in tables of a new schema.

    What others write is seen at the start of a search only, for every look takes as long as the
    study is large.

    Args:
        study: The study.
        problem: What it searches for.
        keep: What is written of a generation.
    """

    def __init__(self, study: Study, problem: Problem, keep: Keep) -> None:
        super().__init__(problem, keep)
        self._study = study
        self._n_known = 0  # trials before this one are known or have failed
        self._known: set[int] = set()  # of those from there on

    def read(self) -> Results:
        """The trials that have finished since the last call, whoever ran them."""
        trials = self._study.get_trials(deepcopy=False)[self._n_known :]
        new = [t for t in trials if t.state.is_finished() and t.number not in self._known]
        for number in (trial.number for trial in new):
            self._known.add(number)
            while self._n_known in self._known:  # at once, because a set does not shrink
                self._known.remove(self._n_known)
                self._n_known += 1
        news = self._results([t for t in new if t.state == TrialState.COMPLETE])
        self._learn(news)
        return news

    def _results(self, trials: Sequence[FrozenTrial]) -> Results:
        n, problem = len(trials), self._problem
        matrix, good = decode_trials(problem.space, trials)
        keys = [f"{PREFIX}{name}" for name in problem.constraints]
        excess = [[trial.system_attrs.get(key, np.nan) for key in keys] for trial in trials]
        return assemble(
            problem,
            matrix,
            np.array([trial.values for trial in trials], float).reshape(n, len(problem.objectives)),
            np.array(excess, float).reshape(n, len(keys)),
            np.array([trial.number for trial in trials], dtype=np.int64),
            np.array([t.user_attrs.get("kind") != PREDICTED for t in trials], dtype=bool),
        ).select(good)

    def write(self, batch: Batch) -> Written:
        """Add a generation, trial by trial where the storage is no journal."""
        nothing = Results.empty(self._problem)
        chosen = self._chosen(batch, nothing)
        add_trials(self._study, finished_trials(self._problem, chosen))
        self._learn(chosen.numbered(range(len(chosen.matrix))))
        if self._front is not None:
            storage, study_id = self._study._storage, self._study._study_id
            key = next_key(storage.get_study_system_attrs(study_id))
            summary = Generation.of(self._problem, batch, len(chosen.matrix))
            storage.set_study_system_attr(study_id, key, summary.to_dict())
        return Written(len(batch.matrix), nothing, nothing)

    def count_waiting(self) -> int:
        """Number of trials that were enqueued and not started."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


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
