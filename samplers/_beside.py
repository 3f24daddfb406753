"""Parameters that trials suggest beside their subnets, such as a learning rate."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Any, cast

from optuna.samplers import BaseSampler, TPESampler

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


def default_independent_sampler(seed: int | None) -> BaseSampler:
    """Return the sampler of parameters that are not of the space: TPE, as in an Optuna study.

    Args:
        seed: Its seed, of which numpy takes 32 bits.
    """
    return TPESampler(seed=None if seed is None else seed % 2**32)


def trials_with(study: Study, name: str) -> Study:
    """Return a view of a study that has only the trials with a parameter.

    Others, such as those of `SubnetStudy.search`, would count as startup trials, and take the
    places of good ones where a sampler divides the trials into good and bad.

    Args:
        study: The study.
        name: The parameter.
    """
    return cast("Study", _TrialsWith(study, name))


class _TrialsWith:
    def __init__(self, study: Study, name: str) -> None:
        self._study, self._name = study, name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._study, attribute)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        trials = self._study._get_trials(deepcopy=deepcopy, states=states, use_cache=use_cache)
        return [trial for trial in trials if self._name in trial.params]

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return self._get_trials(deepcopy=deepcopy, states=states)

    @property
    def trials(self) -> list[FrozenTrial]:
        return self._get_trials()
