"""Elastic convolutions and linear layers, as in ``dynamic_op.py`` of the ``ofa`` package."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.supernet._depthwise import depthwise_conv2d
from optuna_ofa.supernet._elastic import Elastic, Size, centre, filled, first


class ElasticConv2d(Elastic, nn.Conv2d):
    """Convolution with elastic numbers of channels.

    Args:
        in_channels: Largest number of input channels.
        out_channels: Largest number of output channels.
        kernel: Kernel size; the padding keeps the image size at stride 1.
        stride: Stride.
        pads: Whether it pads its input itself.
        bias: Whether it has a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        *,
        pads: bool = True,
        bias: bool = False,
    ):
        self.edge = kernel // 2 if pads else 0
        super().__init__(in_channels, out_channels, kernel, stride, self.edge, bias=bias)
        self.active = Size(in_channels, out_channels, kernel)

    def filters(self, size: Size) -> Tensor:
        """Return the weight for a size, ``(out_channels, in_channels, kernel, kernel)``."""
        return first(first(self.weight, size.out_channels), size.in_channels, 1)

    def forward(self, input: Tensor) -> Tensor:
        """Convolve with the active weight."""
        size = self.active
        return F.conv2d(input, self.filters(size), self._offset(size), self.stride, self.padding)

    def _offset(self, size: Size) -> Tensor | None:
        return None if self.bias is None else first(self.bias, size.out_channels)

    def extract(self, size: Size | None = None) -> nn.Conv2d:
        """Return the plain convolution of a size with a copy of its weights."""
        size = size or self.active
        filters, offset = self.filters(size), self._offset(size)
        n_out, n_in, kernel, _ = filters.shape
        has_bias = offset is not None
        conv = nn.Conv2d(
            n_in, n_out, kernel, self.stride[0], self.edge, bias=has_bias, device="meta"
        )
        tensors = {"weight": filters}
        return filled(conv, tensors if offset is None else {**tensors, "bias": offset})


class ElasticDepthwiseConv2d(Elastic, nn.Conv2d):
    """Depthwise convolution without bias with elastic channels and kernel size.

    A smaller kernel is the centre of the next larger one times a learned matrix shared by all
    channels: 7 to 5 by ``7to5_matrix`` (25x25), 5 to 3 by ``5to3_matrix`` (9x9).

    Args:
        channels: Largest number of channels.
        kernels: Kernel sizes.
        stride: Stride.
        pads: Whether it pads its input itself.
    """

    def __init__(
        self, channels: int, kernels: Iterable[int], stride: int = 1, *, pads: bool = True
    ):
        self.kernels, self.pads = tuple(sorted(kernels, reverse=True)), pads
        largest = self.kernels[0]
        super().__init__(
            channels, channels, largest, stride, self._edge(largest), groups=channels, bias=False
        )
        for larger, smaller in pairwise(self.kernels):
            # on the meta device `torch.eye` imports torch's compiler: more than a second
            matrix = nn.Parameter(torch.zeros(smaller**2, smaller**2).fill_diagonal_(1))
            self.register_parameter(f"{larger}to{smaller}_matrix", matrix)
        self.active = Size(channels, channels, largest)

    def filters(self, size: Size) -> Tensor:
        """Return the weight for a size, ``(out_channels, 1, kernel, kernel)``."""
        filters = first(self.weight, size.out_channels)
        for larger, smaller in pairwise(self.kernels):
            if larger > size.kernel:
                middle = centre(filters, smaller)
                matrix = getattr(self, f"{larger}to{smaller}_matrix")
                filters = F.linear(middle.flatten(1), matrix).view(middle.shape)
        return filters

    def forward(self, input: Tensor) -> Tensor:
        """Convolve with the active weight."""
        size = self.active
        return depthwise_conv2d(input, self.filters(size), self.stride[0], self._edge(size.kernel))

    def _edge(self, kernel: int) -> int:
        return kernel // 2 if self.pads else 0

    def extract(self, size: Size | None = None) -> nn.Conv2d:
        """Return the plain depthwise convolution of a size with a copy of its weight."""
        filters = self.filters(size or self.active)
        n, _, kernel, _ = filters.shape
        conv = nn.Conv2d(
            n, n, kernel, self.stride[0], self._edge(kernel), groups=n, bias=False, device="meta"
        )
        return filled(conv, {"weight": filters})


class ElasticLinear(Elastic, nn.Linear):
    """Linear layer with bias with an elastic number of input features.

    Args:
        in_features: Largest number of input features.
        out_features: Output features.
    """

    def __init__(self, in_features: int, out_features: int):
        super().__init__(in_features, out_features)
        self.active = Size(in_features, out_features)

    def forward(self, input: Tensor) -> Tensor:
        """Multiply by the active weight."""
        return F.linear(input, first(self.weight, self.active.in_channels, 1), self.bias)

    def extract(self, size: Size | None = None) -> nn.Linear:
        """Return the plain layer of a size with a copy of its weights."""
        n_in = (size or self.active).in_channels
        linear = nn.Linear(n_in, self.out_features, device="meta")
        return filled(linear, {"weight": self.weight[:, :n_in], "bias": self.bias})
