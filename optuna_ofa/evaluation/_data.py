"""The images that subnets are evaluated on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch

from optuna_ofa._warnings import warn
from optuna_ofa.evaluation._identity import checksums, image_hashes, joined
from optuna_ofa.evaluation._images import Loader, batches, is_function
from optuna_ofa.evaluation._order import Order, order_of
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
        return self._read[0]

    @property
    def order(self) -> Order:
        """The order in which subnets are evaluated on the images in a race."""
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[dict[str, Any], Order]:
        """The identity and the order, from one pass over the images."""
        resolution = max(self._family.resolutions)
        hashes: list[bytes] = []
        of_batches = []
        given = batches(self.loader, self._family, resolution, self._weights, seeded=True)
        for images, labels in given:
            hashes += image_hashes(images, labels)
            of_batches.append((labels.cpu().numpy(), checksums(images, labels).numpy()))
        classes, sums = (np.concatenate(column) for column in zip(*of_batches, strict=True))
        self.note(resolution, int(sums.sum()))
        order = order_of(hashes, classes, None if is_function(self.loader) else sums)
        return {"images": joined(hashes), "n_images": len(hashes)}, order

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
