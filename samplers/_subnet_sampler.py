"""The base of samplers that propose whole subnets."""

from __future__ import annotations

import abc
import contextlib
import itertools
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.exceptions import TrialPruned
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidSubnetError, SearchSpaceExhaustedError
from optuna_ofa.problem import Orientation, Problem, constraints_of, system_attributes
from optuna_ofa.samplers._beside import BesideSampler
from optuna_ofa.samplers._claims import Claims, claimed, row_of
from optuna_ofa.samplers._trials import FinishedTrials
from optuna_ofa.space import Matrix, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

_N_ATTEMPTS = 20  # to complete partly fixed parameters to a new subnet


class NothingLeftError(SearchSpaceExhaustedError, TrialPruned):
    """Every subnet is taken; `optuna.Study.optimize` treats the trial as pruned."""


class SubnetSampler(BaseSampler, abc.ABC):
    """An Optuna sampler that proposes whole subnets of a space.

    Works in any study whose objective calls ``space.suggest(trial)``. What an objective suggests
    beside the subnet, such as a learning rate, is left to another sampler, which searches it as in
    a study of its own: it sees the trials that have such parameters, and nothing of their subnets.

    Args:
        space: The search space.
        independent_sampler: The sampler of parameters that are not of the space, any of Optuna;
            None is an `optuna.samplers.TPESampler` with the same seed.
        seed: Seed of the random choices.

    Attributes:
        problem: The problem that is searched: what each objective is, and constraints, which
            trials need not set themselves. None uses the directions of the study.
            `optuna_ofa.study` sets its own.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        independent_sampler: BaseSampler | None = None,
        seed: int | None = None,
    ) -> None:
        self.space = space
        self.problem: Problem | None = None
        self._beside = BesideSampler(space.distributions, independent_sampler, seed)
        self._finished = FinishedTrials()
        self._claims = Claims(space, self.counts)
        self._lock = threading.Lock()  # of the threads of one process

    def __getstate__(self) -> dict[str, Any]:  # locks are not pickled
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    @abc.abstractmethod
    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return a subnet for a trial, ``(1, n_genes)``, which differs with every call.

        Called for each new trial until a subnet is found that no other trial has claimed.

        Raises:
            SearchSpaceExhaustedError: If none is left.
        """

    @abc.abstractmethod
    def is_known(self, row: Matrix) -> bool:
        """Return whether a subnet, ``(1, n_genes)``, is or was evaluated, by the trials read."""

    def release(self, row: Matrix) -> None:
        """Withdraw a proposed subnet, ``(1, n_genes)``, that is not going to be evaluated."""

    def counts(self, trial: FrozenTrial) -> bool:
        """Return whether a finished trial counts as an evaluation of its subnet."""
        return True

    def n_left(self, keys: set[int]) -> int:
        """Return how many subnets may be proposed besides those with these keys."""
        return self.space.n_subnets - len(keys)

    def is_exhausted(self, study: Study) -> bool:
        """Return whether no subnet is left for a new trial, and none is waiting to run."""
        with self._lock:
            return self._claims.all_taken(study, self.n_left, self._n_proposable)

    @property
    def _n_proposable(self) -> int:
        return self.space.n_subnets

    @property
    def scales(self) -> Mapping[str, float]:
        """The scale of each constraint of the problem by name, in which violations are added up."""
        if self.problem is None:
            return {}
        return dict(zip(self.problem.constraints, self.problem.scales.tolist(), strict=True))

    def reseed_rng(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        self._beside.reseed()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space's parameters, and those beside it that are sampled together.

        Optuna ignores those that a trial does not suggest.
        """
        own = {name: d for name, d in self.space.distributions.items() if not d.single()}
        return {**own, **self._beside.search_space(study, trial)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of a subnet that no other trial of the study evaluates.

        Where none is left, `optuna.Study.optimize` stops, as with Optuna's `GridSampler`.
        Parameters that are not of the space are those of the independent sampler; no subnet is
        claimed if there are no others.

        Raises:
            SearchSpaceExhaustedError: If none is left; it prunes a trial of `optimize` that was
                created while others took the last subnets.
        """
        own = search_space.keys() & self.space.distributions.keys()
        params = self._params(study, trial) if own else {}
        beside = {name: of for name, of in search_space.items() if name not in own}
        params |= self._beside.sample(study, trial, beside)
        return {name: params[name] for name in search_space}

    def _params(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of the subnet that a trial has claimed or claims now."""
        row = claimed(self.space, trial)  # a retry keeps the subnet that it had
        if row is None:
            try:
                with self._lock:
                    row = self._claim(study, trial)
            except SearchSpaceExhaustedError as error:
                _stop(study)
                raise NothingLeftError(str(error)) from error
            self._stop_at_end(study)
        (params,) = self.space.to_params(row)
        return params

    def _claim(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return the first proposal that this trial may evaluate."""
        fixed = trial.system_attrs.get("fixed_params", {})
        for attempt in itertools.count():
            self._claims.see(study._get_trials(deepcopy=False, use_cache=True))
            row = proposed = self.propose(study, trial)
            if fixed:
                row = self._with(proposed, {**fixed, **trial.params})
                if (row != proposed).any():
                    self.release(proposed)
                    if self.is_known(row) and attempt < _N_ATTEMPTS:
                        continue
            is_ours = self._claims.make(study, trial, row)
            if is_ours or (fixed and attempt >= _N_ATTEMPTS):
                return row
            if is_ours is None:
                self.release(row)
        raise AssertionError  # unreachable

    def _with(self, row: Matrix, fixed: Mapping[str, Any]) -> Matrix:
        """Return a subnet with some fixed parameters; unchanged if they are not of the space."""
        own = {name: value for name, value in fixed.items() if name in self.space.distributions}
        try:
            return self.space.from_params([{**self.space.to_params(row)[0], **own}])
        except InvalidSubnetError:
            return row

    def _stop_at_end(self, study: Study) -> None:
        """Stop `optuna.Study.optimize` where every subnet is or was evaluated."""
        if self.is_exhausted(study):
            _stop(study)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value of the independent sampler, for parameters that are not of the space."""
        return self._beside.sample_one(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Prepare the independent sampler."""
        self._beside.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Store the constraints of the problem in a trial, also as Optuna Dashboard reads them."""
        self._beside.after_trial(study, trial, state, values)
        self._stop_at_end(study)
        if state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        excess = dict(constraints_of(trial))
        if values is not None and self.problem is not None:
            excess = self.problem.all_excess(self.genotype(trial), values, excess)
        attributes: dict[str, Any] = system_attributes(excess)
        for key, value in attributes.items():
            if key not in trial.system_attrs:
                study._storage.set_trial_system_attr(trial._trial_id, key, value)

    def constraints_of(self, trial: FrozenTrial) -> dict[str, float]:
        """Return the constraints of a trial by name, above 0 where violated.

        A study's objective need not set those constraints of the problem that are on objectives.
        """
        excess = dict(constraints_of(trial))
        if self.problem is not None and trial.values is not None:
            excess = {**self.problem.excess_of(trial.values), **excess}
        return excess

    def orientation_in(self, study: Study) -> Orientation:
        """Return how values of a study's trials become costs."""
        if self.problem is not None:
            return self.problem.orientation
        return Orientation.of_directions(study.directions)

    def genotype(self, trial: FrozenTrial) -> Matrix | None:
        """Return the canonical row of a trial, ``(1, n_genes)``; None if it is not of the space."""
        return row_of(self.space, trial)


def _stop(study: Study) -> None:
    """Start no more trials; nothing happens outside of `optuna.Study.optimize`."""
    with contextlib.suppress(RuntimeError):
        study.stop()
