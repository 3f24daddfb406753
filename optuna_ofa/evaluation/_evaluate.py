"""Evaluating subnets of a supernet on images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import BaseStorage
from torch import Tensor
from tqdm import tqdm

from optuna_ofa.evaluation._accuracies import Accuracies, to_rows, to_score
from optuna_ofa.evaluation._calibration import Calibration
from optuna_ofa.evaluation._identity import data_hash, weights_hash
from optuna_ofa.evaluation._images import Loader, batches, is_function
from optuna_ofa.evaluation._score import Score
from optuna_ofa.evaluation._workers import score_groups
from optuna_ofa.exceptions import FailedMeasurementWarning, InvalidArgumentError
from optuna_ofa.measurements import MeasurementTable
from optuna_ofa.space import Family, Matrix, SearchSpace, Subnet
from optuna_ofa.supernet import Supernet

# subnets that share a pass over the images, which are then read and resized once for all
TOGETHER = 8


def evaluate(
    supernet: Supernet,
    subnets: Subnet | Iterable[Subnet] | Matrix,
    loader: Loader,
    *,
    calibration: Loader | Tensor | None,
    n_calibration: int = 2000,
    data: str | None = None,
    storage: str | BaseStorage | optuna.Study | None = None,
    again: bool = False,
    device: str | torch.device = "cpu",
    processes: int = 1,
    progress: bool = True,
) -> Accuracies:
    """Top-1 and top-5 accuracy of subnets on the images of a loader.

    Each subnet is extracted; the statistics of its batch normalisation are computed anew from
    calibration images at its resolution; then the images of the loader pass. The supernet stays
    as it is. Images of another size are resized bilinearly with antialiasing. To resize and crop
    them yourself, give functions of a resolution that return a loader.

    Args:
        supernet: The supernet.
        subnets: One subnet, several, or an ``(n, n_genes)`` genotype matrix; equal ones are
            evaluated once.
        loader: Batches of images ``(n, channels, height, width)``, normalised as in training, and
            class indices ``(n,)``, such as a `torch.utils.data.DataLoader`; it is read once for
            every eight subnets. Or a function of a resolution that returns such a loader.
        calibration: Where the images for the statistics come from: a loader of training images
            (without their augmentation), a function of a resolution that returns one, or a
            tensor of images. None keeps the supernet's statistics, which are right for no subnet:
            accuracies are then often no better than a guess.
        n_calibration: How many of its images are used, the first ones.
        data: A name for the data of ``loader`` and ``calibration``, which stands for it in the
            database: the same name promises the same images. None computes a hash of all images,
            labels and calibration images, which costs a pass over the loader.
        storage: A relational database that accuracies are written to as soon as they are known,
            and where those of the same weights, data and calibration are looked up first: an
            Optuna storage, its URL, or a study. None keeps nothing.
        again: Evaluate what the database has once more.
        device: Where subnets run.
        processes: Evaluate in so many processes, started anew: the script needs an
            ``if __name__ == "__main__":``, and the loader must be picklable.
        progress: Whether to show what is done.

    Returns:
        The accuracies in the order of ``subnets``.

    Raises:
        InvalidArgumentError: If an argument breaks a rule, or the loader is empty or gives
            something that does not fit the family.
        InvalidSubnetError: If a subnet is of another family.
        StorageError: If the database cannot be reached or written.

    Warns:
        FailedMeasurementWarning: Some subnets could not run or gave NaN; the rest go on.
    """
    if processes < 1:
        raise InvalidArgumentError(f"`processes` must be positive, but got {processes}.")
    where = _device(device)
    space, asked = _asked(supernet.family, subnets)
    images = Calibration(calibration, supernet.family, n_calibration)
    setup = _setup(supernet, loader, images, data, look=storage is not None)
    table = None if storage is None else MeasurementTable(storage, setup)
    known: dict[Subnet, Score] = {}
    if table is not None and not again:
        known = {subnet: to_score(rows) for subnet, rows in table.read(asked).items()}
    missing = [s for s in dict.fromkeys(asked) if s not in known]
    groups = _groups(missing, processes)
    details = {"device": where.type, "torch": torch.__version__}
    with tqdm(
        desc="evaluating", unit="subnet", total=len(missing), disable=not progress, leave=False
    ) as bar:
        for group, scores in score_groups(supernet, groups, loader, images, where, processes):
            found = dict(zip(group, scores, strict=True))
            known |= found
            if table is not None:
                table.add(row for s, score in found.items() for row in to_rows(s, score, details))
            bar.update(len(group))
    return _collect(space, asked, [known[s] for s in asked], setup)


def _device(device: str | torch.device) -> torch.device:
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise InvalidArgumentError(
            f"`device` must be one that torch has, such as 'cpu' or 'cuda', but got {device!r}."
        ) from error


def _asked(
    family: Family, subnets: Subnet | Iterable[Subnet] | Matrix
) -> tuple[SearchSpace, list[Subnet]]:
    """A space that the subnets belong to, which may have any resolution, and the subnets."""
    if isinstance(subnets, np.ndarray):
        resolutions = subnets[:, 0].tolist() if subnets.ndim == 2 else []
        space = SearchSpace(family, resolution={*family.resolutions, *resolutions})
        return space, space.from_matrix(subnets)
    listed = [subnets] if isinstance(subnets, Subnet) else list(subnets)
    space = SearchSpace(family, resolution={*family.resolutions, *(s.resolution for s in listed)})
    return space, space.from_matrix(space.to_matrix(listed))


def _setup(
    supernet: Supernet, loader: Loader, images: Calibration, data: str | None, *, look: bool
) -> dict[str, Any]:
    """All that an accuracy depends on but the subnet; ``look`` at data that has no name."""
    calibration = images.describe(data, look=look)
    if data is None and look:
        resolution = max(supernet.family.resolutions)
        data = data_hash(batches(loader, supernet.family, resolution))
    return {
        "weights": weights_hash(supernet),
        "data": data,
        "calibration": calibration,
        "resize": "loader" if is_function(loader) else "bilinear",
    }


def _groups(subnets: Sequence[Subnet], processes: int) -> list[list[Subnet]]:
    """Groups of one resolution, small enough that every process gets one."""
    size = max(1, min(TOGETHER, -(-len(subnets) // processes)))
    by_resolution: dict[int, list[Subnet]] = {}
    for subnet in subnets:
        by_resolution.setdefault(subnet.resolution, []).append(subnet)
    return [
        group[start : start + size]
        for group in by_resolution.values()
        for start in range(0, len(group), size)
    ]


def _collect(
    space: SearchSpace, asked: Sequence[Subnet], scores: Sequence[Score], setup: Mapping[str, Any]
) -> Accuracies:
    failures = {i: score.error for i, score in enumerate(scores) if score.error is not None}
    if failures:
        i, reason = next(iter(failures.items()))
        warnings.warn(
            f"{len(failures)} of {len(scores)} subnets could not be evaluated, the first of them "
            f"{asked[i]}: {reason}",
            FailedMeasurementWarning,
            stacklevel=3,
        )
    columns = {
        name: np.array([getattr(s, name) for s in scores], dtype=float)
        for name in ("top1", "top5", "n_images")
    }
    return Accuracies(
        space=space, matrix=space.to_matrix(asked), setup=setup, failures=failures, **columns
    )
