"""The search for Pareto fronts as an Optuna sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_ofa._arguments import Count, Seed, checked, whole
from optuna_ofa.problem import Orientation, violation_of
from optuna_ofa.samplers._subnet_sampler import SubnetSampler
from optuna_ofa.samplers.evolution._ascents import Ascents
from optuna_ofa.samplers.evolution._breeding import Breeding, NeighbourMating
from optuna_ofa.samplers.evolution._estimates import Estimator, RidgeEstimator
from optuna_ofa.samplers.evolution._evolution import Evolution
from optuna_ofa.samplers.evolution._schedule import GenerationSize, Growing
from optuna_ofa.samplers.evolution._survival import CostBins, Survival
from optuna_ofa.samplers.evolution._variation import ResetMutation, UniformCrossover
from optuna_ofa.space import Matrix, SearchSpace

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

DEFAULT_ASCENTS = Ascents()

PopulationSize = Annotated[int, whole(2)]


class EvolutionarySampler(SubnetSampler):
    """An evolutionary search over the canonical subnets of a space; the default of a study.

    It extends NSGA-II (Deb et al. 2002), which `NSGAIISampler` implements as published: of many
    children only those with the best estimates are proposed, survivors are the best of each bin of
    cost, and the search starts from the smallest, the largest and a spread of subnets. After a few
    hundred results, chains of subnets climb along the front instead (`Ascents`). As with every
    `SubnetSampler`, a subnet is never evaluated twice in a study, genes of absent blocks are
    ignored, and the static search space makes a trial cheap.
    Works in any Optuna study whose objective calls ``space.suggest(trial)``; `optuna_ofa.study`
    runs it in batches. Constraints are those that trials set with ``trial.set_constraint``.

    Args:
        space: The search space.
        population_size: Survivors of a generation.
        generation_size: How many subnets are proposed in each; None is `Growing`.
        breeding: Makes children; None takes small steps, as estimates are best near parents.
        survival: Picks survivors and, by their estimates, the children that are proposed; None
            is `CostBins`.
        estimator: Estimates children; None is `RidgeEstimator`, or the predictors of the study
            where `optuna_ofa.study` makes the sampler.
        n_candidates: Children that are estimated for a generation; 0 proposes children without
            estimates.
        ascents: Chains that climb along the front after the first results, instead of generations
            of children; None is never.
        independent_sampler: The sampler of parameters that are not of the space, such as a learning
            rate, any of Optuna; None is an `optuna.samplers.TPESampler` with the same seed.
        seed: Seed of all random choices.

    Raises:
        InvalidArgumentError: If ``population_size`` is below 2 or ``n_candidates`` negative.
    """

    @checked
    def __init__(
        self,
        space: SearchSpace,
        *,
        population_size: PopulationSize = 200,
        generation_size: GenerationSize | None = None,
        breeding: Breeding | None = None,
        survival: Survival | None = None,
        estimator: Estimator | None = None,
        n_candidates: Count = 10_000,
        ascents: Ascents | None = DEFAULT_ASCENTS,
        independent_sampler: BaseSampler | None = None,
        seed: Seed | None = None,
    ) -> None:
        super().__init__(space, independent_sampler=independent_sampler, seed=seed)
        self.evolution: Evolution = Evolution(
            space=space,
            population_size=population_size,
            generation_size=generation_size or Growing(),
            breeding=breeding
            or Breeding(
                mating=NeighbourMating(width=0.05),
                crossover=UniformCrossover(probability=0.5, swap=0.25),
                mutation=ResetMutation((1, 2, 3, 4)),
            ),
            survival=survival or CostBins(),
            estimator=estimator or RidgeEstimator(space),
            n_candidates=n_candidates,
            ascents=ascents,
            seed=seed,
        )

    def reseed_rng(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        super().reseed_rng()
        self.evolution.reseed()

    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return the next subnet of the search."""
        self.sync(study)
        evolution = self.evolution.fork()  # an interruption leaves the search as it was
        row = evolution.ask(1)
        self.evolution = evolution
        return row

    def is_known(self, row: Matrix) -> bool:
        """Return whether a subnet, ``(1, n_genes)``, is or was evaluated, by the trials read."""
        return bool(self.evolution.knows(row)[0])

    def release(self, row: Matrix) -> None:
        """Withdraw a proposed subnet, ``(1, n_genes)``, that is not going to be evaluated."""
        self.evolution.release(row)

    def sync(self, study: Study) -> None:
        """Process the trials that have finished since the last call, in any process."""
        reader = self._finished.fork()
        finished = reader.new(study._get_trials(deepcopy=False, use_cache=True))
        rows = [(t, row) for t in finished if (row := self.genotype(t)) is not None]
        if rows:
            ours, matrices = zip(*rows, strict=True)
            self._take(self.orientation_in(study), ours, np.concatenate(matrices))
        self._finished = reader

    def _take(
        self, orientation: Orientation, trials: Sequence[FrozenTrial], matrix: Matrix
    ) -> None:
        """Process finished trials; failed ones are never proposed again."""
        complete = np.array([t.state == TrialState.COMPLETE for t in trials], dtype=bool)
        evolution = self.evolution.fork()
        evolution.forbid(matrix[~complete])
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        values = np.array([t.values for t in done]).reshape(len(done), len(orientation.signs))
        violations = np.array([violation_of(self.constraints_of(t), self.scales) for t in done])
        evolution.tell(matrix[complete], orientation.costs(values), violations)
        self.evolution = evolution
