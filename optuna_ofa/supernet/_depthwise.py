"""Depthwise convolution whose weight gradient is computed by matrix products.

On a CPU, torch's own weight gradient of 5x5 and 7x7 depthwise kernels takes most of a training
step. Each entry of the gradient is a sum over images of products of an input and an output pixel.
On small maps it is cheaper to compute the products of all pairs of pixels, one matrix product per
channel, and then to add up those that belong to an entry.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

# Limits within which this is faster, on maps in channels_last: kernels of at least this size (3x3
# is left to torch), and maps of at most this many pixels per weight of the kernel (14x14 for 7x7).
MIN_KERNEL = 5
MAX_PIXELS_A_WEIGHT = 4


def depthwise_conv2d(x: Tensor, filters: Tensor, stride: int, padding: int) -> Tensor:
    """Convolve each channel with its own filter.

    Args:
        x: ``(n, channels, height, width)``.
        filters: ``(channels, 1, kernel, kernel)``.
        stride: Stride.
        padding: Zeros on each side of the map.
    """
    if _is_faster(x, filters):
        y: Tensor = _DepthwiseConv2d.apply(x, filters, stride, padding)  # type: ignore[no-untyped-call]
        return y
    return F.conv2d(x, filters, None, stride, padding, groups=len(filters))


def _is_faster(x: Tensor, filters: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and filters.shape[-1] >= MIN_KERNEL
        and x.shape[2:].numel() <= MAX_PIXELS_A_WEIGHT * filters.shape[2:].numel()
        and filters.requires_grad
        and torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


class _DepthwiseConv2d(torch.autograd.Function):
    """`torch.nn.functional.conv2d` with another computation of the weight gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, filters: Tensor, stride: int, padding: int) -> Tensor:
        ctx.save_for_backward(x, filters)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, filters, None, stride, padding, groups=len(filters))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        x, filters = ctx.saved_tensors
        gradient = gradients[0]
        of_x = of_filters = None
        if ctx.needs_input_grad[0]:
            of_x = torch.ops.aten.convolution_backward(
                gradient,
                x,
                filters,
                None,
                [ctx.stride] * 2,
                [ctx.padding] * 2,
                [1, 1],
                False,
                [0, 0],
                len(filters),
                [True, False, False],
            )[0]
        if ctx.needs_input_grad[1]:
            of_filters = weight_gradient(x, gradient, filters.shape[-1], ctx.stride, ctx.padding)
        return of_x, of_filters, None, None


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Return the gradient of the filters.

    Args:
        x: Input, ``(n, channels, height, width)``.
        gradient: Gradient of the output, ``(n, channels, out_height, out_width)``.
        kernel: Kernel size.
        stride: Stride.
        padding: Zeros on each side of the map.

    Returns:
        ``(channels, 1, kernel, kernel)``.
    """
    channels = len(x[0])
    # sums over images of each product of an input and an output pixel, for each channel
    products = torch.bmm(_by_channel(x).transpose(1, 2), _by_channel(gradient)).flatten(1)
    height, width = x.shape[2:]
    places, inside = _pairs(height, width, kernel, stride, padding)
    chosen = products.index_select(1, places.flatten()).view(channels, *places.shape)
    filters: Tensor = (chosen * inside).sum(2)
    return filters.view(channels, 1, kernel, kernel)


def _by_channel(x: Tensor) -> Tensor:
    """Return ``(channels, n, pixels)``, contiguous."""
    # as the transpose of a matrix, which is fast if x is in channels_last
    matrix = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    return matrix.t().contiguous().view(x.shape[1], len(x), -1)


@cache
def _pairs(
    height: int, width: int, kernel: int, stride: int, padding: int
) -> tuple[Tensor, Tensor]:
    """Return the index of the product for each filter entry and output pixel, if inside the image.

    Returns:
        Indices into flattened (input pixel, output pixel) pairs, ``(kernel ** 2, out pixels)``,
        and 1 where the input pixel is inside the image, 0 where it is padding.
    """
    offsets = torch.arange(kernel) - padding
    out_height, out_width = ((n + 2 * padding - kernel) // stride + 1 for n in (height, width))
    rows = offsets[:, None] + stride * torch.arange(out_height)  # (kernel, out_height)
    columns = offsets[:, None] + stride * torch.arange(out_width)
    row = rows[:, None, :, None].expand(kernel, kernel, out_height, out_width)
    column = columns[None, :, None, :].expand(kernel, kernel, out_height, out_width)
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    pixel = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    output = torch.arange(out_height * out_width).view(out_height, out_width)
    places = pixel * (out_height * out_width) + output
    return places.reshape(kernel**2, -1), inside.reshape(kernel**2, -1).float()
