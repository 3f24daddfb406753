"""Comparing an exported network with the original."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa._arguments import AnyPath, checked
from optuna_ofa.deployment._deployable import Loaded
from optuna_ofa.deployment._read import load_exported, read_metadata
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.supernet import check_images


class Agreement(NamedTuple):
    """The agreement of two networks on the same images.

    Args:
        max_difference: Largest absolute difference of a logit.
        same_top1: Share of the images that both give the same class, from 0 to 1.
        n_images: Number of images.
    """

    max_difference: float
    same_top1: float
    n_images: int


@torch.inference_mode()
@checked
def compare_exported(
    path: AnyPath, expected: Loaded, images: Tensor, *, trust: bool = False
) -> Agreement:
    """Compare an exported network, run in its runtime, with the original.

    Args:
        path: The path that `export` wrote to.
        expected: A network on the CPU, in evaluation mode, or any function from images to
            logits, such as a `SubnetSwitcher`.
        images: ``(n, channels, size, size)`` at the resolution of the subnet; if the exported
            network has a fixed batch size, images left over are not used.
        trust: As in `load_exported`.

    Raises:
        InvalidArgumentError: As `load_exported`, or if there are not enough images for one batch,
            or they are not square, not finite, or not float32.
        FormatError: As `load_exported`.
        MissingDependencyError: If the runtime is not installed; names the extra.
    """
    check_images(images, "`images` must be")
    size = read_metadata(path)["input"]["shape"][0] or len(images)
    n_batches = len(images) // size if size else 0
    if not n_batches:
        raise InvalidArgumentError(
            f"`images` must be at least {size or 1}, one batch, but got {len(images)}."
        )
    run = load_exported(path, trust=trust)
    parts = torch.split(images[: n_batches * size], size)
    found = torch.cat([run(batch) for batch in parts])
    wanted = torch.cat([expected(batch) for batch in parts])
    same = (found.argmax(1) == wanted.argmax(1)).double().mean()
    return Agreement(float((found - wanted).abs().max()), float(same), len(found))
