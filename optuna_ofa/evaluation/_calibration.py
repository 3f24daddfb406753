"""The images that subnets are recalibrated with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._identity import images_hash
from optuna_ofa.evaluation._images import Loader, first_batches, is_function, opened
from optuna_ofa.evaluation._recalibrate import BATCH_SIZE, warn_few
from optuna_ofa.exceptions import CalibrationWarning
from optuna_ofa.space import Family
from optuna_ofa.supernet import check_images, resize_images

_SEED = 0


class Calibration:
    """The first ``n`` images of a loader, taken once, so that all subnets get the same ones.

    Args:
        source: A loader, a function of a resolution that returns one, a tensor of images, or None
            for no recalibration.
        family: The family of the subnets.
        n: Number of images.

    Raises:
        InvalidArgumentError: If ``n`` is not positive or the source does not fit the family.

    Warns:
        CalibrationWarning: There are too few images, or they differ each time they are read.
    """

    def __init__(self, source: Loader | Tensor | None, family: Family, n: int) -> None:
        self._source = source
        self._family = family
        self._n = n
        self._taken: tuple[int, Tensor] | None = None
        self._hashes: dict[int, str] = {}

    def __call__(self, resolution: int) -> Tensor | None:
        """Return images ``(n, channels, size, size)`` for a resolution, perhaps of another size."""
        if self._source is None:
            return None
        if not is_function(self._source):  # a loader gives the same for all resolutions
            resolution = max(self._family.resolutions)
        if self._taken is None or self._taken[0] != resolution:
            images = self._take(self._source, resolution)
            if not self._hashes:
                warn_few("calibration", len(images))
            digest = images_hash(images)
            if self._hashes.get(resolution, digest) != digest:
                _warn_differs()
            self._hashes[resolution] = digest
            self._taken = resolution, images
        return self._taken[1]

    def _take(self, source: Loader | Tensor, resolution: int) -> Tensor:
        if isinstance(source, Tensor):
            images = source[: self._n] if source.ndim else source
        else:
            loader = opened(source, resolution, "calibration")
            found = first_batches(loader, self._n, "calibration", _SEED)
            if not self._hashes and not isinstance(loader, list | tuple):
                _compare(loader, found[0])
            if len({batch.shape[1:] for batch in found}) > 1:  # resized to one size
                found = [resize_images(batch, resolution) for batch in found]
            images = torch.cat(found)
        check_images(images, "`calibration` must be", channels=self._family.in_channels)
        return images.cpu()

    @cached_property
    def setup(self) -> dict[str, Any] | None:
        """The part of a setup that identifies the images, at the largest resolution."""
        resolution = max(self._family.resolutions)
        images = self(resolution)
        if images is None:
            return None
        digest = self._hashes[resolution]
        return {"images": digest, "n_images": len(images), "batch_size": BATCH_SIZE}


def _compare(loader: Iterable[Any], first: Tensor) -> None:
    """Warn if a loader begins with different images when it is read with another seed."""
    (again,) = first_batches(loader, len(first), "calibration", _SEED + 1)[:1]
    if not torch.equal(again, first):
        _warn_differs()


def _warn_differs() -> None:
    warn(
        "`calibration` gives different images each time it is read, because it shuffles or "
        "augments, so the accuracy of a subnet changes. Take them once and pass the tensor: "
        "`calibration=optuna_ofa.evaluation.take_images(loader)`.",
        CalibrationWarning,
    )
