"""Batches of images and labels that fit a family, and images at a resolution."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family


def resize_images(images: Tensor, resolution: int) -> Tensor:
    """Return the images at a resolution: as they are, or resized bilinearly with antialiasing.

    Args:
        images: ``(n, channels, height, width)``.
        resolution: Height and width of what is returned.
    """
    size = (resolution, resolution)
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def check_batch(batch: Any, family: Family, rule: str, which: str) -> tuple[Tensor, Tensor]:
    """Return a batch as images ``(n, channels, height, width)`` and class indices ``(n,)``.

    Args:
        batch: The batch that the loader gave.
        family: The family that images and labels must fit.
        rule: Beginning of messages: "`loader` must give".
        which: Name of the batch in messages: "batch 3".

    Raises:
        InvalidArgumentError: If it is something else.
    """
    pair = batch if isinstance(batch, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise InvalidArgumentError(
            f"{rule} pairs of tensors, images and labels, but {which} is {_described(batch)}."
        )
    images, labels = pair
    if images.ndim != 4 or images.shape[1] != family.in_channels or not images.is_floating_point():
        raise InvalidArgumentError(
            f"{rule} images of shape (n, {family.in_channels}, height, width) and of a "
            f"floating-point type for {family.name}, but {which} has {_described(images)}."
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise InvalidArgumentError(
            f"{rule} one class index an image, but {which} has {_described(labels)} for "
            f"{len(images)} images."
        )
    last = family.head.n_classes - 1
    if len(labels) and not (0 <= int(labels.min()) <= int(labels.max()) <= last):
        raise InvalidArgumentError(
            f"{rule} labels from 0 to {last} for {family.name}, but {which} has some from "
            f"{int(labels.min())} to {int(labels.max())}."
        )
    return images, labels


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
