"""Evaluating subnets of a supernet on images."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import BaseStorage

from optuna_ofa._arguments import StorageUrl, argument_called, checked
from optuna_ofa._progress import progress_bar
from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._accuracies import ACCURACY_METRICS, Accuracies
from optuna_ofa.evaluation._data import EvaluationData
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader, is_function
from optuna_ofa.evaluation._int8 import INT8, int8_setup
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.evaluation._workers import score_groups
from optuna_ofa.exceptions import FailedMeasurementWarning
from optuna_ofa.measurements import Failures, MeasurementTable, Reading
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet, not_finite, require_finite

# number of subnets that share one pass over the images, which are read and resized once
SUBNETS_AT_ONCE = 8


@checked
def evaluate(
    supernet: Supernet,
    subnets: Subnet | Iterable[Subnet] | Matrix,
    loader: Loader,
    settings: EvaluationSettings,
    *,
    storage: StorageUrl | BaseStorage | optuna.Study | None = None,
    again: bool = False,
    progress: bool | None = None,
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
            and calibration images are read from it. None stores nothing.
        again: Whether to evaluate again the subnets that are already in the database.
        progress: Whether to show a progress bar; None shows it on a terminal only.

    Returns:
        The accuracies in the order of ``subnets``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, no subnet has finite weights, or the
            loader is empty or gives something that does not fit the family.
        InvalidSubnetError: If a subnet is of another family.
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed, for the precision
            ``"int8"``.
        MeasurementError: If the device or a process fails, three subnets in a row fail, or
            several subnets all fail in the same way. What was evaluated before is kept in the
            database.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: Some subnets could not run or gave NaN; the others are still
            evaluated, and the next call retries the failed ones.
        CalibrationWarning: There are fewer than 32 calibration images, or a loader gives
            different images each time it is read.
    """
    data = EvaluationData(loader, supernet.family, type_of(supernet))
    return evaluate_on(
        data, supernet, subnets, settings, storage=storage, again=again, progress=progress
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
) -> Accuracies:
    """Do what `evaluate` does, with images whose identity may already be known."""
    space, asked = _asked(supernet.family, subnets)
    _require_finite(supernet, asked)
    calibration = settings.images_of(supernet.family)
    setup = _setup(supernet, data, settings, look=storage is not None)
    table = None if storage is None else MeasurementTable(storage, supernet.family, setup)
    known: dict[Subnet, dict[str, Reading]] = {}  # by metric
    if table is not None and not again:  # the newest ones count
        stored = table.read(asked)
        known = {subnet: {r.metric: r for r in readings} for subnet, readings in stored.items()}
        known = {s: of for s, of in known.items() if set(ACCURACY_METRICS) <= set(of)}
    missing = [s for s in dict.fromkeys(asked) if s not in known]
    failures = Failures(len(missing))
    with progress_bar("evaluating", progress, unit="subnet", total=len(missing)) as bar:
        for group, scores in score_groups(
            supernet,
            _groups(missing, settings.processes),
            data.loader,
            calibration,
            torch.device(settings.device),
            settings.processes,
            settings.precision,
        ):
            data.note(group[0].resolution, scores.checksum)
            found = dict(zip(group, _labelled(scores.readings, settings), strict=True))
            known |= found
            reasons = {s: of[ACCURACY_METRICS[0]].error for s, of in found.items()}
            if table is not None:
                _write(table, {s: of for s, of in found.items() if reasons[s] is None})
            failures.add(reasons.items())
            bar.update(len(group))
    failures.finish()
    if table is not None:
        _write(table, {s: known[s] for s in failures.reasons})
    return _collect(space, asked, [known[s] for s in asked], setup)


def _require_finite(supernet: Supernet, asked: Iterable[Subnet]) -> None:
    """Refuse non-finite weights, unless some subnet does not use them."""
    weights = dict(supernet.named_parameters())
    if not_finite(weights) is None:
        return
    plain = (dict(supernet.extract(subnet).named_parameters()) for subnet in dict.fromkeys(asked))
    if all(not_finite(weights) is not None for weights in plain):
        require_finite(supernet, "supernet")


def _labelled(
    readings: Sequence[Mapping[str, Reading]], settings: EvaluationSettings
) -> list[dict[str, Reading]]:
    """Return readings with the user's labels of the images and the worker in their details."""
    more = {"worker": settings.worker or platform.node() or "unknown"}
    more |= {} if settings.data is None else {"data": settings.data}
    return [
        {m: r._replace(details={**r.details, **more}) for m, r in of.items()} for of in readings
    ]


def _write(table: MeasurementTable, found: Mapping[Subnet, Mapping[str, Reading]]) -> None:
    table.add((subnet, reading) for subnet, of in found.items() for reading in of.values())


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


def _groups(subnets: Sequence[Subnet], processes: int) -> list[list[Subnet]]:
    """Divide subnets into groups of one resolution, small enough to keep all processes busy."""
    size = max(1, min(SUBNETS_AT_ONCE, -(-len(subnets) // processes)))
    by_resolution: dict[int, list[Subnet]] = {}
    for subnet in subnets:
        by_resolution.setdefault(subnet.resolution, []).append(subnet)
    return [
        group[start : start + size]
        for group in by_resolution.values()
        for start in range(0, len(group), size)
    ]


def _collect(
    space: SearchSpace,
    asked: Sequence[Subnet],
    readings: Sequence[Mapping[str, Reading]],
    setup: Mapping[str, Any],
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
    )
