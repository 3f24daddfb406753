"""The images that subnets are recalibrated with."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from optuna_ofa.evaluation._identity import images_hash
from optuna_ofa.evaluation._images import Loader, first_images, is_function
from optuna_ofa.evaluation._recalibrate import BATCH_SIZE
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family


class Calibration:
    """The first ``n`` images of a loader, taken once, so that all subnets get the same.

    Args:
        source: A loader, a function of a resolution that returns one, images themselves, or None
            for no recalibration.
        family: The family of the subnets.
        n: Number of images.

    Raises:
        InvalidArgumentError: If ``n`` is not positive or the source does not fit the family.
    """

    def __init__(self, source: Loader | Tensor | None, family: Family, n: int) -> None:
        if n < 1:
            raise InvalidArgumentError(f"`n_calibration` must be positive, but got {n}.")
        self._source = source
        self._family = family
        self._n = n
        self._taken: tuple[int, Tensor] | None = None

    def __call__(self, resolution: int) -> Tensor | None:
        """Return images ``(n, channels, height, width)`` for a resolution, maybe of another one."""
        if self._source is None:
            return None
        if not is_function(self._source):  # a loader gives the same for all resolutions
            resolution = max(self._family.resolutions)
        if self._taken is None or self._taken[0] != resolution:
            self._taken = resolution, self._take(resolution)
        return self._taken[1]

    def _take(self, resolution: int) -> Tensor:
        if not isinstance(self._source, Tensor):
            assert self._source is not None
            return first_images(self._source, self._family, resolution, self._n)
        images = self._source[: self._n]
        channels = self._family.in_channels
        fits = images.ndim == 4 and images.shape[1] == channels and len(images) > 0
        if not fits or not images.is_floating_point():
            raise InvalidArgumentError(
                f"`calibration` must be images of shape (n, {channels}, height, width), n at "
                f"least 1, and of a floating-point type for {self._family.name}, but got a "
                f"{images.dtype} tensor of shape {tuple(images.shape)}."
            )
        return images.cpu()

    def to_setup(self, name: str | None, *, look: bool) -> dict[str, Any] | None:
        """Return the part of a setup that identifies the images.

        Args:
            name: The name of the data, if it has one.
            look: Whether to look at images that have no name.
        """
        if self._source is None:
            return None
        n = self._n
        if name is None and look:
            images = self(max(self._family.resolutions))
            assert images is not None
            name, n = images_hash(images), len(images)
        return {"images": name, "n_images": n, "batch_size": BATCH_SIZE}
