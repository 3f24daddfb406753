"""Single trials of a study, as started by Optuna's `ask` and `enqueue_trial`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from optuna_ofa.exceptions import InvalidSubnetError, SearchSpaceExhaustedError
from optuna_ofa.samplers import NothingLeftError, SubnetSampler
from optuna_ofa.space import Matrix, SearchSpace, absent
from optuna_ofa.storage import Store


def require_left(study: optuna.Study, space: SearchSpace) -> None:
    """Refuse a new trial if the sampler has no subnet left.

    Raises:
        SearchSpaceExhaustedError: If all have been evaluated or are being evaluated.
    """
    sampler = study.sampler
    if isinstance(sampler, SubnetSampler) and sampler.is_exhausted(study):
        raise NothingLeftError(
            f"All {space.n_subnets} subnets of {space} have been evaluated or are being evaluated."
        )


def choose_subnet(study: optuna.Study, trial: optuna.Trial) -> None:
    """Let the sampler choose the subnet of a new trial now, not when the first gene is needed.

    Raises:
        SearchSpaceExhaustedError: If others have taken the last one since; the trial is pruned.
    """
    sampler = study.sampler
    frozen = study._storage.get_trial(trial._trial_id)
    if not isinstance(sampler, SubnetSampler) or sampler.genotype(frozen) is not None:
        return
    try:
        trial.relative_params  # noqa: B018, Optuna calls the sampler here
    except SearchSpaceExhaustedError:
        optuna.Study.tell(study, trial, state=TrialState.PRUNED)
        raise


def is_queued(space: SearchSpace, store: Store, params: Mapping[str, Any]) -> bool:
    """Return whether a trial with an equivalent subnet is waiting."""
    row = _row(space, params)
    return row is not None and not absent(row, store.unfinished().waiting)[0]


def has_subnet(
    space: SearchSpace, store: Store, evaluated: Matrix, params: Mapping[str, Any]
) -> bool:
    """Return whether there is any trial with an equivalent subnet.

    Args:
        space: The space.
        store: The trials.
        evaluated: ``(n, n_genes)`` the subnets of complete trials.
        params: The parameters.
    """
    row = _row(space, params)
    if row is None:
        return False
    unfinished = store.unfinished()
    known = np.concatenate([evaluated, unfinished.matrix, unfinished.waiting])
    return not absent(row, known)[0]


def _row(space: SearchSpace, params: Mapping[str, Any]) -> Matrix | None:
    """Return the canonical row of parameters; None if they do not define one subnet."""
    if not isinstance(params, Mapping):  # Optuna refuses it
        return None
    try:
        return space.from_params([params])
    except InvalidSubnetError:
        return None
