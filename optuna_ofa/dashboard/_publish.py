"""Publishing the findings of a study in Optuna Dashboard."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from optuna.trial import FrozenTrial

from optuna_ofa._arguments import Positive, checked
from optuna_ofa.dashboard._artifacts import Artifacts, Exports
from optuna_ofa.dashboard._notes import study_note, trial_note
from optuna_ofa.dashboard._pending import Pending
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts import (
    Findings,
    FrontPoint,
    Limits,
    Picks,
    Snapshot,
    find_picks,
    kind_of,
    require_reached,
)
from optuna_ofa.problem import Kind
from optuna_ofa.reports import study_sections
from optuna_ofa.space import no_architecture
from optuna_ofa.storage import Store

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore
    from torch import Tensor, nn

    from optuna_ofa.evaluation import Loader
    from optuna_ofa.supernet import Supernet

_HEIGHT = 450  # of a figure in the dashboard, in pixels
_N_ARCHITECTURES = 3  # fit into that height
_METRIC_NAMES = "study:metric_names"


class Published(NamedTuple):
    """The figures and subnets that were put into the dashboard.

    Args:
        figures: Names of the figures, which are the same in every call.
        picks: The subnets in the study's note; None if no subnet is within a limit.
    """

    figures: tuple[str, ...]
    picks: Mapping[str, FrontPoint | None]


@checked
def publish(
    found: Findings,
    store: Store,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    **files: Any,
) -> Published:
    """Show figures of findings, a table of the best subnets and their files in Optuna Dashboard.

    Args:
        found: The findings of a study.
        store: The trials and attributes of that study.
        limits: As in `SubnetStudy.publish`.
        picks: As there.
        kind: As there.
        **files: The other arguments of `SubnetStudy.publish`, which raises the same errors.
    """
    return _publish(found, store, limits=limits, picks=picks, kind=kind, **files)


def _publish(
    found: Findings,
    store: Store,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    is_final: bool = True,
    **files: Any,
) -> Published:
    """See `publish`; during a search there may be no subnet within a limit yet."""
    require_artifact_store(**files)
    snapshot = found.snapshot()
    kind = kind or kind_of([snapshot])
    if is_final:
        require_reached(limits, [snapshot.front(kind=kind)])
    chosen = find_picks(snapshot.front(kind=kind), limits=limits, picks=picks)
    return put(snapshot, store, chosen, kind=kind, **files)


def require_artifact_store(
    *, artifact_store: ArtifactStore | None = None, supernet: object = None, **others: Any
) -> None:
    """Refuse a supernet without a store for its files, before anything is read or written.

    Raises:
        InvalidArgumentError: If there is a ``supernet`` and no ``artifact_store``.
    """
    if supernet is not None and artifact_store is None:
        raise InvalidArgumentError("`artifact_store` must be given with a `supernet`, but is None.")


def put(
    found: Snapshot,
    store: Store,
    picks: Picks,
    *,
    kind: Kind,
    artifact_store: ArtifactStore | None = None,
    supernet: Supernet | nn.Module | None = None,
    format: str = "torch_export",
    calibration: Loader | Tensor | None = None,
) -> Published:
    """Write findings to the dashboard's attributes of a study that has the picked trials."""
    if supernet is not None and not found.space.has_network:
        raise InvalidArgumentError(no_architecture("supernet", found.space.name))
    pending = Pending(store)
    sections = study_sections(
        {found.study_name: (found, picks)}, kind=kind, n_architectures=_N_ARCHITECTURES
    )
    for section in sections:
        pending.set_figure(section.figure.update_layout(height=_HEIGHT), section.id)
    moment = datetime.datetime.now().astimezone()
    note = study_note(
        found,
        picks,
        kind=kind,
        moment=moment,
        study_id=store.study_id,
        has_bare_trials=store.has_bare_trials(),
    )
    pending.set_note(note)
    exports = None if supernet is None else Exports(supernet, format, calibration)
    _put_trials(pending, picks, Artifacts(pending, artifact_store, exports))
    if pending.attributes.get(_METRIC_NAMES) is None:
        pending.set(_METRIC_NAMES, list(found.problem.objectives))
    pending.write()
    return Published(tuple(section.id for section in sections), picks)


def _put_trials(pending: Pending, picks: Picks, artifacts: Artifacts) -> None:
    """Give picked trials notes and files, and remove those of earlier picks."""
    names: dict[int, list[str]] = {}
    points: dict[int, FrontPoint] = {}
    for name, point in picks.items():
        if point is not None:
            names.setdefault(point.trial_number, []).append(name)
            points[point.trial_number] = point
    left = []  # their files are kept until a store is given again
    for number in pending.published():
        if number not in points:
            trial_id = pending.store.trial_id(number)
            pending.set_note("", trial_id=trial_id)
            if not artifacts.remove(trial_id):
                left.append(number)
    for number, point in points.items():
        trial_id = pending.store.trial_id(number)
        pending.set_note(trial_note(point, names[number]), trial_id=trial_id)
        artifacts.put(point, trial_id)
    pending.set_published([*points, *left])


class _Publishing(Findings, Protocol):
    """A study that can be published, as `SubnetStudy`."""

    @property
    def store(self) -> Store: ...


class PublishEvery:
    """Publishes a study every so many trials: ``study.search(n, callbacks=[...])``.

    It is a callback of `SubnetStudy.search`, `SubnetStudy.optimize` and `Fleet.search`.

    Nothing is published while a study has no feasible trial; limits that no subnet satisfies yet
    are listed as such. With several workers, one of them is enough.

    Args:
        n_trials: Publish after every so many trials, by whichever process; in a search at most
            once a generation.
        options: The arguments of `SubnetStudy.publish`.

    Raises:
        InvalidArgumentError: If ``n_trials`` is below 1.
    """

    @checked
    def __init__(self, n_trials: Positive, **options: Any) -> None:
        self._n_trials, self._options = n_trials, options
        self._due: dict[str, int] = {}  # numbers of the next trials to publish at, by study

    def __call__(self, study: _Publishing, trial: FrozenTrial) -> None:
        """Publish the study if it is due; the search calls this.

        Args:
            study: The study.
            trial: One of its trials, which has finished.
        """
        if trial.number < self._due.setdefault(study.study_name, trial.number + self._n_trials - 1):
            return
        last = max([trial.number, *study.results().numbers.tolist()])
        self._due[study.study_name] = last + self._n_trials
        with contextlib.suppress(EmptyFrontError):
            _publish(study, study.store, is_final=False, **self._options)
