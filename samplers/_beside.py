"""Parameters that trials suggest beside their subnets, such as a learning rate.

The sampler of these parameters gets a view of the study in which each trial has nothing but them,
so it searches as it would in a study without subnets.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Any, cast

from optuna.samplers import BaseSampler, TPESampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


class BesideSampler:
    """The sampler of the parameters that are not of a space.

    Args:
        names: The parameters of the space.
        sampler: What samples all others; None is TPE, as in an Optuna study.
        seed: The seed of TPE, of which numpy takes 32 bits.
    """

    def __init__(
        self, names: Container[str], sampler: BaseSampler | None, seed: int | None
    ) -> None:
        self._names = names
        self._sampler = sampler or TPESampler(seed=None if seed is None else seed % 2**32)

    def reseed(self) -> None:
        """Make the random choices of a parallel worker differ from the others'."""
        self._sampler.reseed_rng()

    def search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the parameters that are sampled together, as far as the trials have them."""
        found = self._sampler.infer_relative_search_space(view_of(study, self._names), trial)
        return {name: of for name, of in found.items() if name not in self._names}

    def sample(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a value of each parameter, sampled together if there are enough trials.

        The sampler is called without any parameter too, in which NSGA-II counts its generations.
        """
        view = view_of(study, self._names)
        found = self._sampler.sample_relative(view, trial, dict(search_space))
        return {
            name: found[name] if name in found else self.sample_one(study, trial, name, of)
            for name, of in search_space.items()
        }

    def sample_one(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Return a value of one parameter."""
        view = view_of(study, self._names, only=name)
        own = _without(trial, self._names)
        return self._sampler.sample_independent(view, own, name, distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Prepare the sampler."""
        self._sampler.before_trial(view_of(study, self._names), trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tell the sampler how a trial has ended."""
        self._sampler.after_trial(view_of(study, self._names), trial, state, values)


def view_of(study: Study, names: Container[str], only: str | None = None) -> Study:
    """Return a view of a study without some parameters.

    It lacks the finished trials that have no others, such as those of `SubnetStudy.search`: they
    would count as startup trials, and take the places of good ones where a sampler divides the
    trials into good and bad. A sampler that has exhausted its values does not stop the study, which
    ends with the last subnet.

    Args:
        study: The study.
        names: The parameters.
        only: A parameter that all trials have; None for any.
    """
    return cast("Study", _View(study, names, only))


def _without(trial: FrozenTrial, names: Container[str]) -> FrozenTrial:
    """Return a trial without some parameters."""
    other = copy.copy(trial)
    other.params = {name: value for name, value in trial.params.items() if name not in names}
    other.distributions = {
        name: of for name, of in trial.distributions.items() if name not in names
    }
    return other


class _View:
    def __init__(self, study: Study, names: Container[str], only: str | None) -> None:
        self._study, self._names, self._only = study, names, only

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._study, attribute)

    @property
    def _storage(self) -> _Storage:
        return _Storage(self._study._storage, self._names)

    def stop(self) -> None:
        """Do nothing."""

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = self._study._get_trials(deepcopy=deepcopy, states=states, use_cache=use_cache)
        return _viewed(trials, self._names, self._only)

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._get_trials(deepcopy=deepcopy, states=states)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self._get_trials()


class _Storage:
    """The storage of a view: samplers of grids read their trials from there."""

    def __init__(self, storage: BaseStorage, names: Container[str]) -> None:
        self._inner, self._names = storage, names

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._inner, attribute)

    def get_all_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        return _viewed(self._inner.get_all_trials(*args, **options), self._names, None)


def _viewed(
    trials: Sequence[FrozenTrial], names: Container[str], only: str | None
) -> list[FrozenTrial]:
    """Return the unfinished trials and those that have other parameters, without the named ones."""
    found = []
    for trial in trials:
        has = only in trial.params if only else any(name not in names for name in trial.params)
        if has or not (only or trial.state.is_finished()):
            found.append(_without(trial, names))
    return found
