"""The samplers of Optuna and of Rustuna on listed networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna
from _listed import Choices, Matrix
from _listed_runs import Tape
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

MakeSampler = Callable[[int], BaseSampler]


def distributions_of(choices: Choices) -> dict[str, BaseDistribution]:
    """A categorical parameter for each, as a search space of this package suggests them."""
    return {name: CategoricalDistribution(values) for name, values in choices.items()}


class Snapped(BaseSampler):
    """A sampler whose proposals are replaced by the nearest network that may be measured.

    Args:
        sampler: Which proposes.
        tape: Which measures.
    """

    def __init__(self, sampler: BaseSampler, tape: Tape) -> None:
        self._sampler, self._tape = sampler, tape
        self._space = distributions_of(tape.listed.choices)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """All parameters."""
        return self._space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return what the sampler proposes, snapped."""
        sampler = self._sampler
        proposed = sampler.sample_relative(
            study, trial, sampler.infer_relative_search_space(study, trial)
        )
        for name, distribution in self._space.items():
            if name not in proposed:
                proposed[name] = sampler.sample_independent(study, trial, name, distribution)
        return _snapped(proposed, self._tape)

    def sample_independent(self, *_: Any) -> Any:
        """Never called, because all parameters are sampled together."""
        raise AssertionError

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tell the sampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the sampler."""
        self._sampler.after_trial(study, trial, state, values)


def in_optuna(make: MakeSampler) -> Callable[[Tape, int], None]:
    """A sampler of Optuna, in a study in memory."""

    def run(tape: Tape, seed: int) -> None:
        study = optuna.create_study(
            directions=tape.listed.directions, sampler=Snapped(make(seed), tape)
        )
        space = distributions_of(tape.listed.choices)
        while True:
            trial = study.ask(space)
            study.tell(trial, tape.measure(tape.place_of(_indices(trial.params, tape))))

    return run


def rustuna_nsgaii(tape: Tape, seed: int) -> None:
    """Rustuna's NSGA-II, in its own study in memory."""
    import rustuna

    storage = rustuna.storages.InMemoryStorage()
    sampler = _SnappedInRustuna(rustuna.samplers.NSGAIISampler(seed=seed), storage, tape)
    study = rustuna.create_study(
        directions=list(tape.listed.directions), sampler=sampler, storage=storage
    )
    while True:
        trial = study.ask()
        params = {
            name: trial.suggest_categorical(name, list(values))
            for name, values in tape.listed.choices.items()
        }
        values = tape.measure(tape.place_of(_indices(params, tape)))
        study.tell(trial.number, list(values))


class _SnappedInRustuna:
    """The same as `Snapped`, in Rustuna's protocol, whose categories are their indices."""

    support_joint_sampling = True

    def __init__(self, sampler: Any, storage: Any, tape: Tape) -> None:
        from rustuna.distributions import CategoricalDistribution as Categorical

        self._sampler, self._storage, self._tape = sampler, storage, tape
        self._space = {name: Categorical(list(v)) for name, v in tape.listed.choices.items()}
        self._first: dict[str, float] = {}

    def before_trial(self, context: Any, storage: Any) -> None:
        self._sampler.before_trial(context, self._storage)

    def after_trial(self, context: Any, storage: Any, state: Any, values: Any = None) -> None:
        self._sampler.after_trial(context, self._storage, state, values)

    def sample_joint(self, context: Any, storage: Any, space: dict[str, Any]) -> dict[str, float]:
        proposed = self._sampler.sample_joint(context, self._storage, space)
        for name, distribution in self._space.items():
            if name not in proposed:
                proposed[name] = self._sampler.sample_independent(
                    context, self._storage, name, distribution
                )
        row = np.array([proposed[name] for name in self._space])
        snapped = self._tape.listed.matrix[self._tape.nearest(row)]
        self._first = {name: float(i) for name, i in zip(self._space, snapped, strict=True)}
        return {name: self._first[name] for name in space}

    def sample_independent(self, context: Any, storage: Any, name: str, distribution: Any) -> float:
        """Called for the parameters of the first trial, which are not known before."""
        return self._first[name]


def _indices(params: dict[str, Any], tape: Tape) -> Matrix:
    return np.array(
        [values.index(params[name]) for name, values in tape.listed.choices.items()], dtype=np.int16
    )


def _snapped(params: dict[str, Any], tape: Tape) -> dict[str, Any]:
    row = tape.listed.matrix[tape.nearest(_indices(params, tape))]
    return {
        name: values[i] for (name, values), i in zip(tape.listed.choices.items(), row, strict=True)
    }
