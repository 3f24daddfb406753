"""The first run of a network that was read from a file, whose weights may not be visible."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optuna_ofa._tensors import flaw
from optuna_ofa.deployment._deployable import Loaded
from optuna_ofa.space import Subnet

MAX_PIXELS = 2**28


def images_for(subnet: Subnet, batch: int) -> list[Tensor]:
    """Return batches to try a network with: a ramp, black images and noise.

    Args:
        subnet: The subnet that it computes.
        batch: Images at once.

    Raises:
        ValueError: If a batch would take a gigabyte.
    """
    size = subnet.resolution
    shape = (batch, subnet.family.in_channels, size, size)
    n = math.prod(shape)
    if n > MAX_PIXELS:
        raise ValueError(f"its batch of {batch} images is too large")
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return [torch.linspace(-2, 2, n).view(shape), torch.zeros(shape), noise, -3 * noise]


def require_logits(net: Loaded, subnet: Subnet, batch: int) -> None:
    """Refuse a network that does not give plausible logits for each class.

    Args:
        net: The network.
        subnet: The subnet that it should compute.
        batch: Number of images that it accepts.

    Raises:
        ValueError: With the shape or the value.
    """
    wanted = (batch, subnet.family.head.n_classes)
    for images in images_for(subnet, batch):
        with torch.no_grad():
            logits = net(images)
        shape = tuple(logits.shape)
        if shape != wanted or logits.dtype != torch.float32:
            raise ValueError(f"its logits are {shape} of {logits.dtype} instead of {wanted}")
        wrong = flaw("logits", logits)
        if wrong is not None:
            raise ValueError(f"its output has {wrong}")
