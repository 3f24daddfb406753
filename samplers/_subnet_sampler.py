"""The base of samplers that propose whole subnets."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.problem import Orientation, Problem, constraints_of, system_attributes
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
        problem: The problem that is searched: what each objective is, and constraints, which
            trials need not set themselves. None goes by the directions of the study.
            `optuna_ofa.study` sets its own.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None) -> None:
        self.space = space
        self.problem: Problem | None = None
        self._random = RandomSampler(seed=seed)
        self._finished = FinishedTrials()

    @abc.abstractmethod
    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return the subnet of a trial, ``(1, n_genes)``. Called once for each new trial."""

    @property
    def scales(self) -> Mapping[str, float]:
        """The scale of each constraint of the problem by name, in which violations are added up."""
        if self.problem is None:
            return {}
        return dict(zip(self.problem.constraints, self.problem.scales.tolist(), strict=True))

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
        """Note the constraints of the problem in a trial, and what Optuna Dashboard reads."""
        if state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        excess = dict(constraints_of(trial))
        if values is not None and self.problem is not None:
            excess |= self._unset(self.problem, trial, values, excess)
        attributes: dict[str, Any] = system_attributes(excess)
        for key, value in attributes.items():
            if key not in trial.system_attrs:
                study._storage.set_trial_system_attr(trial._trial_id, key, value)

    def constraints_of(self, trial: FrozenTrial) -> dict[str, float]:
        """Return the constraints of a trial by name, above 0 where violated.

        An objective need not set those of the problem that are on objectives.
        """
        excess = dict(constraints_of(trial))
        if self.problem is not None and trial.values is not None:
            excess = {**self.problem.excess_of(trial.values), **excess}
        return excess

    def _unset(
        self,
        problem: Problem,
        trial: FrozenTrial,
        values: Sequence[float],
        excess: Mapping[str, float],
    ) -> dict[str, float]:
        """Return the constraints of the problem that an objective has not set.

        Those on objectives are of its values, others of predictions as in `tell_batch`.
        """
        own = problem.excess_of(values)
        row = self.genotype(trial)
        if row is not None and not problem.constraints.keys() <= own.keys() | excess.keys():
            predicted = problem.try_evaluate(row).predicted.excess
            own = {**dict(zip(problem.constraints, *predicted.tolist(), strict=True)), **own}
        return {name: x for name, x in own.items() if name not in excess}

    def orientation_in(self, study: Study) -> Orientation:
        """Return how values of a study's trials become costs."""
        if self.problem is not None:
            return self.problem.orientation
        return Orientation.of_directions(study.directions)

    def genotype(self, trial: FrozenTrial) -> Matrix | None:
        """Return the canonical row of a trial, ``(1, n_genes)``; None if it is not of the space."""
        try:
            return self.space.from_params([trial.params])
        except InvalidSubnetError:  # of another objective, or from before a restriction
            return None
