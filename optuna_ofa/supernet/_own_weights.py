"""Layers with weights of their own for smaller sizes, instead of parts of the largest one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from optuna_ofa.supernet._elastic import Size, centre, first
from optuna_ofa.supernet._elastic_layers import ElasticConv2d, ElasticDepthwiseConv2d

# begins the names of parameters that only some sizes of a layer use
OWN = "own_"


class OwnProjection(ElasticConv2d):
    """The last convolution of a block, with a weight for each choice of the block's genes.

    A projection that is fitted to its inputs differs with the number of channels and with the
    kernel before it. The largest choice uses ``weight``.

    Args:
        in_channels: Largest number of input channels.
        out_channels: Largest number of output channels.
        kernel: Kernel size.
        stride: Stride.
        own: Number of input channels of each smaller choice, by the name of its weight
            (`Size.own`).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        own: Mapping[str, int],
    ):
        super().__init__(in_channels, out_channels, kernel, stride)
        for name, channels in own.items():
            self.register_parameter(name, _copied(first(self.weight, channels, 1)))

    def filters(self, size: Size) -> Tensor:
        """Return the weight for a size, ``(out_channels, in_channels, kernel, kernel)``."""
        own = self._parameters.get(size.own)
        return super().filters(size) if own is None else first(own, size.out_channels)

    def slice_own(self) -> None:
        """Set the weight of each choice to the first channels of the largest one."""
        for own in _own_weights(self).values():
            own.copy_(first(self.weight, own.shape[1], 1))


class OwnDepthwiseConv2d(ElasticDepthwiseConv2d):
    """Depthwise convolution with filters of its own for each kernel size, without matrices.

    Args:
        channels: Largest number of channels.
        kernels: Kernel sizes.
        stride: Stride.
        pads: Whether it pads its input itself.
    """

    def __init__(
        self, channels: int, kernels: Iterable[int], stride: int = 1, *, pads: bool = True
    ):
        largest, *smaller = sorted(kernels, reverse=True)
        super().__init__(channels, (largest,), stride, pads=pads)
        for kernel in smaller:
            self.register_parameter(_filters_of(kernel), _copied(centre(self.weight, kernel)))

    def filters(self, size: Size) -> Tensor:
        """Return the weight for a size, ``(out_channels, 1, kernel, kernel)``."""
        own = self._parameters.get(_filters_of(size.kernel))
        return super().filters(size) if own is None else first(own, size.out_channels)

    def slice_own(self) -> None:
        """Set the filters of each smaller kernel to the centre of the largest one."""
        for own in _own_weights(self).values():
            own.copy_(centre(self.weight, own.shape[-1]))


@torch.no_grad()
def slice_own_weights(net: nn.Module) -> None:
    """Set all own weights of a supernet to what it would use without them, in place."""
    for module in net.modules():
        if isinstance(module, OwnProjection | OwnDepthwiseConv2d):
            module.slice_own()


def projection_name(kernel: int, channels: int) -> str:
    """Return the name of a projection's weight after a kernel size, for its input channels."""
    return f"{OWN}k{kernel}_c{channels}"


def _filters_of(kernel: int) -> str:
    return f"{OWN}k{kernel}"


def _own_weights(layer: nn.Module) -> dict[str, nn.Parameter]:
    named = layer.named_parameters(recurse=False)
    return {name: parameter for name, parameter in named if name.startswith(OWN)}


def _copied(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.detach().clone())
