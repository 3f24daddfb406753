"""Batches of images and labels that fit a family, and images at a resolution."""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from optuna_ofa._arguments import Positive, checked
from optuna_ofa._rules import Rule
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family

LARGEST_DEFECT = 0.01  # of a sum of probabilities, which may be in half precision

ImageTensor = Annotated[
    Tensor,
    Rule(
        "a tensor of images, (n, channels, height, width)",
        lambda images: images.ndim == 4 and images.is_floating_point() and len(images) > 0,
    ),
]


@checked
def resize_images(images: ImageTensor, resolution: Positive) -> Tensor:
    """Return the images at a resolution, resized bilinearly with antialiasing if necessary.

    Args:
        images: ``(n, channels, height, width)``.
        resolution: Height and width of the result.
    """
    size = (resolution, resolution)
    if tuple(images.shape[-2:]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True, align_corners=False)


def check_images(
    images: Tensor,
    rule: str,
    which: str | None = None,
    *,
    channels: int | None = None,
    weights: torch.dtype = torch.float32,
) -> None:
    """Refuse images that cannot be used to evaluate a network.

    Args:
        images: The images.
        rule: Beginning of messages: "`loader` must give".
        which: Name of the images in messages: "batch 3"; None if they are the argument itself.
        channels: Channels that they must have; None means any number.
        weights: Type of the network's weights, which is allowed in addition to float32.

    Raises:
        InvalidArgumentError: If they are not ``(n, channels, size, size)`` with n at least 1, of
            the right type and finite.
    """
    but = "but got" if which is None else f"but {which} has"
    if images.ndim != 4 or channels not in (None, images.shape[1]):
        shape = f"(n, {'channels' if channels is None else channels}, size, size)"
        raise InvalidArgumentError(f"{rule} images of shape {shape}, {but} {_described(images)}.")
    if images.dtype not in (torch.float32, weights):
        raise InvalidArgumentError(
            f"{rule} images of type torch.float32, as `.float()` returns them, {but} "
            f"{_described(images)}."
        )
    if not len(images):
        raise InvalidArgumentError(f"{rule} at least one image, {but} none.")
    height, width = images.shape[2:]
    if height != width:
        raise InvalidArgumentError(
            f"{rule} square images, cropped or resized by you, {but} some of {height} "
            f"x {width} pixels."
        )
    if not images.sum().isfinite() and not images.isfinite().all():  # the sum is faster
        raise InvalidArgumentError(
            f"{rule} images of finite pixels, {but} some with NaN or infinity."
        )


def check_batch(
    batch: Any,
    family: Family,
    rule: str,
    which: str,
    weights: torch.dtype = torch.float32,
    *,
    soft: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return a batch as images ``(n, channels, size, size)`` and class indices ``(n,)``.

    Args:
        batch: The batch that the loader gave.
        family: The family that images and labels must fit.
        rule: Beginning of messages: "`loader` must give".
        which: Name of the batch in messages: "batch 3".
        weights: Type of the network's weights, which is allowed in addition to float32.
        soft: Whether labels may also be probabilities, ``(n, n_classes)``.

    Raises:
        InvalidArgumentError: If it is something else.
    """
    pair = batch if isinstance(batch, list | tuple) else ()
    if len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        raise InvalidArgumentError(
            f"{rule} pairs of tensors, images and labels, but {which} is {_described(batch)}."
        )
    images, labels = pair
    check_images(images, rule, which, channels=family.in_channels, weights=weights)
    n_classes = family.head.n_classes
    if soft and labels.is_floating_point() and labels.shape == (len(images), n_classes):
        _check_probabilities(labels, rule, which)
        return images, labels
    if labels.shape != images.shape[:1] or labels.is_floating_point() or labels.is_complex():
        wanted = "one class index an image"
        if soft:
            wanted += f", or probabilities of {n_classes} classes"
        raise InvalidArgumentError(
            f"{rule} {wanted}, but {which} has {_described(labels)} for {len(images)} images."
        )
    if not (0 <= int(labels.min()) <= int(labels.max()) < n_classes):
        raise InvalidArgumentError(
            f"{rule} labels from 0 to {n_classes - 1} for {family.name}, but {which} has some from "
            f"{int(labels.min())} to {int(labels.max())}."
        )
    return images, labels


def _check_probabilities(labels: Tensor, rule: str, which: str) -> None:
    least, most = (float(extreme) for extreme in labels.aminmax())
    if not 0 <= least <= most < float("inf"):  # NaN is neither
        raise InvalidArgumentError(
            f"{rule} probabilities that are finite and not negative, but {which} has some from "
            f"{least:g} to {most:g}."
        )
    sums = labels.double().sum(1)
    worst = float(sums[(sums - 1).abs().argmax()])
    if abs(worst - 1) > LARGEST_DEFECT:
        raise InvalidArgumentError(
            f"{rule} probabilities with the sum 1 for each image, but {which} has some with the "
            f"sum {worst:.4g}."
        )


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a {value.dtype} tensor of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
