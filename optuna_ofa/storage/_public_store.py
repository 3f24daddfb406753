"""Trials in any storage, through Optuna's public calls."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._base import BaseJournalSnapshot
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.fronts import Generation, next_key, summaries
from optuna_ofa.problem import (
    ASKED,
    LIST_KEY,
    MEASURED,
    MEASURED_STD,
    PREDICTED,
    PREFIX,
    SUMMARY_KEY,
    Evaluated,
    Keep,
    Parameters,
    Problem,
    listed,
    shown,
    split_constraints,
    std_row,
)
from optuna_ofa.space import Matrix, absent
from optuna_ofa.storage._encoding import decode_trials
from optuna_ofa.storage._finish import Check, Ending, Started
from optuna_ofa.storage._journal import alone, mended
from optuna_ofa.storage._params import strip
from optuna_ofa.storage._rows import finished_trials, templates
from optuna_ofa.storage._seen import SEEN_KEY, Seen
from optuna_ofa.storage._store import Attributes, Moment, Period, Store, Written, with_own_excess
from optuna_ofa.storage._unfinished import UNFINISHED, Unfinished
from optuna_ofa.storage._workers import WORKER_KEY, next_worker


class PublicStore(Store):
    """The trials of a study in memory, in a journal, behind gRPC, or in tables of a new schema.

    What other processes write is read before each generation is written. In a journal file nothing
    is written in between, so that no subnet is there twice; in other storages two processes may
    write the same one at the same moment.

    Args:
        storage: The storage.
        study_name: The name of the study.
        problem: The problem of the study.
        keep: Which evaluations of a generation are written.
        parameters: Which of their trials have parameters.
    """

    def __init__(
        self,
        storage: BaseStorage,
        study_name: str,
        problem: Problem,
        keep: Keep,
        parameters: Parameters = "all",
    ) -> None:
        super().__init__(mended(storage), study_name, problem, keep, parameters)
        self._n_known = 0  # trials before this one are known or have failed
        self._known: set[int] = set()  # of those from there on
        self._n_trials = 0
        self._known_seen: set[str] = set()  # keys of unwritten evaluations
        self._begun: set[str] = set()  # generations that are not written whole; of all forks

    def fork(self) -> Self:
        """Return a copy that reads on from here, and leaves what this one has read as it is."""
        other = super().fork()
        other._known, other._known_seen = set(self._known), set(self._known_seen)
        return other

    def read(self) -> Evaluated:
        """Return the trials that have finished since the last call, in any process."""
        self._complete()
        return self._news(self.storage.get_all_trials(self.study_id, deepcopy=False))

    def _news(self, trials: Sequence[FrozenTrial]) -> Evaluated:
        self._n_trials = len(trials)
        new = [
            t
            for t in trials[self._n_known :]
            if t.state.is_finished() and t.number not in self._known
        ]
        self._mark_known(trial.number for trial in new)
        complete = [t for t in new if t.state == TrialState.COMPLETE]
        flaws = {trial.number: flaw for trial in complete if (flaw := _flaw_of_kind(trial))}
        news = self._evaluated([t for t in complete if t.number not in flaws], flaws)
        news = self._possible(news, flaws)
        self._note(news)
        return news

    def _mark_known(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._known.add(number)
            while self._n_known in self._known:  # immediately, because a set does not shrink
                self._known.remove(self._n_known)
                self._n_known += 1

    def _evaluated(self, trials: Sequence[FrozenTrial], flaws: dict[int, str]) -> Evaluated:
        n, problem = len(trials), self._problem
        matrix, good = decode_trials(problem.space, trials)
        for trial in (trials[i] for i in np.flatnonzero(~good).tolist()):
            if (subnet := trial.user_attrs.get("subnet")) is not None:
                flaws[trial.number] = f"its subnet is not of the space: {shown(subnet)}"
        names = list(problem.constraints)
        split = [split_constraints(trial.system_attrs, names) for trial in trials]
        predicted = np.array([t.user_attrs.get("kind") == PREDICTED for t in trials], dtype=bool)
        read = Evaluated.of(
            matrix,
            np.array([trial.values for trial in trials], float).reshape(n, len(problem.objectives)),
            np.array([excess for excess, _ in split], float).reshape(n, len(names)),
            others=np.array([others for _, others in split], dtype=float),
            kind=np.where(predicted, PREDICTED, MEASURED),
            std=np.array(
                [std_row(_std_of(trial), problem.objectives) for trial in trials], float
            ).reshape(n, len(problem.objectives)),
            numbers=[trial.number for trial in trials],
        )
        return with_own_excess(problem, read).select(good)

    def read_unwritten(self) -> Evaluated:
        """Return evaluations of which only a part became trials, new ones of any process."""
        return self._new_seen(self.attributes()).evaluated

    def _new_seen(self, attributes: Mapping[str, Any]) -> Seen:
        new = {
            key: stored
            for key, stored in attributes.items()
            if key.startswith(SEEN_KEY) and key not in self._known_seen
        }
        seen = Seen.joined(self._problem, new)
        self._known_seen.update(new)
        self._n_unwritten += seen.n_unwritten
        return seen

    def unfinished(self) -> Unfinished:
        """Return the trials without values."""
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False)
        last_id = trials[-1]._trial_id if trials else -1
        trials = [trial for trial in trials if trial.state in UNFINISHED]
        return Unfinished.of(self._problem.space, trials, lost=(), last_id=last_id)

    def has_bare_trials(self) -> bool:
        """Return whether a complete trial has no parameters."""
        complete = (TrialState.COMPLETE,)
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False, states=complete)
        return not all(trial.params for trial in trials)

    def attributes(self) -> dict[str, Any]:
        """Return the system attributes of the study."""
        return self.storage.get_study_system_attrs(self.study_id)

    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole, of all workers."""
        return summaries(self.attributes())

    def _times(self) -> list[tuple[int, Moment, Moment]]:
        complete = (TrialState.COMPLETE,)
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False, states=complete)
        return [(t.number, t.datetime_start, t.datetime_complete) for t in trials]

    def write(self, predicted: Evaluated, times: Period, room: int | None = None) -> Written:
        """Add a generation without the subnets evaluated elsewhere, at once if in a journal."""
        problem, attributes = self._problem, self.attributes()
        news = own = problem.nothing()
        others = Seen.joined(problem, {})
        with alone(self.storage, self.study_id) as trials:
            if trials is not None:
                news, attributes = self._news(trials()), self.attributes()
                others = self._new_seen(attributes)
            predicted = predicted.without(np.concatenate([news.matrix, others.evaluated.matrix]))
            if room is not None:
                left = room - len(news.numbers) - others.n_unwritten
                predicted = predicted.select(slice(max(0, left)))
            chosen = self._choose(predicted, news)
            seen = Seen(predicted, chosen.kept, self._n_trials)
            kept = predicted.select(seen.kept)
            finished = finished_trials(problem, kept, [{}] * len(kept.matrix), times)
            strip(finished, ~chosen.whole[chosen.kept])
            key = next_key(attributes)
            whole = {} if self._keep == "all" else self._described(seen, key, times[1])
            appended = append_trials(self.storage, self.study_id, finished, whole)
            if appended and trials is not None:
                own = self._news(trials())
        if not appended:
            self._write_one_by_one(finished, whole, key)
            self._note(kept)
            numbers = [trial.number for trial in finished]
            if min(numbers, default=-1) >= 0:  # a storage in memory numbers the trials themselves
                self._mark_known(numbers)
                own = kept.numbered(numbers)
        self._known_seen.update(whole)
        self._n_unwritten += seen.n_unwritten
        unread = kept.without(own.matrix)
        return Written(len(predicted.matrix), own, news, others.evaluated, unread)

    def _described(self, seen: Seen, key: str, end: datetime.datetime) -> dict[str, Any]:
        """Return the attributes of a generation that need not become trials, its summary last."""
        summary = Generation.of(self._problem, seen.evaluated, end, int(seen.kept.sum()))
        parts = seen.attributes(self._problem, key.removeprefix(SUMMARY_KEY))
        return {**parts, key: summary.to_dict()}

    def _write_one_by_one(
        self, trials: Sequence[FrozenTrial], whole: Mapping[str, Any], key: str
    ) -> None:
        """Write a generation, but its summary only once everything else is written."""
        if whole:
            self._begun.add(key)
        self.set_attributes({name: of for name, of in whole.items() if name != key})
        self._add(trials)
        self.set_attributes({name: of for name, of in whole.items() if name == key})
        self._begun.discard(key)

    def _complete(self) -> None:
        """Write the rest of generations that this process was interrupted in."""
        for key in sorted(self._begun):
            attributes = self.attributes()
            number = key.removeprefix(SUMMARY_KEY)
            parts = {k: of for k, of in attributes.items() if k.startswith(f"{SEEN_KEY}{number}")}
            seen = Seen.joined(self._problem, parts)
            if parts and key not in attributes:
                there = self.storage.get_all_trials(self.study_id, deepcopy=False)[seen.first :]
                kept, now = seen.evaluated.select(seen.kept), datetime.datetime.now()
                missing = kept.without(decode_trials(self._problem.space, there)[0])
                rest: list[dict[str, Any]] = [{}] * len(missing.matrix)
                self._add(finished_trials(self._problem, missing, rest, (now, now)))
                self.set_attributes({key: self._described(seen, key, now)[key]})
            self._begun.discard(key)

    def _start(
        self, matrix: Matrix, attributes: Attributes, last_id: int, mark: str
    ) -> dict[int, int]:
        now = datetime.datetime.now()
        space = self._problem.space
        new = templates(space, matrix, TrialState.RUNNING, attributes, now)
        for trial in new:
            trial.system_attrs = {ASKED: mark}
        with alone(self.storage, self.study_id) as trials:
            taken = [] if trials is None else [t for t in trials() if _is_new(t, last_id)]
            rows, good = decode_trials(space, taken)
            free = np.flatnonzero(absent(matrix, rows[good])).tolist()
            started = [new[i] for i in free]
            if append_trials(self.storage, self.study_id, started) and trials is not None:
                ids = [trial._trial_id for trial in trials()[-len(free) :]]
                return dict(zip(free, ids, strict=True))
        return {i: self.storage.create_new_trial(self.study_id, new[i]) for i in free}

    def _finish(self, endings: Sequence[Ending], check: Check) -> None:
        trials = {}
        for trial_id in (ending.trial_id for ending in endings):
            try:
                trials[trial_id] = self.storage.get_trial(trial_id)
            except KeyError:
                continue
        check(
            {i: Started(t.number, t.state, t.user_attrs.get("subnet")) for i, t in trials.items()}
        )
        for ending in endings:
            self._end(ending, trials[ending.trial_id])

    def _end(self, ending: Ending, trial: FrozenTrial) -> None:
        for key, value in ending.user_attributes.items():
            self.storage.set_trial_user_attr(ending.trial_id, key, value)
        attributes: dict[str, Any] = {**ending.system_attributes, **trial.system_attrs}
        if ending.values is not None and LIST_KEY not in attributes:
            named = {k: x for k, x in attributes.items() if k.startswith(PREFIX)}
            attributes |= {LIST_KEY: listed(named)} if named else {}
        for key, attribute in attributes.items():
            if key not in trial.system_attrs:
                self.storage.set_trial_system_attr(ending.trial_id, key, attribute)
        self.storage.set_trial_state_values(ending.trial_id, ending.state, ending.values)

    def set_attributes(self, attributes: Mapping[str, Any], removed: Iterable[str] = ()) -> None:
        """Set system attributes of the study one by one; remove them in memory."""
        for key, value in attributes.items():
            self.storage.set_study_system_attr(self.study_id, key, value)
        if isinstance(self.storage, InMemoryStorage):
            for key in removed:
                self.storage._studies[self.study_id].system_attrs.pop(key, None)

    @property
    def removes_attributes(self) -> bool:
        """Whether system attributes of the study can be removed, which Optuna's calls do not."""
        return isinstance(self.storage, InMemoryStorage)

    def take_worker(self) -> int:
        """Take the next number of a worker; alone only in a journal file."""
        with alone(self.storage, self.study_id):
            worker = next_worker(self.attributes())
            self.set_attributes({f"{WORKER_KEY}{worker}": True})
        return worker

    def _add(self, trials: Sequence[FrozenTrial]) -> None:
        self._n_trials += len(trials)
        if not append_trials(self.storage, self.study_id, trials):
            super()._add(trials)


