"""Trials in any storage, through Optuna's public calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._violations import PREFIX
from optuna_ofa.studies._problem import Problem
from optuna_ofa.studies._results import PREDICTED, Batch, Results, assemble
from optuna_ofa.studies.storage._decode import decode_trials
from optuna_ofa.studies.storage._journal import add_trials
from optuna_ofa.studies.storage._keep import Generation, Keep, next_key
from optuna_ofa.studies.storage._store import Store, Written
from optuna_ofa.studies.storage._trials import finished_trials


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
