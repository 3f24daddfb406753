"""The trials of a study one by one, as Optuna runs them, with custom objectives."""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._arguments import Count, NonNegativeFloat, checked
from optuna_ofa._rules import Instead, Rule
from optuna_ofa.exceptions import OptunaOFAError
from optuna_ofa.problem import Keep, Parameters, Problem
from optuna_ofa.samplers import Evolution, NothingLeftError, SubnetSampler
from optuna_ofa.space import SearchSpace
from optuna_ofa.storage import (
    Restored,
    Store,
    flaw_of_fixed,
    is_retry,
    open_store,
    passed_over,
    renew_after_fork,
)
from optuna_ofa.studies._callbacks import TrialCallback
from optuna_ofa.studies._engine import Engine
from optuna_ofa.studies._own import (
    Objective,
    checked_objective,
    note_own,
    own_attributes,
    require_own,
    require_trial,
)
from optuna_ofa.studies._single import choose_subnet, has_subnet, is_queued, require_left

unchecked = Instead("anything", lambda _: True)  # the objectives define which values are allowed
NumberOfJobs = Annotated[
    int, Rule("a whole number of at least 1, or -1", lambda n: n == -1 or 1 <= n < 2**15)
]


class TrialStudy(optuna.Study):
    """An Optuna study whose trials are subnets, each evaluated once, with checked values.

    Args:
        study_name: Name of an existing study in the storage.
        storage: The storage.
        sampler: The sampler of `optimize`; if it learns from measurements, it also chooses the
            subnets of `SubnetStudy.ask_batch`.
        evolution: The initial state of `SubnetStudy.search`.
        problem: Space, objectives, constraints and predictors.
        keep: Which subnets of a generation `SubnetStudy.search` writes: ``"all"``, ``"front"`` or
            ``"sample"``.
        parameters: Which of their trials get parameters: ``"all"`` or ``"front"``.
    """

    @checked
    def __init__(
        self,
        *,
        study_name: str,
        storage: BaseStorage,
        sampler: BaseSampler,
        evolution: Evolution,
        problem: Problem,
        keep: Keep = "all",
        parameters: Parameters = "all",
    ) -> None:
        super().__init__(study_name, storage, sampler=sampler)
        self.problem = problem
        self._leaves_retries = False  # to processes that measure
        self._has_warned = False  # of extrapolated points
        self._renew()
        self.engine: Engine = Engine(
            problem, open_store(self._storage, study_name, problem, keep, parameters), evolution
        )

    @property
    def space(self) -> SearchSpace:
        """The search space; a custom objective calls ``study.space.suggest(trial)``."""
        return self.problem.space

    @property
    def seed(self) -> int:
        """The seed of the search, also if none was given."""
        return self.engine.seed

    @property
    def store(self) -> Store:
        """The trials and attributes of the study in its storage."""
        return self.engine.store

    @property
    def metric_names(self) -> list[str]:
        """The names of the objectives."""
        return list(self.problem.objectives)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """Return trials with their parameters, whether these are stored or not.

        Optuna's samplers, importances and plots read the trials of a study by this.
        """
        found = list(self._restored(super()._get_trials(deepcopy=False, use_cache=use_cache)))
        if states is not None:
            found = [trial for trial in found if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _pop_waiting_trial_id(self) -> int | None:
        """Run the first waiting trial; Optuna's `ask` calls this."""
        waiting = (TrialState.WAITING,)
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False, states=waiting):
            if self._leaves_retries and is_retry(trial):
                continue
            if (flaw := flaw_of_fixed(self.space, trial)) is not None:
                passed_over(self._storage).warn(self.study_name, {trial.number: flaw})
                continue
            with contextlib.suppress(UpdateFinishedTrialError):  # another process was faster
                if self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
                    return trial._trial_id
        return None

    @checked
    def optimize(
        self,
        func: Objective,
        n_trials: Count | None = None,
        timeout: NonNegativeFloat | None = None,
        n_jobs: NumberOfJobs = 1,
        catch: type[Exception] | Iterable[type[Exception]] = (),
        callbacks: Iterable[TrialCallback] | None = None,
        gc_after_trial: bool = False,
        show_progress_bar: bool = False,
    ) -> None:
        """Run a custom objective; everything else is as in `optuna.Study.optimize`.

        The sampler is that of the study: one of this package, or any of Optuna. Trials have the
        user attributes ``subnet`` and ``kind``: ``"measured"``, or ``"predicted"`` if the objective
        is ``study.problem``.

        With a sampler of this package no subnet is evaluated twice, also not by other threads and
        processes at the same time, because each trial claims its subnet; the run ends early,
        without an error, when no subnet is left. Samplers of Optuna may repeat subnets. Waiting
        trials, which were enqueued or whose process died, are run first.

        Args:
            func: Takes a trial, calls ``study.space.suggest(trial)`` and returns the objectives'
                values in their order and units.
            n_trials: As in `optuna.Study.optimize`, like all further arguments.
            timeout: In seconds.
            n_jobs: Number of threads, -1 for one per processor.
            catch: Errors of the objective that only fail their trial.
            callbacks: Called with the study and each finished trial.
            gc_after_trial: Whether to collect garbage after each trial.
            show_progress_bar: Whether to show a progress bar.

        Raises:
            InvalidArgumentError: If a metric cannot have its value (top-1 is from 0 to 100, costs
                are positive), or two values fit the predictions only if they are exchanged; the
                trial fails, and with ``catch`` the others continue.

        Warns:
            ImplausibleValueWarning: An accuracy is probably a fraction.
        """
        with contextlib.suppress(NothingLeftError), _own_errors():
            super().optimize(
                checked_objective(self.problem, func),
                n_trials=n_trials,
                timeout=timeout,
                n_jobs=n_jobs,
                catch=catch,
                callbacks=None if callbacks is None else list(callbacks),
                gc_after_trial=gc_after_trial,
                show_progress_bar=show_progress_bar,
            )

    @checked
    def ask(
        self, fixed_distributions: Mapping[str, BaseDistribution] | None = None
    ) -> optuna.Trial:
        """Start a trial, as `optuna.Study.ask` does; its subnet is chosen immediately.

        Args:
            fixed_distributions: Parameters that are suggested immediately.

        Raises:
            SearchSpaceExhaustedError: If no subnet is left; no trial is created then.
        """
        self._thread_local.cached_all_trials = None  # as Optuna does
        with self._asking:  # between threads, so that no trial is created without a subnet
            trial_id = self._pop_waiting_trial_id()
            if trial_id is None:
                require_left(self, self.space)
                trial_id = self._storage.create_new_trial(self._study_id)
            trial = optuna.Trial(self, trial_id)
            choose_subnet(self, trial)
        for name, distribution in (fixed_distributions or {}).items():
            trial._suggest(name, distribution)
        return trial

    @checked
    def enqueue_trial(
        self,
        params: dict[str, Any],
        user_attrs: dict[str, Any] | None = None,
        skip_if_exists: bool = False,
    ) -> None:
        """Enqueue a trial, as `optuna.Study.enqueue_trial` does.

        Parameters of blocks that a subnet does not have are ignored. A subnet that is already
        waiting is not enqueued again; one that was evaluated is, to evaluate it once more.

        Args:
            params: Parameters of a subnet, or some of them.
            user_attrs: User attributes of the trial.
            skip_if_exists: Whether to skip a subnet that has any trial, including a predicted
                one.
        """
        if not is_queued(self.space, self.store, params):
            super().enqueue_trial(params, user_attrs, skip_if_exists)

    def _should_skip_enqueue(self, params: Mapping[str, Any]) -> bool:
        evaluated = self.engine.results().matrix
        return has_subnet(self.space, self.store, evaluated, params) or (
            super()._should_skip_enqueue(params)
        )

    @contextlib.contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let callbacks call `optuna.Study.stop`, which is refused outside of `optimize`."""
        outer = self._thread_local.in_optimize_loop
        self._thread_local.in_optimize_loop = True
        try:
            yield
        finally:
            self._thread_local.in_optimize_loop = outer

    def __getstate__(self) -> dict[str, Any]:  # locks are not pickled
        state = super().__getstate__()
        return {key: of for key, of in state.items() if key not in ("_asking", "_restored")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._renew()

    def _renew(self) -> None:
        self._asking = threading.Lock()
        self._restored = Restored(self.problem.space)
        renew_after_fork(self)
        if isinstance(self.sampler, SubnetSampler):
            renew_after_fork(self.sampler)

    @checked
    def tell(
        self,
        trial: optuna.Trial | int,
        values: Annotated[float | Sequence[float] | None, unchecked] = None,
        state: TrialState | None = None,
        skip_if_finished: bool = False,
    ) -> FrozenTrial:
        """Finish a trial, as `optuna.Study.tell` does; its values are checked as in `optimize`.

        Raises:
            InvalidArgumentError: As `optimize`; the trial is still running.
        """
        if values is not None:
            number = trial if isinstance(trial, int) else trial.number
            found = self._found(trial)
            params = {} if found is None else found.params
            require_own(self.problem, values, params, f"`values` of trial {number}")
            if found is not None and found.state == TrialState.RUNNING:
                note_own(self.problem, self._storage, found._trial_id, values)
        return super().tell(trial, values, state, skip_if_finished)

    def _found(self, trial: optuna.Trial | int) -> FrozenTrial | None:
        """Return a trial by itself or its number; None if there is none, which Optuna refuses."""
        if isinstance(trial, optuna.Trial):
            return self._storage.get_trial(trial._trial_id)
        try:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._study_id, trial)
        except KeyError:
            return None
        return self._storage.get_trial(trial_id)

    @checked
    def add_trial(self, trial: FrozenTrial) -> None:
        """Add a trial, as `optuna.Study.add_trial` does; measured values are checked.

        A complete trial gets missing user attributes and constraints, as in `optimize`. Parameters
        added by `enqueue_trial` are also checked.

        Raises:
            InvalidArgumentError: As `optimize`; nothing is added.
        """
        require_trial(self.problem, trial)
        if trial.state == TrialState.COMPLETE:
            user, system = own_attributes(self.problem, trial, trial.values)
            trial = copy.copy(trial)
            trial.user_attrs = {**trial.user_attrs, **user}
            trial.system_attrs = {**trial.system_attrs, **system}
        super().add_trial(trial)


@contextlib.contextmanager
def _own_errors() -> Iterator[None]:
    """Raise the error of a storage that Optuna hides: "Should not reach" follows it."""
    try:
        yield
    except AssertionError as error:
        if isinstance(error.__context__, OptunaOFAError):
            raise error.__context__ from None
        raise
