"""Networks that are ready to be exported."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa.evaluation import Calibration, set_statistics
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import OPSET
from optuna_ofa.space import Subnet, subnet_layers
from optuna_ofa.supernet import Supernet, build_plain, not_finite, resize_images


@dataclass(frozen=True)
class Deployable:
    """A network that is ready to be exported.

    Args:
        net: The plain network in evaluation mode, on the CPU, in float32. It is a private copy
            that a format may fold or fuse.
        subnet: The subnet that the network computes.
        batch: Images at once; None for any number.
        images: Calibration images at the resolution of the subnet, if there are any.
        opset: Version of ONNX's operators, for ONNX.
        name: Name of the file without its extension, for an array in C.
    """

    net: nn.Module
    subnet: Subnet
    batch: int | None
    images: Tensor | None = None
    opset: int = OPSET
    name: str = "subnet"

    @property
    def shape(self) -> tuple[int | None, int, int, int]:
        """Shape of the images, ``(batch, channels, height, width)``."""
        resolution = self.subnet.resolution
        return (self.batch, self.subnet.family.in_channels, resolution, resolution)

    def example(self) -> Tensor:
        """Return images to trace with: two for any batch size, because tracing would fix one."""
        n, *shape = self.shape
        return torch.zeros(n or 2, *shape)


def calibrated_net(
    source: Supernet | nn.Module, subnet: Subnet, calibration: Calibration
) -> nn.Module:
    """Return a plain network of a subnet in evaluation mode, recalibrated.

    Args:
        source: A supernet, or a plain network of the subnet, such as a fine-tuned one. It is not
            modified.
        subnet: The subnet.
        calibration: Images for the statistics; without them the statistics are unchanged.

    Raises:
        InvalidArgumentError: If a plain network is not of that subnet, or the calibration images
            do not fit or give non-finite statistics.
        InvalidSubnetError: If the subnet is of another family than the supernet.
    """
    if isinstance(source, Supernet):
        net: nn.Module = source.extract(subnet)
    else:
        _check_plain(source, subnet)
        net = copy.deepcopy(source)
    net.eval()
    images = calibration(subnet.resolution)
    if images is not None:
        set_statistics(net, resize_images(images, subnet.resolution))
        if not_finite(net.state_dict()) is not None:
            raise InvalidArgumentError(
                f"`calibration` must be normalised images, but its pixels, up to "
                f"{images.abs().max():g}, give statistics that are not finite."
            )
    return net


def _check_plain(net: nn.Module, subnet: Subnet) -> None:
    with torch.device("meta"):
        expected = build_plain(subnet_layers(subnet), bn_eps=subnet.family.bn_eps).state_dict()
    found = net.state_dict()
    for name in (*expected, *found):
        shapes = [tuple(s[name].shape) if name in s else None for s in (expected, found)]
        if shapes[0] != shapes[1]:
            raise InvalidArgumentError(
                f"`net` must be a supernet, or a plain network of {subnet}, whose `{name}` has "
                f"shape {shapes[0]}, but got {shapes[1]}."
            )


# the files of an export by their names in its folder; the name of a single file is ""
Contents = Mapping[str, bytes]
Metadata = Mapping[str, Any]
# images to logits
Loaded = Callable[[Tensor], Tensor]
