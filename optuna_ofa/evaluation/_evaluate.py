"""Evaluating subnets of a supernet on images."""

from __future__ import annotations

import contextlib
import functools
import json
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, argument_called, checked
from optuna_ofa._progress import Bar, progress_bar
from optuna_ofa._rules import Instead
from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._accuracies import ACCURACY_METRICS, Accuracies, Partial, standard_error
from optuna_ofa.evaluation._costs import are_costs, costs_of
from optuna_ofa.evaluation._data import EvaluationData
from optuna_ofa.evaluation._groups import Group, divided, first
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader, is_function
from optuna_ofa.evaluation._int8 import INT8, int8_setup
from optuna_ofa.evaluation._known import KnownAnswers
from optuna_ofa.evaluation._order import Part
from optuna_ofa.evaluation._race import Race
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.evaluation._score import Scores
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.evaluation._workers import Scorer
from optuna_ofa.exceptions import FailedMeasurementWarning
from optuna_ofa.executors import AnyExecutor, Executor
from optuna_ofa.measurements import (
    NO_ANSWERS,
    Answers,
    Claims,
    Failures,
    MeasurementTable,
    PartialTable,
    Reading,
    Sharing,
)
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet, not_finite, require_finite

Costs = Annotated[
    NDArray[np.float64] | Sequence[Any],
    Instead("finite numbers, one or several for each subnet", are_costs),
]
# returns those of some claimed subnets that are still to be evaluated
Todo = Callable[[list[Subnet]], list[Subnet]]


@checked
def evaluate(
    supernet: Supernet,
    subnets: Subnet | Iterable[Subnet] | Matrix,
    loader: Loader,
    settings: EvaluationSettings,
    *,
    storage: StorageUrl | BaseStorage | optuna.Study | None = None,
    costs: Costs | None = None,
    again: bool = False,
    progress: bool | None = None,
    executor: AnyExecutor | None = None,
) -> Accuracies:
    """Evaluate top-1 and top-5 accuracy of subnets on the images of a loader.

    Each subnet is extracted, its batch normalisation is recalibrated with calibration images at
    its resolution, and then it is evaluated on the images of the loader. The supernet is not
    modified. Images of another size are resized bilinearly with antialiasing. To resize and crop
    them yourself, pass functions of a resolution that return a loader.

    Args:
        supernet: The supernet.
        subnets: One subnet, several, or an ``(n, n_genes)`` genotype matrix; equal ones are
            evaluated once.
        loader: Batches of images ``(n, channels, size, size)`` in float32, normalised as in
            training, and class indices ``(n,)``, such as a `torch.utils.data.DataLoader`; it is
            read once per eight subnets, and once more to identify the images if there is a
            ``storage``. Or a function of a resolution that returns such a loader.
        settings: The calibration images, the device and so on.
        storage: A relational database: an Optuna storage, its URL, or a study. Accuracies are
            written to it as soon as they are known, and known ones of the same weights, images
            and calibration images are read from it. Calls with the same database, in any
            processes or machines, share the subnets: each is evaluated by one of them, and all
            return the complete result. None stores nothing.
        costs: ``(n,)`` or ``(n, k)`` the other objectives of the subnets, smaller is better, such
            as latencies. With them the subnets race: after 500 and 2,000 images
            (`EvaluationSettings.rungs`), those that are expected to add nothing to the front of
            accuracy and costs stop. They have no accuracy in the result, only an estimate in
            ``partial``. None evaluates all subnets on all images.
        again: Whether to evaluate again the subnets that are already in the database, all of them
            in this call.
        progress: Whether to show a progress bar; None shows it on a terminal only.
        executor: Workers to evaluate on: a process pool that spawns, loky's, Dask's
            (``client.get_executor()``), that of ``mpi4py.futures``, or
            `optuna_ofa.executors.RayExecutor`. It must be able to send the loader to them, best a
            function of a resolution that makes it there. A group of subnets whose worker is lost
            is evaluated again, up to two times, and all results are written by this process. None
            evaluates in this process, or in those of `EvaluationSettings.processes`.

    Returns:
        The accuracies in the order of ``subnets``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, no subnet has finite weights, or the
            loader is empty or gives something that does not fit the family.
        InvalidSubnetError: If a subnet is of another family.
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed, for the precision
            ``"int8"``.
        MeasurementError: If the device fails, workers of the same subnets are lost three times,
            three subnets in a row fail, or several subnets all fail in the same way. What was
            evaluated before is kept in the database.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: Some subnets could not run or gave NaN; the others are still
            evaluated, and the next call retries the failed ones. Or a worker was lost.
        CalibrationWarning: There are fewer than 32 calibration images, or a loader gives
            different images each time it is read.
    """
    data = EvaluationData(loader, supernet.family, type_of(supernet))
    return evaluate_on(
        data,
        supernet,
        subnets,
        settings,
        storage=storage,
        again=again,
        progress=progress,
        costs=costs,
        executor=executor,
    )


