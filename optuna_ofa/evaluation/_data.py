"""The images that subnets are evaluated on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._identity import checksum, data_hash
from optuna_ofa.evaluation._images import Loader, batches, is_function
from optuna_ofa.exceptions import CalibrationWarning
from optuna_ofa.space import Family


class EvaluationData:
    """A loader of test images, their identity, and a check that each pass gives the same ones.

    Args:
        loader: Batches of images and labels, or a function of a resolution that returns them.
        family: The family that they must fit.
        weights: Type of the network's weights, which is also allowed for images.
    """

    def __init__(
        self, loader: Loader, family: Family, weights: torch.dtype = torch.float32
    ) -> None:
        self.loader = loader
        self._family, self._weights = family, weights
        self._checksums: dict[int, int] = {}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The SHA-256 and the number of all images with labels, at the largest resolution."""
        resolution = max(self._family.resolutions)
        n_images = total = 0

        def counted() -> Iterator[tuple[Tensor, Tensor]]:
            nonlocal n_images, total
            for images, labels in batches(self.loader, self._family, resolution, self._weights):
                n_images += len(images)
                total += checksum(images, labels)
                yield images, labels

        digest = data_hash(counted())
        self.note(resolution, total)
        return {"images": digest, "n_images": n_images}

    def note(self, resolution: int, total: int) -> None:
        """Compare a pass over the images with the previous one.

        Args:
            resolution: The resolution of the pass.
            total: The sum of the checksums of its batches.
        """
        key = resolution if is_function(self.loader) else 0
        if self._checksums.setdefault(key, total) != total:
            self._checksums[key] = total
            warn(
                "`loader` gave other images than the time before: accuracies of subnets are not "
                "comparable. Give images without augmentation, such as a list of batches.",
                CalibrationWarning,
            )
