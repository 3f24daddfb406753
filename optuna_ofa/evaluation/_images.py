"""Images and labels of a loader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import check_batch, resize_images

# batches of (images, labels), or a function that makes them for a resolution
Loader = Iterable[Any] | Callable[[int], Iterable[Any]]


def batches(
    loader: Loader, family: Family, resolution: int, argument: str = "loader"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield checked batches for a resolution; images are not resized yet.

    Args:
        loader: The loader, or a function of a resolution that returns one.
        family: The family that images and labels must fit.
        resolution: The argument of a function.
        argument: The user's name of the loader, for messages.

    Raises:
        InvalidArgumentError: If the loader has no batch, or one that does not fit the family.
    """
    n_images = 0
    for i, batch in enumerate(_opened(loader, resolution, argument)):
        images, labels = check_batch(batch, family, f"`{argument}` must give", f"batch {i}")
        n_images += len(images)
        yield images, labels
    if not n_images:
        raise InvalidArgumentError(f"`{argument}` must give at least one image, but is empty.")


def first_images(loader: Loader, family: Family, resolution: int, n: int) -> Tensor:
    """Return the first ``n`` images of a calibration loader, or all if it has fewer, on the CPU."""
    found: list[Tensor] = []
    n_found = 0
    for images, _ in batches(loader, family, resolution, "calibration"):
        found.append(images[: n - n_found].cpu())
        n_found += len(found[-1])
        if n_found >= n:
            break
    if len({images.shape[1:] for images in found}) > 1:  # resized to one size
        found = [resize_images(images, resolution) for images in found]
    return torch.cat(found)


def is_function(loader: object) -> bool:
    """Return whether an object makes loaders for resolutions, rather than being one."""
    return callable(loader) and not isinstance(loader, Iterable)


def _opened(loader: Loader, resolution: int, argument: str) -> Iterable[Any]:
    opened = loader
    if callable(loader) and is_function(loader):
        opened = loader(resolution)
    if isinstance(opened, Iterable) and not (opened is loader and isinstance(opened, Iterator)):
        return opened
    raise InvalidArgumentError(
        f"`{argument}` must give batches of images and labels every time it is read, or be a "
        f"function of a resolution that returns such a loader, but got {type(opened).__name__}."
    )