def evaluate_on(
    data: EvaluationData,
    supernet: Supernet,
    subnets: Subnet | Iterable[Subnet] | Matrix,
    settings: EvaluationSettings,
    *,
    storage: str | BaseStorage | optuna.Study | None,
    again: bool = False,
    progress: bool | None,
    costs: Costs | None = None,
    memory: dict[str, KnownAnswers] | None = None,
    rivals: Mapping[Subnet, Sequence[float]] | None = None,
    executor: Executor | None = None,
) -> Accuracies:
    """Do what `evaluate` does, with images whose identity may already be known.

    Args:
        data: The images.
        supernet: As in `evaluate`, like all further arguments.
        subnets: The subnets.
        settings: The settings.
        storage: The database.
        again: Whether to evaluate again.
        progress: Whether to show a progress bar.
        costs: The costs.
        memory: Answers of earlier races by setup, which are extended.
        rivals: Costs of other subnets, which compete if their answers are known, and are not
            evaluated.
        executor: The executor.
    """
    space, asked = _asked(supernet.family, subnets)
    paid = None if costs is None else costs_of(costs, len(asked))
    _require_finite(supernet, asked)
    calibration = settings.images_of(supernet.family)
    scorer = Scorer(supernet, data.loader, calibration, settings, executor)
    look = storage is not None or costs is not None
    setup = _setup(supernet, data, settings, look=look)
    table = None if storage is None else MeasurementTable(storage, supernet.family, setup)
    answers = _answers(storage, supernet.family, setup, memory) if look else None
    different = list(dict.fromkeys(asked))
    known: dict[Subnet, Mapping[str, Reading]] = {}
    if answers is not None and again:
        answers.forget(different)
    elif answers is not None:
        known = {} if table is None else _stored(table, asked)
        answers.read(different)
    missing = [s for s in different if s not in known]
    begun = [] if answers is None else [s for s in missing if len(answers.of(s))]
    if paid is not None and answers is not None:  # all whose answers can be compared
        begun = [s for s in different if s not in known or len(answers.of(s))]
    bar = progress_bar("evaluating", progress, unit="subnet", total=len(missing))
    with scorer, bar as bar, contextlib.ExitStack() as stack:
        claims = None
        if table is not None and missing and not again:
            claims = stack.enter_context(table.claims(worker=settings.worker))
        work = _Work(scorer, data, settings, table, len(missing), claims, bar)
        race = None
        if answers is not None and begun:
            rungs = () if paid is None else settings.rungs
            race = Race(
                work.parts,
                answers,
                data.identity["n_images"],
                rungs=rungs,
                tolerance=settings.tolerance / 100,
                finished=bar.update,
                sharing=work.sharing,
                claims=claims,
                failed=work.failed_elsewhere,
            )
            race.run(*_entrants(begun, asked, paid, answers, rivals or {}))
            ended = {s: work.readings(s, answers.of(s)) for s in begun if answers.is_complete(s)}
            work.write_once({s: of for s, of in ended.items() if s not in known})
            known |= {**ended, **{s: work.failed(s, why) for s, why in race.failures.items()}}
        for left in work.rounds([s for s in missing if s not in begun], known):
            for found in work.whole(left):
                known |= found
                bar.update(len(found))
        work.end()
    stopped = {} if race is None else race.partial
    known |= {s: work.stopped(s, of.n_images) for s, of in stopped.items() if s not in known}
    return _collect(space, asked, [known[s] for s in asked], setup, stopped)


