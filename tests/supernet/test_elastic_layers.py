"""Elastic layers equal plain ones with hand-sliced weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from optuna_ofa.supernet._elastic import Size
from optuna_ofa.supernet._elastic_layers import ElasticConv2d, ElasticDepthwiseConv2d, ElasticLinear


def depthwise(kernels: tuple[int, ...] = (3, 5, 7), stride: int = 1) -> ElasticDepthwiseConv2d:
    torch.manual_seed(0)
    conv = ElasticDepthwiseConv2d(8, kernels, stride)
    for name, parameter in conv.named_parameters():
        if name.endswith("_matrix"):
            torch.nn.init.normal_(parameter)
    return conv


def shrink(filters: Tensor, matrix: Tensor, edge: int = 1) -> Tensor:
    """The kernel transform, one channel at a time."""
    n, side = len(filters), filters.shape[-1] - 2 * edge
    rows = [filters[i, 0, edge:-edge, edge:-edge].reshape(-1) @ matrix.T for i in range(n)]
    return torch.stack(rows).reshape(n, 1, side, side)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [(2, 3), (4, 6)], ids=["part", "all"])
def test_conv_equals_sliced_conv(size: tuple[int, int], kernel: int, stride: int) -> None:
    conv = ElasticConv2d(4, 6, kernel, stride)
    conv.active = Size(*size, kernel)
    n_in, n_out = size
    x = torch.randn(2, n_in, 9, 9)
    expected = F.conv2d(x, conv.weight[:n_out, :n_in], stride=stride, padding=kernel // 2)
    torch.testing.assert_close(conv(x), expected)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("channels", [3, 8])
def test_depthwise_filters_are_the_transformed_centre(channels: int, kernel: int) -> None:
    conv = depthwise()
    expected = conv.weight[:channels]
    if kernel < 7:
        expected = shrink(expected, conv.get_parameter("7to5_matrix"))
    if kernel < 5:
        expected = shrink(expected, conv.get_parameter("5to3_matrix"))
    torch.testing.assert_close(conv.filters(Size(channels, channels, kernel)), expected)


def test_depthwise_forward_uses_the_active_filters() -> None:
    conv = depthwise(stride=2)
    conv.active = Size(3, 3, 5)
    x = torch.randn(2, 3, 9, 9)
    expected = F.conv2d(x, conv.filters(conv.active), stride=2, padding=2, groups=3)
    torch.testing.assert_close(conv(x), expected)


def test_depthwise_starts_as_the_centre_crop() -> None:
    conv = ElasticDepthwiseConv2d(2, (3, 5, 7))
    torch.testing.assert_close(conv.filters(Size(2, 2, 3)), conv.weight[:, :, 2:5, 2:5])


@pytest.mark.parametrize(
    ("kernels", "names"),
    [((3,), set()), ((3, 5), {"5to3_matrix"}), ((7, 3), {"7to3_matrix"})],
    ids=str,
)
def test_depthwise_has_a_matrix_between_neighbouring_kernels(
    kernels: tuple[int, ...], names: set[str]
) -> None:
    conv = depthwise(kernels)
    assert set(conv.state_dict()) == {"weight", *names}


def test_depthwise_skips_a_kernel_size_that_is_no_choice() -> None:
    conv = depthwise((3, 7))
    expected = shrink(conv.weight, conv.get_parameter("7to3_matrix"), edge=2)
    torch.testing.assert_close(conv.filters(Size(8, 8, 3)), expected)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_extracted_depthwise_equals_active(kernel: int) -> None:
    conv = depthwise(stride=2)
    conv.active = Size(5, 5, kernel)
    x = torch.randn(2, 5, 9, 9)
    torch.testing.assert_close(conv.extract()(x), conv(x))


def test_extracted_conv_equals_active() -> None:
    conv = ElasticConv2d(4, 6, 3, 2)
    conv.active = Size(2, 3, 3)
    x = torch.randn(2, 2, 9, 9)
    torch.testing.assert_close(conv.extract()(x), conv(x))


@pytest.mark.parametrize("conv", [ElasticConv2d(4, 4, 3), depthwise()], ids=["conv", "depthwise"])
def test_extracted_weight_is_a_copy(conv: ElasticConv2d | ElasticDepthwiseConv2d) -> None:
    before = conv.weight.detach().clone()
    plain = conv.extract()
    with torch.no_grad():
        plain.weight.fill_(0)
    torch.testing.assert_close(conv.weight.detach(), before)


def test_extracted_weight_is_a_leaf_that_can_be_trained() -> None:
    weight = ElasticConv2d(4, 6).extract(Size(2, 3)).weight
    assert weight.is_leaf
    assert weight.requires_grad


def test_extract_of_a_given_size_leaves_the_active_one() -> None:
    conv = ElasticConv2d(4, 6)
    assert conv.extract(Size(2, 3)).weight.shape == (3, 2, 1, 1)
    assert conv.active == Size(4, 6)


def test_only_active_weights_get_gradients() -> None:
    conv = ElasticConv2d(4, 6)
    conv.active = Size(2, 3)
    conv(torch.randn(1, 2, 4, 4)).sum().backward()
    assert conv.weight.grad is not None
    assert conv.weight.grad[:3, :2].abs().min() > 0
    assert conv.weight.grad.count_nonzero() == 6


@pytest.mark.parametrize("n_in", [3, 6], ids=["part", "all"])
def test_linear_forward_uses_the_first_features(n_in: int) -> None:
    linear = ElasticLinear(6, 4)
    linear.active = Size(n_in, 4)
    x = torch.randn(2, n_in)
    torch.testing.assert_close(linear(x), F.linear(x, linear.weight[:, :n_in], linear.bias))


def test_linear_extracted_layer_equals_active() -> None:
    linear = ElasticLinear(6, 4)
    linear.active = Size(3, 4)
    x = torch.randn(2, 3)
    torch.testing.assert_close(linear.extract()(x), linear(x))


def test_linear_extracted_bias_is_a_copy() -> None:
    linear = ElasticLinear(6, 4)
    before = linear.bias.detach().clone()
    linear.extract().bias.data.fill_(7)
    torch.testing.assert_close(linear.bias.detach(), before)


class Calls(TorchFunctionMode):
    """Notes which functions of torch are called."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[object] = set()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.seen.add(func)
        return func(*args, **(kwargs or {}))


def test_matrices_begin_as_the_identity() -> None:
    """Without `torch.eye`, which imports torch's compiler on the device of shapes without data."""
    with Calls() as calls:
        conv = ElasticDepthwiseConv2d(8, (3, 5, 7))
    assert torch.zeros in calls.seen
    assert torch.eye not in calls.seen
    for name, n in (("7to5_matrix", 25), ("5to3_matrix", 9)):
        assert torch.equal(conv.get_parameter(name), torch.eye(n))
