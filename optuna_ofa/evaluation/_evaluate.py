"""Evaluating subnets of a supernet on images."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, argument_called, checked
from optuna_ofa._progress import progress_bar
from optuna_ofa._rules import Instead
from optuna_ofa._terminations import terminations_raised
from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._accuracies import ACCURACY_METRICS, Accuracies, Partial
from optuna_ofa.evaluation._costs import are_costs, costs_of
from optuna_ofa.evaluation._data import EvaluationData
from optuna_ofa.evaluation._exported import exported_setup
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader, is_function
from optuna_ofa.evaluation._known import KnownAnswers
from optuna_ofa.evaluation._race import Race
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.evaluation._work import Work, stored
from optuna_ofa.evaluation._workers import Scorer
from optuna_ofa.exceptions import FailedMeasurementWarning
from optuna_ofa.executors import AnyExecutor, Executor
from optuna_ofa.measurements import Database, MeasurementTable, PartialTable, Reading
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet, not_finite, require_finite

Costs = Annotated[
    NDArray[np.float64] | Sequence[Any],
    Instead("finite numbers, one or several for each subnet", are_costs),
]


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
        MissingDependencyError: If a package of the runtime is not installed; names the extra.
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


@terminations_raised()
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
    database = None if storage is None else Database(storage)  # before the images are read
    setup = _setup(supernet, data, settings, look=look)
    table = None if database is None else MeasurementTable(database, supernet.family, setup)
    answers = _answers(database, supernet.family, setup, memory) if look else None
    different = list(dict.fromkeys(asked))
    known: dict[Subnet, Mapping[str, Reading]] = {}
    if answers is not None and again:
        answers.forget(different)
    elif answers is not None:
        known = {} if table is None else stored(table, asked)
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
        work = Work(scorer, data, settings, table, len(missing), claims, bar)
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


def _answers(
    database: Database | None,
    family: Family,
    setup: Mapping[str, Any],
    memory: dict[str, KnownAnswers] | None,
) -> KnownAnswers:
    table = None if database is None else PartialTable(database, family, setup)
    found = KnownAnswers(setup["data"]["n_images"], table)
    return found if memory is None else memory.setdefault(json.dumps(setup), found)


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
    computation = settings.computation_of(supernet)
    computed = computation._asdict()
    if computation.is_exported:
        computed = exported_setup(computation)  # before the images are read
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