def _require_finite(supernet: Supernet, asked: Iterable[Subnet]) -> None:
    """Refuse non-finite weights, unless some subnet does not use them."""
    weights = dict(supernet.named_parameters())
    if not_finite(weights) is None:
        return
    plain = (dict(supernet.extract(subnet).named_parameters()) for subnet in dict.fromkeys(asked))
    if all(not_finite(weights) is not None for weights in plain):
        require_finite(supernet, "supernet")


def _entrants(
    begun: Sequence[Subnet],
    asked: Sequence[Subnet],
    costs: NDArray[np.float64] | None,
    answers: KnownAnswers,
    rivals: Mapping[Subnet, Sequence[float]],
) -> tuple[list[Subnet], NDArray[np.float64]]:
    """Return the subnets of a race with their costs; with rivals that have seen all images."""
    if costs is None:
        return list(begun), np.zeros((len(begun), 0))
    answers.read(rivals)
    others = [s for s in rivals if answers.is_complete(s) and s not in begun]
    theirs = np.array([rivals[s] for s in others]).reshape(len(others), costs.shape[1])
    own = costs[[asked.index(subnet) for subnet in begun]]
    return [*begun, *others], np.concatenate([own, theirs])


def _stored(
    table: MeasurementTable, subnets: Sequence[Subnet]
) -> dict[Subnet, Mapping[str, Reading]]:
    """Return the newest readings of both metrics of those subnets that have them."""
    return _by_metric(table.read(subnets))


def _by_metric(readings: Mapping[Subnet, Sequence[Reading]]) -> dict[Subnet, Mapping[str, Reading]]:
    """Return the newest readings of both metrics of those subnets that have them."""
    found = {s: {r.metric: r for r in of} for s, of in readings.items()}
    return {s: of for s, of in found.items() if set(ACCURACY_METRICS) <= set(of)}


def _answers(
    storage: str | BaseStorage | optuna.Study | None,
    family: Family,
    setup: Mapping[str, Any],
    memory: dict[str, KnownAnswers] | None,
) -> KnownAnswers:
    table = None if storage is None else PartialTable(storage, family, setup)
    found = KnownAnswers(setup["data"]["n_images"], table)
    return found if memory is None else memory.setdefault(json.dumps(setup), found)


class _Place(NamedTuple):
    """Where a subnet was evaluated: the type of the device, and the name of the machine."""

    device: str
    host: str


