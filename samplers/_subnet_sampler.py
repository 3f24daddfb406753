"""The base of samplers that propose whole subnets."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.problem import LIST_KEY, Orientation, constraints_of, listed, violation_of
from optuna_ofa.samplers._trials import FinishedTrials
from optuna_ofa.space import Matrix, SearchSpace

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class SubnetSampler(BaseSampler, abc.ABC):
    """An Optuna sampler that proposes whole subnets of a space.

    Works in any study whose objective calls ``space.suggest(trial)``. Parameters that are not of
    the space are drawn at random.

    Args:
        space: What is searched.
        seed: Seed of the parameters that are not of the space.

    Attributes:
        scales: Scale of each constraint by name, in which violations are added up; 1 where there
            is none. `optuna_ofa.study` sets the bounds of its problem.
        orientation: What each objective is; None goes by the directions of the study.
            `optuna_ofa.study` sets that of its problem.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None) -> None:
        self.space = space
        self.scales: Mapping[str, float] = {}
        self.orientation: Orientation | None = None
        self._random = RandomSampler(seed=seed)
        self._finished = FinishedTrials()

    @abc.abstractmethod
    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return the subnet of a trial, ``(1, n_genes)``. Called once for each new trial."""

    def reseed_rng(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        self._random.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the space's parameters; Optuna ignores those that a trial does not suggest."""
        return {name: d for name, d in self.space.distributions.items() if not d.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of a new subnet."""
        (params,) = self.space.to_params(self.propose(study, trial))
        return {name: params[name] for name in search_space}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a random value, for parameters that are not of the space."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Prepare the random sampler."""
        self._random.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Note in a trial that violates constraints what Optuna Dashboard reads of them."""
        if state in (TrialState.COMPLETE, TrialState.PRUNED) and LIST_KEY not in trial.system_attrs:
            noted = listed(violation_of(constraints_of(trial)))
            if noted is not None:
                study._storage.set_trial_system_attr(trial._trial_id, LIST_KEY, noted)

    def orientation_in(self, study: Study) -> Orientation:
        """Return how values of a study's trials become costs."""
        return self.orientation or Orientation.of_directions(study.directions)

    def genotype(self, trial: FrozenTrial) -> Matrix | None:
        """Return the canonical row of a trial, ``(1, n_genes)``; None if it is not of the space."""
        try:
            return self.space.from_params([trial.params])
        except InvalidSubnetError:  # of another objective, or from before a restriction
            return None
