"""The findings of studies: the values from which every view of a study is made."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._front import Front
from optuna_ofa.fronts._generation import Generation
from optuna_ofa.fronts._pareto import cost_metric, nondominated
from optuna_ofa.fronts._point import FrontPoint, values_in_words
from optuna_ofa.problem import (
    MEASURED,
    MEASURED_BY,
    MEASURED_IMAGES,
    PREDICTED,
    Evaluated,
    Kind,
    Problem,
    numbers_by_name,
)
from optuna_ofa.space import SearchSpace

_MADE_UP = "no-name-"  # the beginning of names that Optuna makes up
KINDS: tuple[Kind, Kind] = (PREDICTED, MEASURED)
Seconds = NDArray[np.float64]
ReadNotes = Callable[[Sequence[int]], list[dict[str, Any]]]


def of_kind(evaluated: Evaluated, kind: Kind | None) -> Evaluated:
    """Return the subnets of one kind.

    Args:
        evaluated: Subnets of both kinds.
        kind: The kind; None means measured if a measured subnet is feasible, else predicted if any
            is, so measurements are preferred wherever they form a front.

    Raises:
        InvalidArgumentError: If ``kind`` is unknown.
    """
    if kind not in (None, *KINDS):
        raise InvalidArgumentError(f"`kind` must be 'predicted' or 'measured', but got {kind!r}.")
    measured = evaluated.measured
    if kind is None:
        kind = MEASURED if measured.all() or evaluated.feasible[measured].any() else PREDICTED
    return evaluated.select(measured == (kind == MEASURED))


def find_front(
    problem: Problem, evaluated: Evaluated, kind: Kind | None, notes: ReadNotes
) -> Front:
    """Return the front: the feasible subnets that no other one dominates, each once.

    Args:
        problem: The problem.
        evaluated: Subnets of one kind.
        kind: That kind if it was requested explicitly, for the error message.
        notes: Returns the user attributes of trials, given their numbers.

    Raises:
        EmptyFrontError: If none is feasible; names the one that violates least.
    """
    if not evaluated.feasible.any():
        raise _empty(problem, evaluated, kind)
    best = evaluated.select(evaluated.feasible)
    best = best.select(nondominated(best.values * problem.signs))
    best = best.select(np.unique(best.matrix, axis=0, return_index=True)[1])
    names = problem.objectives
    metrics = problem.objective_metrics
    by = cost_metric(metrics) or names[0]
    costs = best.values[:, names.index(by)] * metrics[by].sign
    best = best.select(np.argsort(costs, kind="stable"))
    return Front(_points(problem, best, notes), list(metrics.values()))


def _points(problem: Problem, evaluated: Evaluated, notes: ReadNotes) -> list[FrontPoint]:
    names = problem.objectives
    is_predicted = not evaluated.measured.all()  # all are of one kind
    if is_predicted:
        stds = {m: std for m, std in problem.predict_std(evaluated.matrix).items() if m in names}
        caution = {m: k for m, k in problem.caution.items() if m in names}
        facts: dict[str, Mapping[str, Any]] = {m: problem.facts(m) for m in names}
        origins = [facts] * len(evaluated.matrix)
        extrapolated = problem.extrapolated(evaluated.matrix)
        images: list[dict[str, int]] = [{}] * len(evaluated.matrix)
    else:
        stds, caution = dict(zip(names, evaluated.std.T, strict=True)), {}
        found = notes(evaluated.numbers.tolist())
        origins, images = [_measured_by(note) for note in found], [_images(n, names) for n in found]
        extrapolated = [()] * len(evaluated.matrix)
    limited = {
        m: problem.from_excess(m, evaluated.excess[:, j])
        for j, m in enumerate(problem.constraints)
        if m not in names
    }
    return [
        FrontPoint(
            subnet=subnet,
            values=dict(zip(names, evaluated.values[i].tolist(), strict=True)),
            std={m: float(s[i]) for m, s in stds.items() if np.isfinite(s[i])},
            kind=PREDICTED if is_predicted else MEASURED,
            trial_number=int(evaluated.numbers[i]),
            caution=caution,
            origin=origins[i],
            metrics=problem.metrics,
            extrapolated=extrapolated[i],
            n_images=images[i],
            limited={
                m: float(values[i])
                for m, values in limited.items()
                if not is_predicted and m in origins[i] and np.isfinite(values[i])
            },
        )
        for i, subnet in enumerate(problem.space.from_matrix(evaluated.matrix))
    ]


def _measured_by(note: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the setups of a measured trial by metric, as far as they are known."""
    given = note.get(MEASURED_BY)
    known = given.items() if isinstance(given, Mapping) else ()
    return {metric: setup for metric, setup in known if isinstance(setup, Mapping)}


