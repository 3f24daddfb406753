"""A copy of a study with few trials, which Optuna Dashboard opens quickly."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, checked, whole
from optuna_ofa.dashboard._publish import put, require_artifact_store
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import (
    Findings,
    FrontPoint,
    Limits,
    Snapshot,
    evenly,
    find_picks,
    kind_of,
    require_reached,
)
from optuna_ofa.problem import VIEW, Kind
from optuna_ofa.storage import Store, open_storage

N_TRIALS = 200


@runtime_checkable
class _Copyable(Findings, Protocol):
    """A study that can be copied, as `SubnetStudy`."""

    @property
    def store(self) -> Store: ...

    def copy(
        self: Study, storage: StorageUrl | BaseStorage | None, numbers: Sequence[int]
    ) -> Study: ...


Study = TypeVar("Study", bound=_Copyable)


@checked
def publish_view(
    study: Study,
    storage: StorageUrl | BaseStorage | None,
    *,
    n_trials: Annotated[int, whole(2)] = N_TRIALS,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    **files: Any,
) -> Study:
    """Publish a large study as a small copy: a few of its trials, and figures of all of them.

    Optuna Dashboard needs some milliseconds per trial, so a study with tens of thousands takes
    minutes to open. The copy has all picks, half of ``n_trials`` spread along the fronts, and the
    rest spread over the other trials, including infeasible ones. If the study has measured trials,
    up to half of the copied ones are measured. Trials get new numbers. The copy is for viewing
    only: continue the search in the study itself.

    Args:
        study: The study.
        storage: The storage of the copy, not that of the study; None keeps it in memory. An
            existing copy is replaced.
        n_trials: Maximum number of trials in the copy, in addition to the picks.
        limits: As in `SubnetStudy.publish`, like ``picks`` and ``kind``.
        picks: As in `SubnetStudy.publish`; trials of a copied kind.
        kind: As there; the copy then has only trials of this kind, so that the dashboard's own
            figures do not mix kinds. None copies both.
        **files: The other arguments of `SubnetStudy.publish`.

    Returns:
        The copy, with the same name.

    Raises:
        InvalidArgumentError: If ``n_trials`` is below 2, no subnet is within a limit, a pick is not
            of a copied kind, or ``storage`` has a study of that name that is not a copy.
        EmptyFrontError, MissingDependencyError, StorageError: As `SubnetStudy.publish`.
    """
    require_artifact_store(**files)
    found = study.snapshot()
    copied: list[Kind] = found.kinds if kind is None else [kind]
    kind = kind or kind_of([found])
    require_reached(limits, [found.front(kind=kind)])
    chosen = find_picks(found.front(kind=kind), limits=limits, picks=picks)
    numbers = np.concatenate([found.results(kind=k).numbers for k in copied])
    wanted = {name: point.trial_number for name, point in chosen.items() if point is not None}
    for name, number in wanted.items():
        if number not in numbers:
            raise InvalidArgumentError(
                f"`picks` must be {' or '.join(copied)} trials of the study, but {name!r} is "
                f"number {number}."
            )
    kept = _kept(found, copied, list(wanted.values()), n_trials)
    target = open_storage(storage)
    _delete_view(target, found.study_name)
    copy = study.copy(target, kept.tolist())
    copy.store.set_attributes({VIEW: found.study_name})
    placed = {
        name: point and replace(point, trial_number=int(np.searchsorted(kept, point.trial_number)))
        for name, point in chosen.items()
    }
    put(found, copy.store, placed, kind=kind, **files)
    return copy


def _kept(
    found: Snapshot, kinds: Sequence[Kind], wanted: Sequence[int], n: int
) -> NDArray[np.int64]:
    """Return the numbers of the trials to copy, ascending, with an equal share of each kind."""
    kept, left = np.array(wanted, dtype=np.int64), n
    for i, kind in enumerate(reversed(kinds)):  # measured ones first; predicted ones fill the rest
        share = left // (len(kinds) - i)
        front, numbers = found.front(kind=kind), found.results(kind=kind).numbers
        along = [front[j].trial_number for j in evenly(len(front), share // 2)]
        mine = np.intersect1d(wanted, numbers)
        part = _chosen(numbers, [*mine, *along], share)
        kept, left = np.union1d(kept, part), left - len(part)
    return kept


def _chosen(numbers: NDArray[np.int64], wanted: Sequence[int], n: int) -> NDArray[np.int64]:
    """Return the wanted numbers and others, up to ``n`` in total, ascending."""
    others = np.setdiff1d(numbers, wanted)
    n_others = max(n - len(np.unique(wanted)), 0)
    return np.union1d(wanted, others[evenly(len(others), n_others)])


def _delete_view(storage: BaseStorage, name: str) -> None:
    """Delete the copy with that name, if there is one."""
    with contextlib.suppress(KeyError):
        study_id = storage.get_study_id_from_name(name)
        if VIEW not in storage.get_study_system_attrs(study_id):
            raise InvalidArgumentError(
                f"`storage` must not have a study {name!r} that is not a copy by `publish_view`; "
                f"use a separate storage for the copy."
            )
        storage.delete_study(study_id)
