"""Evaluating subnets of a supernet on images."""

from __future__ import annotations

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
from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._data import EvaluationData
from optuna_ofa.evaluation._identity import weights_hash
from optuna_ofa.evaluation._images import Loader, is_function
from optuna_ofa.evaluation._recalibrate import type_of
from optuna_ofa.evaluation._settings import EvaluationSettings
from optuna_ofa.evaluation._workers import score_groups
from optuna_ofa.exceptions import FailedMeasurementWarning
from optuna_ofa.measurements import Failures, MeasurementTable, Reading
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet, not_finite, require_finite

# subnets that share a pass over the images, which are then read and resized once for all
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

    Each subnet is extracted; the statistics of its batch normalisation are computed anew from
    calibration images at its resolution; then the images of the loader pass. The supernet stays
    as it is. Images of another size are resized bilinearly with antialiasing. To resize and crop
    them yourself, give functions of a resolution that return a loader.

    Args:
        supernet: The supernet.
        subnets: One subnet, several, or an ``(n, n_genes)`` genotype matrix; equal ones are
            evaluated once.
        loader: Batches of images ``(n, channels, size, size)`` in float32, normalised as in
            training, and class indices ``(n,)``, such as a `torch.utils.data.DataLoader`; it is
            read once for every eight subnets, and once to identify the images where there is a
            ``storage``. Or a function of a resolution that returns such a loader.
        settings: The calibration images, the device and so on.
        storage: A relational database that accuracies are written to as soon as they are known,
            and where those of the same weights, images and calibration images are looked up
            first: an Optuna storage, its URL, or a study. None keeps nothing.
        again: Evaluate subnets that the database has once more.
        progress: Whether to show a progress bar; None shows it on a terminal only.

    Returns:
        The accuracies in the order of ``subnets``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, no subnet has finite weights, or the
            loader is empty or gives something that does not fit the family.
        InvalidSubnetError: If a subnet is of another family.
        MeasurementError: If an error is that of the device or of a process, three subnets in a
            row fail, or all of several fail alike. What was evaluated before is kept in the
            database.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: Some subnets could not run or gave NaN; the rest go on, and the
            next call tries them again.
        CalibrationWarning: The calibration images are fewer than 32, or a loader gives other
            images each time it is read.
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
    """Do what `evaluate` does, on images that may have been read before."""
    space, asked = _asked(supernet.family, subnets)
    _require_finite(supernet, asked)
    calibration = settings.images_of(supernet.family)
    setup = _setup(supernet, data, calibration, look=storage is not None)
    table = None if storage is None else MeasurementTable(storage, supernet.family, setup)
    known: dict[Subnet, dict[str, Reading]] = {}  # by metric
    if table is not None and not again:  # the newest count
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
        ):
            data.note(group[0].resolution, scores.checksum)
            found = dict(zip(group, _labelled(scores.readings, settings.data), strict=True))
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
    """Refuse weights that are not finite, unless some subnet has none of those."""
    weights = dict(supernet.named_parameters())
    if not_finite(weights) is None:
        return
    plain = (dict(supernet.extract(subnet).named_parameters()) for subnet in dict.fromkeys(asked))
    if all(not_finite(weights) is not None for weights in plain):
        require_finite(supernet, "supernet")


def _labelled(
    readings: Sequence[Mapping[str, Reading]], label: str | None
) -> list[dict[str, Reading]]:
    """Return readings with the user's label of the images in their details."""
    more = {} if label is None else {"data": label}
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
    supernet: Supernet, data: EvaluationData, calibration: Calibration, *, look: bool
) -> dict[str, Any]:
    """Return all that an accuracy depends on but the subnet; ``look`` at the images or not."""
    return {
        "family": supernet.family.fingerprint,
        "weights": weights_hash(supernet),
        "data": data.identity if look else None,
        "calibration": calibration.setup,
        "resize": "loader" if is_function(data.loader) else "bilinear",
        "runtime": "torch",
        "precision": str(type_of(supernet)).removeprefix("torch."),
    }


def _groups(subnets: Sequence[Subnet], processes: int) -> list[list[Subnet]]:
    """Divide subnets into groups of one resolution, small enough that every process gets one."""
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
            f"{asked[i]}: {reason}. The next call tries them again.",
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