def _images(note: Mapping[str, Any], objectives: Sequence[str]) -> dict[str, int]:
    """Return the number of images of each objective of a measured trial, where it is known."""
    known = numbers_by_name(note.get(MEASURED_IMAGES))
    return {m: int(known[m]) for m in objectives if known.get(m, 0) >= 1}


def _empty(problem: Problem, evaluated: Evaluated, kind: Kind | None) -> EmptyFrontError:
    if len(evaluated.numbers) == 0:
        missing = f"{kind} trial" if kind else "finished trial yet; call `search` first"
        return EmptyFrontError(f"The study has no {missing}.")
    n, finite = len(evaluated.numbers), evaluated.select(evaluated.finite)
    if len(finite.numbers) == 0:
        return EmptyFrontError(f"None of {n} trials has finite values.")
    i = int(problem.violations(finite).argmin())
    nearest = dict(zip(problem.objectives, finite.values[i].tolist(), strict=True))
    limits = [str(problem.constraints)] if problem.constraints else []
    if (finite.others > 0).any():
        limits.append("the constraints that trials have set themselves")
    return EmptyFrontError(
        f"None of {n} trials satisfies {' and '.join(limits)}; the one that violates them least, "
        f"trial {finite.numbers[i]}, has {values_in_words(nearest, {}, problem.metrics)}."
    )


