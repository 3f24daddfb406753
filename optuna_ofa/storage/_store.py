"""The trials of one study: everything that is read and written."""

from __future__ import annotations

import copy
import datetime
import functools
import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypeVar, cast

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import RandomSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from optuna_ofa._plausible import plausible
from optuna_ofa.fronts import Generation, KnownFront
from optuna_ofa.problem import (
    ASKED,
    MEASURED,
    MEASURED_BY,
    MEASURED_IMAGES,
    MEASURED_STD,
    PREDICTION,
    PREDICTION_STD,
    RELEASED,
    Evaluated,
    Keep,
    Parameters,
    Problem,
    numbers_by_name,
    shown,
)
from optuna_ofa.space import Matrix
from optuna_ofa.storage._errors import storage_errors
from optuna_ofa.storage._finish import Check, Ending
from optuna_ofa.storage._forks import reconnect_after_fork
from optuna_ofa.storage._guard import passed_over
from optuna_ofa.storage._heartbeat import Heartbeat
from optuna_ofa.storage._outages import patiently
from optuna_ofa.storage._params import Restored, with_params
from optuna_ofa.storage._rows import finished_trials, templates
from optuna_ofa.storage._unfinished import Unfinished

_NOT_REPEATED = ("add_failed", "add_complete", "copy_to", "resume")
SAMPLED = 20  # `"sample"` keeps one of this many evaluations
Attributes = Sequence[Mapping[str, Any]]
Period = tuple[datetime.datetime, datetime.datetime]  # of the start and the end, in local time
Moment = datetime.datetime | None


class Choice(NamedTuple):
    """Which subnets of a generation become trials.

    Args:
        kept: ``(n,)`` those that do.
        whole: ``(n,)`` those whose trials have parameters; of others only the subnet is stored.
    """

    kept: NDArray[np.bool_]
    whole: NDArray[np.bool_]


class Written(NamedTuple):
    """The outcome of writing a generation.

    Args:
        n_evaluated: How many of its subnets there was room for and no other process had finished.
        own: The trials that were written, if their numbers are already known.
        news: The trials that other processes have finished since the last call.
        unwritten: What `Store.read_unwritten` returns.
        unread: Trials that were written whose numbers are not known; the next `Store.read` has
            them. None if there are none.
    """

    n_evaluated: int
    own: Evaluated
    news: Evaluated
    unwritten: Evaluated
    unread: Evaluated | None = None


Call = TypeVar("Call", bound=Callable[..., Any])


def _guarded(method: Call) -> Call:
    """Return a method of a store that raises a StorageError instead of other errors.

    It waits as long as the server is away (`OUTAGE_S`), and is then repeated.
    """

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        with storage_errors(self.storage):
            if method.__name__ in _NOT_REPEATED:  # Optuna adds one trial after another
                return method(self, *args, **options)
            return patiently(lambda: method(self, *args, **options), self.storage)

    return cast(Call, call)


def _guard(store: type) -> None:
    """Guard the public methods of a store."""
    for name, method in list(vars(store).items()):
        if inspect.isfunction(method) and not name.startswith("_"):
            setattr(store, name, _guarded(method))


