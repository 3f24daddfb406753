"""TensorFlow's padding "same" before convolutions of stride above 1."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.space import padding
from optuna_ofa.supernet._elastic import Elastic, Size


class ElasticSamePad2d(Elastic, nn.Module):
    """Zeros around a map, as many as its size and the kernel of the next convolution require.

    The output of the convolution is then ``ceil(size / stride)`` wide; where the zeros are odd in
    number, there is one more after the map than before it.

    Args:
        kernel: Largest kernel.
        stride: Stride of the convolution.
    """

    def __init__(self, kernel: int, stride: int):
        super().__init__()
        self.stride = stride
        self.active = Size(0, 0, kernel)

    def forward(self, input: Tensor) -> Tensor:
        """Pad a map, ``(n, channels, height, width)``, of any size."""
        height, width = input.shape[2:]
        return F.pad(input, (*self._pads(width), *self._pads(height)))

    def extract(self, size: Size | None = None) -> nn.Module:
        """Return the plain padding of maps of ``size.image`` pixels, of any size if that is 0."""
        size = size or self.active
        if not size.image:
            return ElasticSamePad2d(size.kernel, self.stride)
        pads = padding(size.image, size.kernel, self.stride, "same")
        return nn.ZeroPad2d((*pads, *pads))

    def _pads(self, size: int) -> tuple[int, int]:
        return padding(size, self.active.kernel, self.stride, "same")
