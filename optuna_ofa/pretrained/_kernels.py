"""Smaller depthwise kernels that compute what larger ones do, as nearly as they can."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# elements of the patches that are in memory at once
MAX_ELEMENTS = 2**24
RIDGE = 1e-4


class PatchProducts:
    """Products of the pixels under a depthwise kernel, summed over its positions by channel.

    Args:
        kernel: Kernel size.
        stride: Stride.
        padding: Zeros around a map; 0 where it comes padded.
    """

    def __init__(self, kernel: int, stride: int, padding: int) -> None:
        self._kernel, self._stride, self._padding = kernel, stride, padding
        self._sums: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        """Add the input of the convolution, ``(n, channels, height, width)``."""
        elements = x[0].numel() * self._kernel**2 // self._stride**2
        for part in torch.split(x, max(1, MAX_ELEMENTS // elements)):
            patches = F.unfold(part, self._kernel, padding=self._padding, stride=self._stride)
            by_channel = patches.view(len(part), x.shape[1], self._kernel**2, -1)
            rows = by_channel.permute(1, 2, 0, 3).flatten(2)
            self._sums = self._sums + torch.bmm(rows, rows.transpose(1, 2)).double()

    def fit(self, filters: Tensor, kernel: int) -> Tensor:
        """Return the smaller filters whose outputs differ least from those of larger ones.

        The ridge draws them towards the centre of the larger ones.

        Args:
            filters: The larger filters, ``(channels, 1, larger, larger)``.
            kernel: Size of the smaller ones.

        Returns:
            ``(channels, 1, kernel, kernel)``.
        """
        assert isinstance(self._sums, Tensor)
        edge = (self._kernel - kernel) // 2
        places = torch.arange(self._kernel**2).view(self._kernel, self._kernel)
        centre = places[edge : edge + kernel, edge : edge + kernel].flatten()
        rows = self._sums[:, centre]
        gram, whole = rows[:, :, centre], filters.flatten(1).double().unsqueeze(2)
        scale = gram.diagonal(dim1=1, dim2=2)
        ridge = RIDGE * (scale.mean(1) + scale.mean()) + torch.finfo(torch.float32).tiny
        eye = torch.eye(kernel**2, dtype=gram.dtype) * ridge[:, None, None]
        wanted = rows @ whole + ridge[:, None, None] * whole[:, centre]
        found: Tensor = torch.linalg.solve(gram + eye, wanted)
        return found.view(-1, 1, kernel, kernel).to(filters)
