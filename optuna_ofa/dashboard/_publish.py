"""Putting a study's results where Optuna Dashboard shows them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from optuna_ofa.dashboard._artifacts import Exports, has_artifacts, put_artifacts, remove_artifacts
from optuna_ofa.dashboard._notes import study_note, trial_note
from optuna_ofa.dashboard._pending import Pending
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts import FrontPoint, Limits, Picks, find_picks
from optuna_ofa.reports import kind_of, study_sections
from optuna_ofa.visualization import KINDS

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore
    from torch import Tensor, nn

    from optuna_ofa.evaluation import Loader
    from optuna_ofa.problem import Kind
    from optuna_ofa.studies import SubnetStudy
    from optuna_ofa.supernet import Supernet

_HEIGHT = 450  # of the place that the dashboard has for a picture, in pixels
_N_ARCHITECTURES = 3  # have room in it
_METRIC_NAMES = "study:metric_names"
_PUBLISHED = "optuna_ofa:published"  # numbers of the trials that have notes or files


class Published(NamedTuple):
    """What was put into the dashboard.

    Args:
        figures: Names of the pictures, which stay the same from one call to the next.
        picks: The subnets in the study's note; None where none is within the limit.
    """

    figures: tuple[str, ...]
    picks: Mapping[str, FrontPoint | None]


def publish(
    study: SubnetStudy,
    *,
    limits: Limits | None = None,
    picks: Mapping[str, FrontPoint] | None = None,
    kind: Kind | None = None,
    artifact_store: ArtifactStore | None = None,
    supernet: Supernet | nn.Module | None = None,
    format: str = "torch_export",
    calibration: Loader | Tensor | None = None,
    into: SubnetStudy | None = None,
) -> Published:
    """Show a study's pictures, a table of its best subnets and their files in Optuna Dashboard.

    See `SubnetStudy.publish`; ``into`` is a copy of the study that has the picks, to be shown
    instead of it.
    """
    if supernet is not None and artifact_store is None:
        raise InvalidArgumentError("`artifact_store` must be given with a `supernet`, but is None.")
    shown = into or study
    pending = Pending(shown)
    kind = kind or kind_of([study])
    found = find_picks(study.front(kind=kind), limits=limits, picks=picks)
    sections = study_sections(
        {study.study_name: (study, found)}, kind=kind, n_architectures=_N_ARCHITECTURES
    )
    for section in sections:
        figure = section.figure.update_layout(height=_HEIGHT)
        pending.set_figure(figure, section.id)
    moment = datetime.datetime.now().astimezone()
    placed = found if into is None else _renumbered(found, into)
    pending.set_note(study_note(study, placed, kind=kind, moment=moment, study_id=shown._study_id))
    exports = None if supernet is None else Exports(supernet, format, calibration)
    _put_trials(pending, shown, placed, artifact_store, exports)
    if pending.get(_METRIC_NAMES) is None:
        pending.set(_METRIC_NAMES, list(study.problem.objectives))
    pending.write()
    return Published(tuple(section.id for section in sections), placed)


def _renumbered(picks: Picks, study: SubnetStudy) -> Picks:
    """Picks with the numbers that their trials have in a copy."""
    numbers = {
        (p.subnet, p.kind): p.trial_number
        for kind in KINDS
        if study.results(kind=kind).feasible.any()
        for p in study.front(kind=kind)
    }
    return {
        name: point and replace(point, trial_number=numbers[point.subnet, point.kind])
        for name, point in picks.items()
    }


def _put_trials(
    pending: Pending,
    study: SubnetStudy,
    picks: Picks,
    store: ArtifactStore | None,
    exports: Exports | None,
) -> None:
    """Notes and files of the picked trials, which others lose that were picked before."""
    names: dict[int, list[str]] = {}
    points: dict[int, FrontPoint] = {}
    for name, point in picks.items():
        if point is not None:
            names.setdefault(point.trial_number, []).append(name)
            points[point.trial_number] = point
    left = []  # until there is a store again
    for number in pending.get(_PUBLISHED, []):
        if number not in points:
            trial_id = _trial_id(study, number)
            pending.set_note("", trial_id=trial_id)
            if store is not None:
                remove_artifacts(pending, trial_id, store)
            elif has_artifacts(pending, trial_id):
                left.append(number)
    for number, point in points.items():
        trial_id = _trial_id(study, number)
        pending.set_note(trial_note(point, names[number]), trial_id=trial_id)
        if store is not None:
            put_artifacts(pending, study, point, trial_id, store, exports)
    pending.set(_PUBLISHED, sorted([*points, *left]))


def _trial_id(study: SubnetStudy, number: int) -> int:
    storage = study._storage
    return int(storage.get_trial_id_from_study_id_trial_number(study._study_id, number))


class PublishEvery:
    """Publishes a study after each few generations: ``study.search(n, callbacks=[...])``.

    A study without a feasible trial is passed over. One worker of several is enough.

    Args:
        n_generations: After how many.
        options: What `SubnetStudy.publish` takes.

    Raises:
        InvalidArgumentError: If ``n_generations`` is below 1.
    """

    def __init__(self, n_generations: int, **options: Any) -> None:
        if n_generations < 1:
            raise InvalidArgumentError(
                f"`n_generations` must be at least 1, but got {n_generations}."
            )
        self._n_generations, self._options = n_generations, options
        self._n_seen = 0

    def __call__(self, study: SubnetStudy) -> None:
        """Called by `SubnetStudy.search` after a generation."""
        self._n_seen += 1
        if self._n_seen % self._n_generations == 0:
            try:
                study.publish(**self._options)
            except EmptyFrontError:
                pass