@runtime_checkable
class Findings(Protocol):
    """The findings of one study: a `SubnetStudy`, or a `Snapshot` of one.

    Views read findings and nothing else. A view that needs more than one of them takes a `snapshot`
    first, so that the trials are read once and stay consistent.
    """

    @property
    def study_name(self) -> str:
        """The name of the study."""

    @property
    def problem(self) -> Problem:
        """The problem that was searched."""

    @property
    def space(self) -> SearchSpace:
        """The search space."""

    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind; see `SubnetStudy.results`."""

    def front(self, *, kind: Kind | None = None) -> Front:
        """Return the Pareto front of a kind; see `SubnetStudy.front`."""

    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole."""

    def seconds(self, numbers: Sequence[int]) -> Seconds:
        """Return when trials finished, ``(n,)`` seconds since the first of them was started."""

    def notes(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the user attributes of trials, in the order of their numbers."""

    def snapshot(self) -> Snapshot:
        """Return the current findings, which no longer change."""


class Snapshot:
    """The findings of a study at one moment.

    Args:
        study_name: The name of the study.
        problem: The problem that was searched.
        seeds: The seeds that were given to the study, by all processes that searched it.
        evaluated: All finished trials, of both kinds.
        generations: The summaries of generations that were not kept whole.
        seconds: Returns when trials finished, given their numbers.
        notes: Returns the user attributes of trials, given their numbers.
        finished: Returns when the last trial finished, None where there is none.
    """

    def __init__(
        self,
        *,
        study_name: str,
        problem: Problem,
        seeds: Sequence[int],
        evaluated: Evaluated,
        generations: Sequence[Generation],
        seconds: Callable[[Sequence[int]], Seconds],
        notes: ReadNotes,
        finished: Callable[[], datetime.datetime | None],
    ) -> None:
        self.study_name: str = study_name
        self.problem: Problem = problem
        self.seeds: tuple[int, ...] = tuple(seeds)
        self._evaluated, self._generations = evaluated, list(generations)
        self._read_seconds = seconds
        self.notes: ReadNotes = notes
        self._read_finished = finished
        self._results: dict[Kind, Evaluated] = {}
        self._fronts: dict[Kind, Front] = {}
        self._seconds: dict[tuple[int, ...], Seconds] = {}

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self.problem.space

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of which there is a feasible trial."""
        return [kind for kind in KINDS if self.results(kind=kind).feasible.any()]

    @functools.cached_property
    def finished(self) -> datetime.datetime | None:
        """When the last trial finished, in the local time of the process that ran it."""
        return self._read_finished()

    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind; see `SubnetStudy.results`."""
        if kind not in KINDS:
            return of_kind(self._evaluated, kind)
        if kind not in self._results:
            self._results[kind] = of_kind(self._evaluated, kind)
        return self._results[kind]

    def front(self, *, kind: Kind | None = None) -> Front:
        """Return the Pareto front of a kind; see `SubnetStudy.front`."""
        if kind not in KINDS:
            return find_front(self.problem, self.results(kind=kind), kind, self.notes)
        if kind not in self._fronts:
            self._fronts[kind] = find_front(self.problem, self.results(kind=kind), kind, self.notes)
        return self._fronts[kind]

    def generations(self) -> list[Generation]:
        """Return the summaries of generations that were not kept whole."""
        return list(self._generations)

    def seconds(self, numbers: Sequence[int]) -> Seconds:
        """Return when trials finished, ``(n,)`` seconds since the first of them was started."""
        key = tuple(numbers)
        if key not in self._seconds:
            self._seconds[key] = self._read_seconds(numbers)
        return self._seconds[key]

    def snapshot(self) -> Snapshot:
        """Return itself."""
        return self


def is_unnamed(study: Findings) -> bool:
    """Return whether a study has no name but the one that Optuna makes up."""
    return study.study_name.startswith(_MADE_UP)


def shown_name(study: Findings) -> str:
    """Return the name of a study for titles: of one without a name that of its family.

    The study of a device in a fleet without a name is called ``ofa_mbv3_w1.0/phone``.
    """
    if not is_unnamed(study):
        return study.study_name
    device = study.study_name.partition("/")[2]
    return "/".join(filter(None, (study.space.name, device)))


def same_objectives(name: str, objectives: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the objectives that all share, in the order of the first.

    Args:
        name: The argument, for the message.
        objectives: Names of the objectives of each.

    Raises:
        InvalidArgumentError: If there is none, or they differ.
    """
    if not objectives:
        raise InvalidArgumentError(f"`{name}` must have at least one entry, but got none.")
    first, *others = objectives
    for other in others:
        if set(objectives[other]) != set(objectives[first]):
            raise InvalidArgumentError(
                f"`{name}` must have the same objectives, but {first!r} has "
                f"{', '.join(objectives[first])} and {other!r} {', '.join(objectives[other])}."
            )
    return objectives[first]


def named_findings(
    studies: Findings | Mapping[str, Findings], kind: Kind | None
) -> tuple[dict[str, Snapshot], tuple[str, ...]]:
    """Return snapshots of studies by name, and their objectives in the order of the first.

    Raises:
        EmptyFrontError: If one has no feasible trial.
        InvalidArgumentError: If the objectives differ.
    """
    by_name = dict(studies) if isinstance(studies, Mapping) else {shown_name(studies): studies}
    all_objectives = {name: found.problem.objectives for name, found in by_name.items()}
    objectives = same_objectives("studies", all_objectives)
    snapshots = {name: found.snapshot() for name, found in by_name.items()}
    for name, found in snapshots.items():
        if not found.results(kind=kind).feasible.any():
            raise EmptyFrontError(f"The study {name!r} has no feasible trial.")
    return snapshots, objectives


def kind_of(snapshots: Sequence[Snapshot]) -> Kind:
    """Return ``"measured"`` where all have a feasible measurement, else ``"predicted"``."""
    return MEASURED if all(MEASURED in found.kinds for found in snapshots) else PREDICTED
