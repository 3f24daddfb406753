"""A copy of a study with few trials, which Optuna Dashboard opens at once."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa.dashboard._publish import publish
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Batch, FrontPoint, Limits, Results, find_picks
from optuna_ofa.reports import kind_of
from optuna_ofa.samplers import NSGAIISampler
from optuna_ofa.storage import make_study, open_shared, storage_errors
from optuna_ofa.studies import SubnetStudy
from optuna_ofa.visualization import spread_out

if TYPE_CHECKING:
    from optuna_ofa.problem import Kind

N_TRIALS = 200
_VIEW = "optuna_ofa:view_of"  # attribute of a copy: which study it shows


def publish_view(
    study: SubnetStudy,
    storage: str | BaseStorage | None,
    *,
    n_trials: int = N_TRIALS,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    **options: Any,
) -> SubnetStudy:
    """Publish a large study as a small one: a few of its trials, and pictures of all of them.

    Optuna Dashboard needs some milliseconds for each trial, so a study of tens of thousands takes
    minutes to open. The copy has all picks, half of ``n_trials`` spread along the front, and
    others spread over the rest, infeasible ones among them. Their numbers are new; all are of one
    kind, predicted or measured. It is for looking only: search on in the study itself.

    Args:
        study: The study.
        storage: Where the copy goes, another storage than the study's; None keeps it in memory.
            A copy that is there is replaced.
        n_trials: How many trials it has at most, beside the picks.
        limits: As in `SubnetStudy.publish`, like ``picks`` and ``kind``.
        picks: As in `SubnetStudy.publish`.
        kind: Also which trials are copied.
        **options: What else `SubnetStudy.publish` takes.

    Returns:
        The copy, of the same name.

    Raises:
        InvalidArgumentError: If ``n_trials`` is below 2, or ``storage`` has a study of that name
            that is no copy.
        EmptyFrontError, MissingDependencyError, StorageError: As `SubnetStudy.publish`.
    """
    if n_trials < 2:
        raise InvalidArgumentError(f"`n_trials` must be at least 2, but got {n_trials}.")
    kind = kind or kind_of([study])
    front = study.front(kind=kind)
    found = find_picks(front, limits=limits, picks=picks)
    wanted = [p.trial_number for p in found.values() if p is not None]
    wanted += [front[i].trial_number for i in spread_out(len(front), n_trials // 2)]
    chosen = _chosen(study.results(kind=kind), wanted, n_trials)
    store = open_shared(storage)
    with storage_errors(storage):
        _replace(store, study.study_name)
        copy = _copy(study, store)
        _add(study, copy, chosen)
    publish(study, limits=limits, picks=picks, kind=kind, into=copy, **options)
    return copy


def _chosen(results: Results, wanted: list[int], n: int) -> Results:
    """Trials with these numbers, and others up to ``n``, in the order of their numbers."""
    results = results.select(np.argsort(results.numbers, kind="stable"))
    is_wanted = np.isin(results.numbers, wanted)
    others = np.flatnonzero(~is_wanted)
    some = others[spread_out(len(others), max(n - int(is_wanted.sum()), 0))]
    which: NDArray[np.intp] = np.union1d(np.flatnonzero(is_wanted), some)
    return results.select(which)


def _replace(store: BaseStorage, name: str) -> None:
    """Delete a copy of that name, if there is one."""
    with contextlib.suppress(KeyError):
        study_id = store.get_study_id_from_name(name)
        if _VIEW not in store.get_study_system_attrs(study_id):
            raise InvalidArgumentError(
                f"`storage` must have no study {name!r} but a copy that `publish_view` made; give "
                f"the copy a storage of its own."
            )
        store.delete_study(study_id)


def _copy(study: SubnetStudy, store: BaseStorage) -> SubnetStudy:
    name = make_study(store, study.study_name, study.problem).study_name
    sampler = NSGAIISampler(study.space)
    copy = SubnetStudy(
        study_name=name,
        storage=store,
        sampler=sampler,
        problem=study.problem,
        evolution=sampler.evolution,
    )
    store.set_study_system_attr(copy._study_id, _VIEW, study.study_name)
    return copy


def _add(study: SubnetStudy, copy: SubnetStudy, chosen: Results) -> None:
    if not chosen.measured.any():  # as they were predicted, and many at once
        now = datetime.datetime.now()
        batch = Batch(chosen.matrix, chosen.values, chosen.constraints, now, now)
        copy._archive.add(copy._store.write(batch).own)
        return
    storage, study_id = study._storage, study._study_id
    for number in chosen.numbers.tolist():
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id, number)
        optuna.Study.add_trial(copy, storage.get_trial(trial_id))
