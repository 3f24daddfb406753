"""The first run of a network that was read from a file, whose weights may not be visible."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optuna_ofa._tensors import flaw
from optuna_ofa.deployment._deployable import Loaded
from optuna_ofa.space import Subnet

MAX_PIXELS = 2**28


def images_for(subnet: Subnet, batch: int) -> Tensor:
    """Return images to try a network with.

    Args:
        subnet: The subnet that it computes.
        batch: Number of images.

    Raises:
        ValueError: If they would take a gigabyte.
    """
    size = subnet.resolution
    shape = (batch, subnet.family.in_channels, size, size)
    n = math.prod(shape)
    if n > MAX_PIXELS:
        raise ValueError(f"its batch of {batch} images is too large")
    return torch.linspace(-2, 2, n).view(shape)


def require_logits(net: Loaded, subnet: Subnet, batch: int) -> None:
    """Refuse a network that does not give plausible logits for each class.

    Args:
        net: The network.
        subnet: The subnet that it should compute.
        batch: Number of images that it accepts.

    Raises:
        ValueError: With the shape or the value.
    """
    images = images_for(subnet, batch)
    with torch.no_grad():
        logits = net(images)
    wanted = (batch, subnet.family.head.n_classes)
    if not isinstance(logits, Tensor) or logits.shape != wanted or logits.dtype != torch.float32:
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"its logits are {found} instead of {wanted}")
    found = flaw("logits", logits)
    if found is not None:
        raise ValueError(f"its output has {found}")