class _Work:
    """Evaluates subnets and writes what is complete.

    Args:
        scorer: Evaluates them.
        data: The images.
        settings: The settings.
        table: Where accuracies are written; None for nowhere.
        n: Number of subnets.
        claims: The subnets that this call evaluates, while others evaluate the rest; None shares
            with nobody.
        bar: Shows the progress.
    """

    def __init__(
        self,
        scorer: Scorer,
        data: EvaluationData,
        settings: EvaluationSettings,
        table: MeasurementTable | None,
        n: int,
        claims: Claims | None,
        bar: Bar,
    ) -> None:
        self._scorer, self._data, self._settings, self._table = scorer, data, settings, table
        self._claims, self._bar = claims, bar
        self._last_row = 0 if table is None or claims is None else table.last_row()
        self.sharing = Sharing(claims, self._settle, bar.set_postfix_str)
        self.failures = Failures(n)
        self._settled: set[Subnet] = set()
        self._places: dict[Subnet, _Place] = {}

    def rounds(
        self, subnets: Sequence[Subnet], known: dict[Subnet, Mapping[str, Reading]]
    ) -> Iterator[list[Subnet]]:
        """Yield the subnets that are not known, until all are; see `Sharing.rounds`."""

        def look(waiting: list[Subnet]) -> None:
            found = self.elsewhere(waiting)
            known.update(found)
            self._bar.update(len(found))

        return self.sharing.rounds(lambda: [s for s in subnets if s not in known], look)

    def elsewhere(self, subnets: Sequence[Subnet]) -> dict[Subnet, Mapping[str, Reading]]:
        """Return the accuracies, and the failures since this call began, that others wrote."""
        if self._table is None or not subnets:
            return {}
        failures = self._table.failures(subnets, self._last_row)
        return {**_by_metric(failures), **_stored(self._table, subnets)}

    def failed_elsewhere(self, subnets: Sequence[Subnet]) -> dict[Subnet, str]:
        """Return why subnets failed that others evaluated since this call began."""
        if self._table is None or self._claims is None or not subnets:
            return {}
        failures = self._table.failures(subnets, self._last_row)
        return {s: of[-1].error or "" for s, of in failures.items()}

    def _new(self, claimed: list[Subnet]) -> list[Subnet]:
        """Return those of the claimed subnets that nobody has evaluated meanwhile."""
        found = self.elsewhere(claimed)
        return [subnet for subnet in claimed if subnet not in found]

    def parts(
        self, subnets: Sequence[Subnet], places: NDArray[np.int64], todo: Todo | None = None
    ) -> Iterator[tuple[Sequence[Subnet], Scores]]:
        """Yield groups of subnets with their answers on the images at some places."""
        part = self._data.order.part(places)
        for group, scores in self._scored(subnets, part, todo):
            yield group.subnets, scores

    def whole(self, subnets: Sequence[Subnet]) -> Iterator[dict[Subnet, Mapping[str, Reading]]]:
        """Yield readings of groups of subnets on all images, which are written."""
        for group, scores in self._scored(subnets, None, self._new):
            self._data.note(group.resolution, scores.checksum)
            found: dict[Subnet, Mapping[str, Reading]] = {
                subnet: self.failed(subnet, scores.errors[i])
                if i in scores.errors
                else self.readings(subnet, NO_ANSWERS.followed_by(scores.right[i]))
                for i, subnet in enumerate(group.subnets)
            }
            yield found

    def _scored(
        self, subnets: Sequence[Subnet], part: Part | None, todo: Todo | None
    ) -> Iterator[tuple[Group, Scores]]:
        take = first if todo is None else functools.partial(self.sharing.take, todo=todo)
        groups = divided(subnets, self._scorer.n_workers, take)
        for group, scores in self._scorer.score(Group(of, part) for of in groups):
            new = [s for s in group.subnets if s not in self._places]
            self._places.update(dict.fromkeys(group.subnets, _Place(scores.device, scores.host)))
            reasons = {s: scores.errors.get(i) for i, s in enumerate(group.subnets)}
            if part is None:  # kept even if the next line raises
                self.write(
                    {
                        s: self.readings(s, NO_ANSWERS.followed_by(scores.right[i]))
                        for i, s in enumerate(group.subnets)
                        if reasons[s] is None
                    }
                )
            self.failures.add((s, why) for s, why in reasons.items() if why is not None or s in new)
            yield group, scores

    def readings(self, subnet: Subnet, answers: Answers) -> dict[str, Reading]:
        """Return readings of a subnet from its answers on all images."""
        n = len(answers)
        found = {}
        n_right = (int(answers.right.sum()), answers.n_top5)
        for metric, right in zip(ACCURACY_METRICS, n_right, strict=True):
            percent = 100 * right / n
            std = float(standard_error(percent, n))
            found[metric] = Reading(metric, percent, std, n, self._details(subnet))
        return found

    def failed(self, subnet: Subnet, reason: str) -> dict[str, Reading]:
        """Return readings of a subnet that failed."""
        return {
            m: Reading(m, None, None, 0, self._details(subnet), reason) for m in ACCURACY_METRICS
        }

    def stopped(self, subnet: Subnet, n: int) -> dict[str, Reading]:
        """Return readings of a subnet that stopped early: none, on so many images."""
        return {m: Reading(m, None, None, n, self._details(subnet)) for m in ACCURACY_METRICS}

    def _details(self, subnet: Subnet) -> dict[str, str]:
        """The device and the worker that had a subnet last, and the user's label for the images."""
        place = self._places.get(subnet, _Place("unknown", platform.node() or "unknown"))
        worker = self._settings.worker or place.host
        label = {} if self._settings.data is None else {"data": self._settings.data}
        return {"device": place.device, "torch": str(torch.__version__), "worker": worker, **label}

    def write(self, found: Mapping[Subnet, Mapping[str, Reading]]) -> None:
        """Write readings to the database, if there is one, and release the claims."""
        readings = [(s, reading) for s, of in found.items() for reading in of.values()]
        if self._table is not None and self._claims is not None:
            self._table.add_claimed(readings, self._claims)
        elif self._table is not None:
            self._table.add(readings)

    def write_once(self, found: Mapping[Subnet, Mapping[str, Reading]]) -> None:
        """Write accuracies of subnets that this call has not claimed, unless others do."""
        left = dict(found)

        def look(waiting: list[Subnet]) -> None:
            if self._table is not None:
                for subnet in _stored(self._table, waiting):
                    del left[subnet]

        for subnets in self.sharing.rounds(lambda: list(left), look):
            ours, _ = self.sharing.take(subnets, len(subnets))
            self.write({subnet: left.pop(subnet) for subnet in ours})

    def end(self) -> None:
        """End the call, and write its failures.

        Raises:
            MeasurementError: As `Failures.finish`.
        """
        self.failures.finish()
        self._settle()

    def _settle(self) -> None:
        """Write the failures, which others may be waiting for, unless the device may be at fault.

        In that case they are tried by others too, who can claim them then.
        """
        reasons = self.failures.reasons
        new = {s: self.failed(s, why) for s, why in reasons.items() if s not in self._settled}
        if self.failures.are_all or not new:
            return
        if self._claims is not None:
            self._claims.take(new)
        self.write(new)
        self._settled.update(new)