def _flaw_of_kind(trial: FrozenTrial) -> str | None:
    """Return why a trial is neither predicted nor measured; `Guarded` has checked the rest."""
    kind = trial.user_attrs.get("kind", MEASURED)  # any text but `predicted` is measured
    return None if isinstance(kind, str) else f"its kind must be text, but is {shown(kind)}"


def _is_new(trial: FrozenTrial, last_id: int) -> bool:
    """Return whether a trial is running, or newer than another one."""
    return trial.state == TrialState.RUNNING or trial._trial_id > last_id


def _std_of(trial: FrozenTrial) -> object:
    """Return the standard deviations of a measured trial as they were given."""
    is_predicted = trial.user_attrs.get("kind") == PREDICTED
    return None if is_predicted else trial.user_attrs.get(MEASURED_STD)


def append_trials(
    storage: BaseStorage,
    study_id: int,
    trials: Sequence[FrozenTrial],
    attributes: Mapping[str, Any] | None = None,
) -> bool:
    """Append new trials to a journal in one write; return False if that is not possible.

    Args:
        storage: The storage.
        study_id: The study.
        trials: The trials.
        attributes: System attributes of the study to set in the same write.
    """
    attributes = attributes or {}
    backend = getattr(storage, "_backend", None)
    # Optuna writes a snapshot every hundred trials to others, such as that of Redis
    if isinstance(backend, BaseJournalBackend) and not isinstance(backend, BaseJournalSnapshot):
        entries = _entries(study_id, trials, attributes)
        if len(entries) == len(trials) + len(attributes) > 0:
            backend.append_logs(entries)
            return True
    return False


class _Recorder(BaseJournalBackend):
    """Collects what is appended, and has nothing to read."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return ()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self.entries += logs


def _entries(
    study_id: int, trials: Sequence[FrozenTrial], attributes: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the journal entries of new trials and attributes, to be appended in one write.

    Optuna writes, syncs and reads the file again for each trial. Here its own `JournalStorage`
    writes the same entries to a list. This relies on three things of Optuna that are not
    documented, and falls back to its public calls if they are missing:

    - ``JournalStorage._backend`` is the backend, whose ``append_logs`` is public.
    - ``create_new_trial`` appends one entry, does not look for the study itself, and returns
      ``JournalStorage._replay_result._last_created_trial_id_by_this_process``.
    """
    recorder = _Recorder()
    storage = JournalStorage(recorder)
    try:
        storage._replay_result._last_created_trial_id_by_this_process = -1
        for trial in trials:
            storage.create_new_trial(study_id, trial)
        for key, value in attributes.items():
            storage.set_study_system_attr(study_id, key, value)
    except (AttributeError, KeyError):  # of an Optuna that works differently
        return []
    return recorder.entries