class Store(ABC):
    """The trials and attributes of one study in its storage.

    `Engine` owns one; it is passed to views and verification for writing. There are two kinds:
    Optuna's tables, and Optuna's public calls for every other storage. `open_store` chooses. All of
    their methods raise a StorageError where a database, Optuna or a damaged row raises another one.

    Args:
        storage: The storage.
        study_name: The name of the study, which exists.
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
        self.storage: BaseStorage = storage
        self.study_name: str = study_name
        self.study_id: int = storage.get_study_id_from_name(study_name)
        # its sampler is never used
        self._plain = optuna.Study(study_name, storage, sampler=RandomSampler())
        self._problem = problem
        self._keep, self._parameters = keep, parameters
        needs_front = keep != "all" or parameters != "all"
        self._front = KnownFront(problem) if needs_front else None
        self._n_unwritten = 0
        self._heartbeat = Heartbeat(storage)
        reconnect_after_fork(storage)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        reconnect_after_fork(self.storage)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _guard(cls)

    def fork(self) -> Self:
        """Return a copy that reads on from here, and leaves what this one has read as it is."""
        other = copy.copy(self)
        other._front = copy.copy(self._front)  # its arrays are never changed in place
        return other

    @property
    def database(self) -> optuna.Study | None:
        """The study, if its database is relational and may have our tables; else None."""
        return None

    # ------------------------------------------------------------------ reading

    @abstractmethod
    def read(self) -> Evaluated:
        """Return the trials that have finished since the last call, in any process."""

    @abstractmethod
    def read_unwritten(self) -> Evaluated:
        """Return evaluations of which only a part became trials, new ones of any process.

        They are in the order of the search. A row has the number of the first trial that is newer.
        """

    @abstractmethod
    def unfinished(self) -> Unfinished:
        """Return the trials without values; `read` afterwards misses none of the others."""

    def trial(self, number: int) -> FrozenTrial:
        """Return a trial by its number."""
        return self.storage.get_trial(self.trial_id(number))

    def trials(self, numbers: Sequence[int]) -> list[FrozenTrial]:
        """Return copies of trials, with the parameters that were left out when they were written.

        Args:
            numbers: Their numbers.
        """
        found = [copy.deepcopy(self.trial(number)) for number in numbers]
        whole = {trial.number: trial for trial in with_params(self._problem.space, found)}
        return [whole.get(trial.number, trial) for trial in found]

    def notes(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the user attributes of trials, in the order of their numbers; see `sound_note`."""
        return [sound_note(note) for note in self._notes(numbers)]

    def _notes(self, numbers: Sequence[int]) -> list[Mapping[str, Any]]:
        return [self.trial(number).user_attrs for number in numbers]

    def trial_id(self, number: int) -> int:
        """Return the id that a trial has in the storage."""
        return int(self.storage.get_trial_id_from_study_id_trial_number(self.study_id, number))

    def open_trial(self, trial_id: int) -> Trial:
        """Return a trial that was started, as Optuna passes it to objectives."""
        return Trial(self._plain, trial_id)

    @abstractmethod
    def has_bare_trials(self) -> bool:
        """Return whether a complete trial has no parameters; see ``_params.py``."""

    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """Return the system attributes of the study."""

    @abstractmethod
    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole, of all workers."""

    def finished(self) -> datetime.datetime | None:
        """Return when the last trial finished; None where none has a time."""
        return max((end for _, _, end in self._times() if end), default=None)

    def n_unwritten(self) -> int:
        """Return how many evaluations did not become trials, of all that were read or written."""
        return self._n_unwritten

    def seconds(self, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Return when trials finished, in seconds since the first of them was started.

        Args:
            numbers: The numbers of the trials.

        Returns:
            ``(n,)``; NaN where a trial has not finished or has no times.
        """
        wanted = set(numbers)
        times = {number: (a, b) for number, a, b in self._times() if number in wanted}
        begin = min((start for start, _ in times.values() if start), default=None)
        ends = [times.get(number, (None, None))[1] for number in numbers]
        return np.array([(e - begin).total_seconds() if begin and e else np.nan for e in ends])

    @abstractmethod
    def _times(self) -> list[tuple[int, Moment, Moment]]:
        """Return the number, the start and the end of each complete trial."""

    # ------------------------------------------------------------------ writing

    @abstractmethod
    def write(self, predicted: Evaluated, times: Period, room: int | None = None) -> Written:
        """Add the trials of a generation.

        Args:
            predicted: Its subnets.
            times: When it was started and finished.
            room: The most trials to add, less those that other processes have finished since the
                last call, if the storage knows; None adds all of them.

        Raises:
            StorageError: If the database refuses; nothing of the generation is written then.
        """

    def start(
        self, matrix: Matrix, attributes: Attributes, last_id: int, mark: str = ""
    ) -> dict[int, int]:
        """Start a trial for each subnet that no other process has started; none on an error.

        The heartbeat of the trials is recorded until they are finished.

        Args:
            matrix: ``(n, n_genes)`` canonical genotypes.
            attributes: User attributes of each besides its subnet.
            last_id: `Unfinished.last_id` when the subnets were chosen.
            mark: By which `started` finds the trials.

        Returns:
            Trial ids by index into ``matrix``.

        Raises:
            StorageError: If the database refuses.
        """
        ids = self._start(matrix, attributes, last_id, mark)
        self._heartbeat.watch(ids.values())
        return ids

    def started(self, mark: str) -> list[FrozenTrial]:
        """Return running trials that `start` has marked, and record their heartbeat."""
        running = (TrialState.RUNNING,)
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False, states=running)
        found = [trial for trial in trials if str(trial.system_attrs.get(ASKED)).startswith(mark)]
        self._heartbeat.watch([trial._trial_id for trial in found])
        return found

    @abstractmethod
    def _start(
        self, matrix: Matrix, attributes: Attributes, last_id: int, mark: str
    ) -> dict[int, int]:
        """Start trials as `start`."""

    def resume(self, trial_id: int) -> bool:
        """Run a waiting trial and record its heartbeat from then on; False if it is taken."""
        try:
            is_ours = self.storage.set_trial_state_values(trial_id, TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return False
        if is_ours:
            self._heartbeat.watch([trial_id])
        return is_ours

    def finish(self, endings: Sequence[Ending], check: Check) -> None:
        """Finish running trials, all or none if in a database.

        Args:
            endings: How each trial ends.
            check: Takes those of these trials that the study has, by id, and raises if they must
                not be finished; they cannot be changed in the meantime.

        Raises:
            StorageError: If the database refuses.
            Exception: Whatever ``check`` raises, also if the connection was lost after the commit.
        """
        self._finish(endings, check)
        for ending in endings:
            self._heartbeat.release(ending.trial_id)

    def release(self, marks: Collection[str], trial_ids: Collection[int]) -> None:
        """Fail running trials whose subnets may be asked again.

        Args:
            marks: By which `start` has marked them.
            trial_ids: Others.
        """
        running = (TrialState.RUNNING,)
        trials = self.storage.get_all_trials(self.study_id, deepcopy=False, states=running)
        attributes = {"kind": MEASURED, "error": RELEASED}
        endings = [
            Ending(trial._trial_id, None, attributes, {})
            for trial in trials
            if trial._trial_id in trial_ids
            or str(trial.system_attrs.get(ASKED)).partition(":")[0] in marks
        ]
        self.finish(endings, lambda _: None)

    @abstractmethod
    def _finish(self, endings: Sequence[Ending], check: Check) -> None:
        """Finish trials as `finish`."""

    def add_failed(
        self, matrix: Matrix, attributes: Attributes, started: datetime.datetime
    ) -> None:
        """Add failed trials, with user attributes besides their subnets."""
        self._add(templates(self._problem.space, matrix, TrialState.FAIL, attributes, started))

    def add_complete(self, evaluated: Evaluated, attributes: Attributes, times: Period) -> None:
        """Add complete trials, with user attributes besides their subnets."""
        self._add(finished_trials(self._problem, evaluated, attributes, times))

    def _add(self, trials: Sequence[FrozenTrial]) -> None:
        for trial in trials:  # `add_trials` would check each against its distributions first
            self.storage.create_new_trial(self.study_id, template_trial=trial)

    def copy_to(self, other: Store, numbers: Sequence[int]) -> None:
        """Add trials of this study to another one unchanged."""
        trials = [self.trial(number) for number in numbers]
        other._add(list(Restored(self._problem.space)(trials)))

    @abstractmethod
    def set_attributes(self, attributes: Mapping[str, Any], removed: Iterable[str] = ()) -> None:
        """Set and remove system attributes of the study, all or none if in a database.

        Args:
            attributes: JSON by key.
            removed: Keys of others, only where `removes_attributes`.

        Raises:
            StorageError: If the database refuses.
        """

    @property
    @abstractmethod
    def removes_attributes(self) -> bool:
        """Whether system attributes of the study can be removed."""

    @abstractmethod
    def take_worker(self) -> int:
        """Take the next number of a worker, from 1; see ``_workers.py``.

        Raises:
            StorageError: If the database refuses.
        """

    def fail_stale(self) -> None:
        """Fail trials whose process died, where the storage has a heartbeat interval."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(self._plain)

    # ------------------------------------------------------------------ trials of others

    def _possible(self, read: Evaluated, flaws: Mapping[int, str]) -> Evaluated:
        """Return the trials whose values are possible, and warn about all others.

        Measured values may be infinite, with which they are on no front.

        Args:
            read: Trials as they were read.
            flaws: Why others were not read, by their number.
        """
        wrong = np.zeros(len(read.numbers), dtype=bool)
        for name, column in zip(self._problem.objectives, read.values.T, strict=True):
            unmeasured = ~np.isfinite(column) | plausible(name, column)
            wrong |= ~np.where(read.measured, unmeasured, self._problem.possible(name, column))
        if wrong.any() or flaws:
            rows = zip(read.numbers[wrong].tolist(), read.values[wrong].tolist(), strict=True)
            names = ", ".join(self._problem.objectives)
            impossible = {n: f"its {names} cannot be {shown(row)}" for n, row in rows}
            passed_over(self.storage).warn(self.study_name, {**flaws, **impossible})
        return read.select(~wrong)

    # ------------------------------------------------------------------ keeping a part

    def _choose(self, predicted: Evaluated, news: Evaluated) -> Choice:
        """Return which rows of a generation become trials."""
        everything = np.ones(len(predicted.matrix), dtype=bool)
        if self._front is None:
            return Choice(everything, everything)
        front = self._front.extended_by(predicted, news)
        kept = everything if self._keep == "all" else front.copy()
        if self._keep == "sample":
            kept[::SAMPLED] = True  # the order of a generation does not matter
        return Choice(kept, front if self._parameters == "front" else everything)

    def _note(self, *parts: Evaluated) -> None:
        """Extend the known front by trials of the study."""
        if self._front is not None:
            self._front.add(Evaluated.join(parts))


_guard(Store)


def sound_note(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user attributes of a trial without parts that the package would not write.

    Predictions, standard deviations and numbers of images are finite numbers by metric, setups of
    measurements are mappings by metric.
    """
    note = dict(attributes)
    for key in note.keys() & {PREDICTION, PREDICTION_STD, MEASURED_STD, MEASURED_IMAGES}:
        note[key] = numbers_by_name(note[key])
    if (given := note.get(MEASURED_BY)) is not None:
        setups = given.items() if isinstance(given, Mapping) else ()
        note[MEASURED_BY] = {m: setup for m, setup in setups if isinstance(setup, Mapping)}
    return note


def with_own_excess(problem: Problem, read: Evaluated) -> Evaluated:
    """Return trials with the constraints on objectives that were not set (NaN)."""
    excess = np.array(read.excess)
    for j, name in enumerate(problem.constraints):
        if name in problem.objectives:
            own = problem.excess(name, read.values[:, problem.objectives.index(name)])
            excess[:, j] = np.where(np.isnan(excess[:, j]), own, excess[:, j])
    return read._replace(excess=excess)
