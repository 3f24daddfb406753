"""The gradient of depthwise filters by matrix products equals torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from optuna_ofa.supernet import _depthwise
from optuna_ofa.supernet._depthwise import depthwise_conv2d, weight_gradient

# kernel, height, width, stride, padding
CASES = [
    (5, 7, 7, 1, 2),
    (3, 9, 6, 1, 1),
    (7, 4, 4, 1, 3),
    (7, 10, 10, 2, 3),
    (5, 5, 8, 2, 2),
    (3, 1, 1, 1, 1),
    (5, 11, 8, 2, 0),
    (7, 8, 7, 1, 0),
]


def inputs(kernel: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 8, height, width, generator=generator, dtype=torch.float64)
    filters = torch.randn(8, 1, kernel, kernel, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), filters.requires_grad_()


@pytest.mark.parametrize(("kernel", "height", "width", "stride", "padding"), CASES)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_weight_gradient_equals_autograd(
    kernel: int, height: int, width: int, stride: int, padding: int, layout: torch.memory_format
) -> None:
    x, filters = inputs(kernel, height, width)
    x = x.detach().to(memory_format=layout)
    y = F.conv2d(x, filters, None, stride, padding, groups=8)
    gradient = torch.randn_like(y)
    y.backward(gradient)
    found = weight_gradient(x, gradient, kernel, stride, padding)
    torch.testing.assert_close(found, filters.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("stride", "padding"), [(1, 2), (2, 2), (2, 0)])
def test_gradients_by_differences(stride: int, padding: int) -> None:
    x, filters = inputs(5, 6, 6)
    assert _depthwise._is_faster(x, filters)
    assert torch.autograd.gradcheck(depthwise_conv2d, (x, filters, stride, padding))


@pytest.mark.parametrize(
    ("kernel", "size", "special"),
    [(5, 10, True), (7, 14, True), (3, 4, False), (5, 11, False), (7, 15, False)],
    ids=["5x5", "7x7", "small-kernel", "5x5-large-map", "7x7-large-map"],
)
def test_is_used_for_large_kernels_on_small_maps(kernel: int, size: int, special: bool) -> None:
    x, filters = inputs(kernel, size, size)
    node = depthwise_conv2d(x, filters, 1, kernel // 2).grad_fn
    assert (type(node).__name__ == "_DepthwiseConv2dBackward") == special


def test_is_not_used_without_gradients() -> None:
    x, filters = inputs(5, 6, 6)
    assert not _depthwise._is_faster(x, filters.detach())
    with torch.no_grad():
        assert not _depthwise._is_faster(x, filters)