def _asked(
    family: Family, subnets: Subnet | Iterable[Subnet] | Matrix
) -> tuple[SearchSpace, list[Subnet]]:
    """Return a space that the subnets belong to, of any resolutions, and the subnets."""
    if isinstance(subnets, np.ndarray):
        resolutions = subnets[:, 0].tolist() if subnets.ndim == 2 else []
        space = SearchSpace(family, resolution={*family.resolutions, *resolutions})
        with argument_called("subnets", "matrix"):
            return space, space.from_matrix(subnets)
    listed = [subnets] if isinstance(subnets, Subnet) else list(subnets)
    space = SearchSpace(family, resolution={*family.resolutions, *(s.resolution for s in listed)})
    return space, space.from_matrix(space.to_matrix(listed))


def _setup(
    supernet: Supernet, data: EvaluationData, settings: EvaluationSettings, *, look: bool
) -> dict[str, Any]:
    """Return everything an accuracy depends on except the subnet; ``look``: hash the images."""
    precision = settings.precision_of(supernet)
    torch_computes = {"runtime": "torch", "precision": precision}
    computed = int8_setup() if precision == INT8 else torch_computes  # before the images are read
    return {
        "family": supernet.family.fingerprint,
        "weights": weights_hash(supernet),
        "data": data.identity if look else None,
        "calibration": settings.images_of(supernet.family).setup,
        "resize": "loader" if is_function(data.loader) else "bilinear",
        **computed,
    }


def _collect(
    space: SearchSpace,
    asked: Sequence[Subnet],
    readings: Sequence[Mapping[str, Reading]],
    setup: Mapping[str, Any],
    partial: Mapping[Subnet, Partial],
) -> Accuracies:
    top1, top5 = ([of[metric] for of in readings] for metric in ACCURACY_METRICS)
    failures = {i: reading.error for i, reading in enumerate(top1) if reading.error is not None}
    if failures:
        i, reason = next(iter(failures.items()))
        warn(
            f"{len(failures)} of {len(asked)} subnets could not be evaluated, the first of them "
            f"{asked[i]}: {reason}. The next call retries them.",
            FailedMeasurementWarning,
        )
    return Accuracies(
        space=space,
        matrix=space.to_matrix(asked),
        top1=np.array([reading.value for reading in top1], dtype=float),  # None becomes NaN
        top5=np.array([reading.value for reading in top5], dtype=float),
        n_images=np.array([reading.n for reading in top1], dtype=float),
        setup=setup,
        failures=failures,
        partial={i: partial[s] for i, s in enumerate(asked) if s in partial},
    )
