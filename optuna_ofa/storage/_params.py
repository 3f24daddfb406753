"""Trials without parameters: of their subnet only the user attribute is stored.

The 46 parameters of a subnet take nine tenths of a trial's bytes, and say nothing that the subnet
does not say. Studies with ``parameters="front"`` write them for those trials alone that extend the
front, and give them back to every other trial when it is read in Python.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa.space import SearchSpace
from optuna_ofa.storage._encoding import decode_trials


def strip(trials: Sequence[FrozenTrial], which: NDArray[np.bool_]) -> None:
    """Remove the parameters of some new trials, in place; their subnets stay."""
    for i in np.flatnonzero(which).tolist():
        trials[i].params, trials[i].distributions = {}, {}


class Restored:
    """The parameters of the trials of a study that were written without them.

    Each trial is restored once; later calls return the same object.

    Args:
        space: The space of the study.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._known: dict[int, FrozenTrial] = {}  # by id
        self._n_seen = 0  # a trial is written with or without parameters, and stays so

    def __call__(self, trials: Sequence[FrozenTrial]) -> Sequence[FrozenTrial]:
        """Return the trials, those without parameters replaced by copies that have them.

        Args:
            trials: All trials of the study. Unfinished ones, and those whose subnet is missing or
                not of the space, are returned as they are.
        """
        new, self._n_seen = trials[self._n_seen :], len(trials)
        self._known |= {trial._trial_id: trial for trial in with_params(self._space, new)}
        if not self._known:
            return trials
        return [self._known.get(trial._trial_id, trial) for trial in trials]


def with_params(space: SearchSpace, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return copies of those trials that were written without parameters, with these.

    Args:
        space: The space of the study.
        trials: Trials; those whose subnet is not of the space are left out.
    """
    bare = [trial for trial in trials if not trial.params and _is_ours(trial)]
    if not bare:
        return []
    matrix, good = decode_trials(space, bare)
    distributions: dict[str, BaseDistribution] = {**space.distributions}
    restored = [copy.copy(bare[i]) for i in np.flatnonzero(good).tolist()]
    for trial, params in zip(restored, space.to_params(matrix[good]), strict=True):
        trial.params, trial.distributions = dict(params), distributions
    return restored


def _is_ours(trial: FrozenTrial) -> bool:
    """Return whether a trial is one that may have been written without parameters."""
    return trial.state == TrialState.COMPLETE and "subnet" in trial.user_attrs
