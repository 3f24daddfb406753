"""Search by measurements: models learn from them, and say what to measure next."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import Predictor
from optuna_ofa.problem import PREDICTION, PREDICTION_STD, constraints_of
from optuna_ofa.samplers._priors import PredictorPrior
from optuna_ofa.samplers._subnet_sampler import SubnetSampler
from optuna_ofa.samplers._trials import MeasuredTrials, signs_of
from optuna_ofa.samplers.models._quantity import Prior
from optuna_ofa.samplers.models._search import Proposals, SurrogateSearch
from optuna_ofa.space import Matrix, SearchSpace

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

N_STARTUP_TRIALS = 40
# what one more result teaches is the less the more there are
_LEAST_BATCH, _BATCH_SHARE = 5, 0.02


class SurrogateSampler(SubnetSampler):
    """Finds a front in few measurements, for objectives that take seconds or more.

    As LINAS (Cummings et al. 2022) and MSuNAS (Lu et al. 2020): each round fits a model to every
    objective on all that was measured, searches on the models with NSGA-II, and proposes a batch
    of what it found. The models are Gaussian processes, and the batch is what may add the most
    hypervolume to the measured front if subnets are somewhat better than their estimates, so
    that it is spread along the front and includes uncertain ones.

    Works in any Optuna study whose objective calls ``space.suggest(trial)``, with one or more
    objectives, constraints by ``trial.set_constraint``, several workers, and trials of an earlier
    process. Values are what the objective returns; what was predicted lies beside them in the
    user attributes ``predicted`` and ``predicted_std``. A subnet is never proposed twice in a
    study, nor one that has failed. Trials of kind ``"predicted"`` are passed over.

    A proposal costs some tenths of a second; `NSGAIISampler` is for objectives that take less.

    Args:
        space: What is searched.
        n_startup_trials: How many trials of all sizes, the ends included, come before models.
        batch_size: How many trials are proposed between two fits; fewer find a little more. None
            is a fiftieth of those that were measured, at least 5.
        optimism: How many standard deviations better than its estimate a subnet is taken to be;
            0 trusts the models, more than 2 or 3 explores for its own sake.
        n_searched: How many subnets are estimated in a round.
        priors: A predictor of each objective in their order, or None; the model then learns what
            a straight line of its predictions leaves over, and so corrects it.
        pool: ``(n, n_genes)`` the only subnets that may be proposed, for example those that are
            exported already; None is the whole space.
        seed: Seed of all random choices; workers of one study need different ones or None.

    Raises:
        InvalidArgumentError: If a number is too small, or the pool empty.
        InvalidSubnetError: If a row of the pool is not of the space.
        FamilyMismatchError: If a prior is for another family.
    """

    # names of constraints that count before a trial has set them
    known_constraints: tuple[str, ...] = ()

    def __init__(
        self,
        space: SearchSpace,
        *,
        n_startup_trials: int = N_STARTUP_TRIALS,
        batch_size: int | None = None,
        optimism: float = 2.0,
        n_searched: int = 6_000,
        priors: Sequence[Predictor | None] | None = None,
        pool: Matrix | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(space, seed=seed)
        if batch_size is not None and batch_size < 1:
            raise InvalidArgumentError(f"`batch_size` must be at least 1, but got {batch_size}.")
        for prior in priors or ():
            if prior is not None:
                prior.require(space)
        self._priors = None if priors is None else list(priors)
        self._batch_size = batch_size
        self._options: dict[str, Any] = {
            "n_startup_trials": n_startup_trials,
            "optimism": optimism,
            "n_searched": n_searched,
            "pool": pool,
        }
        SurrogateSearch(space, objectives=[None], **self._options)  # refuses what is wrong
        self._entropy = secrets.randbits(128) if seed is None else seed
        self._n_rounds = 0
        self._trials = MeasuredTrials(space, self.genotype, self.constraints_of)
        self._search: SurrogateSearch | None = None
        self._searched_for: tuple[Any, ...] = ()
        self._queue: Proposals | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:  # locks are not pickled
        return {key: value for key, value in self.__dict__.items() if key != "_lock"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def reseed_rng(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        super().reseed_rng()
        self._entropy = secrets.randbits(128)

    def constraints_of(self, trial: FrozenTrial) -> Mapping[str, float]:
        """The constraints of a complete trial, above 0 where violated."""
        return constraints_of(trial)

    def constraint_prior(self, name: str) -> Prior | None:
        """What is known of a constraint before it is measured."""
        return None

    def search_for(self, study: Study, names: Sequence[str]) -> SurrogateSearch:
        """The search for the objectives of a study and some constraints; kept as long as these
        stay the same.

        Raises:
            InvalidArgumentError: If there is not a prior for each objective.
        """
        wanted = (tuple(study.directions), tuple(names))
        if self._search is None or wanted != self._searched_for:
            signs = signs_of(study.directions)
            priors = [None] * len(signs) if self._priors is None else self._priors
            if len(priors) != len(signs):
                raise InvalidArgumentError(
                    f"`priors` must be one for each of {len(signs)} objectives, None where there "
                    f"is none, but got {len(priors)}."
                )
            self._search = SurrogateSearch(
                self.space,
                objectives=[
                    None if prior is None else PredictorPrior(prior, float(sign))
                    for prior, sign in zip(priors, signs, strict=True)
                ],
                constraints=[self.constraint_prior(name) for name in names],
                **self._options,
            )
            self._searched_for = wanted
        return self._search

    def next_rng(self, n_known: int) -> np.random.Generator:
        """Randomness of the next round."""
        self._n_rounds += 1
        return np.random.default_rng((self._entropy, n_known, self._n_rounds))

    def propose(self, study: Study, trial: FrozenTrial) -> Matrix:
        """The next subnet of the batch, or the first one of a new batch."""
        with self._lock:
            self._trials.read(study._get_trials(deepcopy=False, use_cache=True))
            one = self._next(study)
            self._trials.give_out(trial.number, one.matrix)
        self._note(study, trial, one)
        return one.matrix

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Say of a trial that has failed that this is no accident of its process."""
        if state == TrialState.FAIL and PREDICTION in trial.user_attrs:
            study._storage.set_trial_user_attr(trial._trial_id, "error", "not measured")
        super().after_trial(study, trial, state, values)

    def _next(self, study: Study) -> Proposals:
        """One proposal that nobody has evaluated since it was made."""
        names = tuple(dict.fromkeys((*self.known_constraints, *self._trials.constraint_names())))
        search = self.search_for(study, names)
        known = self._trials.measurements(signs_of(study.directions), names)
        while True:
            started = search.is_started(len(known.matrix), len(self._trials.pending()))
            if self._queue is not None and self._queue.is_start and started:
                self._queue = None  # others have done the rest of the start
            if self._queue is None or len(self._queue.matrix) == 0:
                pending = self._trials.pending()
                n = self._batch_size or max(_LEAST_BATCH, int(_BATCH_SHARE * len(known.matrix)))
                if not started:
                    n = max(1, search.n_startup_trials - len(known.matrix) - len(pending))
                self._queue = search.propose(
                    known, pending, self._trials.failed(), n, self.next_rng(len(known.matrix))
                )
            one, self._queue = self._queue.select(slice(1)), self._queue.select(slice(1, None))
            if not self._trials.is_taken(one.matrix):
                return one

    @staticmethod
    def _note(study: Study, trial: FrozenTrial, one: Proposals) -> None:
        """Write what is predicted beside what will be measured."""
        if one.is_start:
            return
        names = study.metric_names or (
            ["value"]
            if len(study.directions) == 1
            else [f"values_{i}" for i in range(len(study.directions))]
        )
        values = one.values[0] * signs_of(study.directions)
        for key, numbers in ((PREDICTION, values), (PREDICTION_STD, one.std[0])):
            noted = dict(zip(names, numbers.tolist(), strict=True))
            study._storage.set_trial_user_attr(trial._trial_id, key, noted)
