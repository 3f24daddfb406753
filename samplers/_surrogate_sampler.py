"""Search by measurements: models learn from them and choose the next subnets to measure."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_ofa._arguments import NonNegativeFloat, Positive, Seed, checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Values
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem import (
    NOT_MEASURED,
    PREDICTED,
    PREDICTION,
    PREDICTION_STD,
    Evaluated,
    Orientation,
    Problem,
)
from optuna_ofa.samplers._priors import ExcessPrior, PredictorPrior, require_prior
from optuna_ofa.samplers._subnet_sampler import SubnetSampler
from optuna_ofa.samplers._trials import MeasuredTrials
from optuna_ofa.samplers.models._quantity import Prior
from optuna_ofa.samplers.models._search import LEAST_MEASURED, SurrogateSearch
from optuna_ofa.space import Matrix, SearchSpace, keys_of

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

N_STARTUP_TRIALS = 10
# each further result adds less information
_LEAST_BATCH, _BATCH_SHARE = 5, 0.02


class SurrogateSampler(SubnetSampler):
    """Finds a front in few measurements, for objectives that take seconds or more.

    As in LINAS (Cummings et al. 2022) and MSuNAS (Lu et al. 2020): each round fits a model to every
    objective on all that was measured, searches on the models with NSGA-II, and proposes a batch of
    the subnets found. The models are Gaussian processes, the search is on estimates that are
    somewhat better than expected, and the batch has the subnets that would add the most hypervolume
    to the measured front if they reached these, so it is spread along the front and includes
    uncertain ones. In a space or pool of at most 10,000 subnets all are estimated.

    Works in any Optuna study whose objective calls ``space.suggest(trial)``, with one or more
    objectives, constraints by ``trial.set_constraint``, several workers, and trials of an earlier
    process. Values are what the objective returns; predictions are stored in the user attributes
    ``predicted`` and ``predicted_std``. A subnet is never proposed twice in a study, nor one that
    has failed. Trials of kind ``"predicted"`` are ignored.

    A proposal takes a few hundredths of a second; for faster objectives, use
    `EvolutionarySampler`.

    Args:
        space: What is searched.
        n_startup_trials: How many trials of all sizes, the ends included, come before models.
        batch_size: How many trials are proposed between two fits; smaller batches find slightly
            better fronts. None is a fiftieth of the measured trials, at least 5.
        optimism: How many standard deviations better than its estimate a subnet is assumed to be; 0
            trusts the models, more than 2 mostly explores.
        n_searched: How many children are estimated in a round.
        priors: A predictor of each objective in their order, or None. Measurements correct it; one
            that they agree with exactly, such as the table that latencies come from, is used as it
            is. It may be for other weights of the same architecture and genes, with a warning. If
            each objective has one, the first trials are spread along the front of predictions.
        pool: ``(n, n_genes)`` the only subnets that may be proposed, for example those already
            exported; None is the whole space.
        problem: The problem whose predictors, including those of its constraints, are corrected;
            metrics without a predictor are learnt from measurements alone. Not together with
            ``priors``. `optuna_ofa.study` passes its own with ``learn=True``.
        independent_sampler: As in `EvolutionarySampler`.
        seed: Seed of all random choices; workers of one study need different ones or None.

    Raises:
        InvalidArgumentError: If a number is too small, or the pool is empty.
        InvalidSubnetError: If a row of the pool is not of the space.
        FamilyMismatchError: If a prior is for a family of another architecture or other genes.
    """

    @checked
    def __init__(
        self,
        space: SearchSpace,
        *,
        n_startup_trials: Positive = N_STARTUP_TRIALS,
        batch_size: Positive | None = None,
        optimism: NonNegativeFloat = 1.0,
        n_searched: Positive = 1_500,
        priors: Sequence[Predictor | None] | None = None,
        pool: Matrix | None = None,
        problem: Problem | None = None,
        independent_sampler: BaseSampler | None = None,
        seed: Seed | None = None,
    ) -> None:
        super().__init__(space, independent_sampler=independent_sampler, seed=seed)
        self.problem = problem
        if problem is not None:
            if priors is not None:
                raise InvalidArgumentError(
                    f"`priors` must be None with a `problem`, but got {priors}."
                )
            priors = [
                None if metric in problem.measured_only else problem.predictors[metric]
                for metric in problem.objectives
            ]
        for prior in priors or ():
            if prior is not None:
                require_prior(prior, space)
        self._priors = None if priors is None else list(priors)
        self._batch_size = batch_size
        self._options: dict[str, Any] = {
            "n_startup_trials": n_startup_trials,
            "optimism": optimism,
            "n_searched": n_searched,
            "pool": pool,
        }
        one = Orientation((1.0,), (0,))
        SurrogateSearch(space, orientation=one, objectives=[None], **self._options)  # checks them
        self._pool = (
            None if pool is None else set(keys_of(space.canonicalize(space.check(pool))).tolist())
        )
        self._problem = problem
        self._entropy = secrets.randbits(128) if seed is None else seed
        self._n_rounds = 0
        self._trials = MeasuredTrials(space, self.genotype, self.constraints_of)
        self._search: _Choice | None = None
        self._searched_for: tuple[Any, ...] = ()
        self._queue: Evaluated | None = None

    def reseed_rng(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        super().reseed_rng()
        self._entropy = secrets.randbits(128)

    def is_started(self, n_known: int, n_pending: int) -> bool:
        """Return whether enough subnets are or are being measured to choose by models."""
        n_startup: int = self._options["n_startup_trials"]
        return n_known >= LEAST_MEASURED and n_known + n_pending >= n_startup

    def choose(
        self,
        known: Evaluated,
        pending: Matrix,
        failed: Matrix,
        n: int,
        n_round: int,
        *,
        orientation: Orientation,
        names: Sequence[str],
    ) -> Evaluated:
        """Return subnets to measure, at most ``n``: for `propose` and `SubnetStudy.ask_batch`.

        Args:
            known: The measured subnets, with finite values.
            pending: ``(m, n_genes)`` subnets that are being measured.
            failed: ``(k, n_genes)`` subnets that could not be measured.
            n: How many.
            n_round: Which choice this is, from 1; each has its own random numbers.
            orientation: How values become costs.
            names: The constraints in the order of ``known.excess``.

        Raises:
            InvalidArgumentError: If there is not a prior for each objective.
            SearchSpaceExhaustedError: If no subnet is left.
        """
        search = self._search_for(orientation, tuple(names))
        known = known._replace(excess=_bounded(known.excess))
        rng = np.random.default_rng((self._entropy, len(known.matrix), n_round))
        # a choice that is made again, because its caller was interrupted, starts from the same
        start = search.before if search.n_round == n_round else search.after
        after = start.fork()
        found = after.propose(known, pending, failed, n, rng)
        self._search = _Choice(n_round, start, after)
        return found

    def _search_for(self, orientation: Orientation, names: tuple[str, ...]) -> _Choice:
        """Return the search for some objectives and constraints; kept while these do not change."""
        wanted, signs = (orientation, names), orientation.signs
        if self._search is None or wanted != self._searched_for:
            priors = [None] * len(signs) if self._priors is None else self._priors
            if len(priors) != len(signs):
                raise InvalidArgumentError(
                    f"`priors` must be one for each of {len(signs)} objectives, None where there "
                    f"is none, but got {len(priors)}."
                )
            search = SurrogateSearch(
                self.space,
                orientation=orientation,
                objectives=[
                    None if prior is None else PredictorPrior.of(prior, sign, self.space)
                    for prior, sign in zip(priors, signs, strict=True)
                ],
                scales=np.array([self.scales.get(name, 1.0) for name in names]),
                constraints=[self._constraint_prior(name) for name in names],
                **self._options,
            )
            self._search, self._searched_for = _Choice(0, search, search), wanted
        return self._search

    def _constraint_prior(self, name: str) -> Prior | None:
        problem = self._problem
        if problem is None or name not in problem.constraints or name in problem.measured_only:
            return None
        return ExcessPrior(problem, name)

    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """Return the next subnet of the batch, or the first one of a new batch."""
        self._trials.read(study._get_trials(deepcopy=False, use_cache=True))
        one = self._next(study)
        self._trials.assign(trial.number, one.matrix)
        self._note(study, trial, one)
        return one.matrix

    def is_known(self, row: Matrix) -> bool:
        """Return whether a subnet, ``(1, n_genes)``, was measured, has failed or runs."""
        return self._trials.is_taken(row)

    def counts(self, trial: FrozenTrial) -> bool:
        """Return whether a finished trial is not a prediction."""
        return trial.user_attrs.get("kind") != PREDICTED

    def n_left(self, keys: set[int]) -> int:
        """Return how many subnets may be proposed besides those with these keys."""
        return super().n_left(keys) if self._pool is None else len(self._pool - keys)

    @property
    def _n_proposable(self) -> int:
        return self.space.n_subnets if self._pool is None else len(self._pool)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Mark a failed trial as failed by its objective, not by the death of its process."""
        if state == TrialState.FAIL and PREDICTION in trial.user_attrs:
            study._storage.set_trial_user_attr(trial._trial_id, "error", NOT_MEASURED)
        super().after_trial(study, trial, state, values)

    def _next(self, study: Study) -> Evaluated:
        """Return one proposal that has not been evaluated in the meantime."""
        known_names = self._problem.constraints if self._problem else ()
        names = tuple(dict.fromkeys((*known_names, *self._trials.constraint_names())))
        orientation = self.orientation_in(study)
        known = self._trials.measured(len(study.directions), names)
        while True:
            pending = self._trials.pending()
            started = self.is_started(len(known.matrix), len(pending))
            if self._queue is not None and _is_start(self._queue) and started:
                self._queue = None  # other processes have done the rest of the startup trials
            if self._queue is None or len(self._queue.matrix) == 0:
                n = self._batch_size or max(_LEAST_BATCH, int(_BATCH_SHARE * len(known.matrix)))
                if not started:
                    n_startup = self._options["n_startup_trials"]
                    n = max(1, n_startup - len(known.matrix) - len(pending))
                failed, n_round = self._trials.failed(), self._n_rounds + 1
                self._queue = self.choose(
                    known, pending, failed, n, n_round, orientation=orientation, names=names
                )
                self._n_rounds = n_round
            one, self._queue = self._queue.select(slice(1)), self._queue.select(slice(1, None))
            if not self._trials.is_taken(one.matrix):
                return one

    @staticmethod
    def _note(study: Study, trial: FrozenTrial, one: Evaluated) -> None:
        """Store the predictions beside the values to be measured."""
        if _is_start(one):
            return
        # the study that a Hyperband pruner hands over has no names, but the one that it is of
        names = getattr(study, "_study", study).metric_names or (
            ["value"]
            if len(study.directions) == 1
            else [f"values_{i}" for i in range(len(study.directions))]
        )
        for key, numbers in ((PREDICTION, one.values[0]), (PREDICTION_STD, one.std[0])):
            noted = dict(zip(names, numbers.tolist(), strict=True))
            study._storage.set_trial_user_attr(trial._trial_id, key, noted)


class _Choice(NamedTuple):
    """The latest choice, with the search before and after it.

    Args:
        n_round: Which choice it was.
        before: The search that it started from.
        after: The search that the next one starts from.
    """

    n_round: int
    before: SurrogateSearch
    after: SurrogateSearch


def _bounded(excess: Values) -> Values:
    """Return constraints with infinite values, which no model can learn, replaced by large ones."""
    largest = np.where(np.isfinite(excess), np.abs(excess), 0).max(axis=0, initial=0)
    limits = np.where(largest > 0, 2 * largest, 1.0)
    return np.clip(excess, -limits, limits)


def _is_start(proposals: Evaluated) -> bool:
    """Return whether proposals were made without a model."""
    return bool(np.isnan(proposals.values).any())
