"""Fits from sums equal fits from the samples themselves."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from optuna_ofa.pretrained._elimination import elimination_order
from optuna_ofa.pretrained._kernels import PatchProducts
from optuna_ofa.pretrained._moments import Moments, Normal


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def samples() -> tuple[Tensor, Tensor]:
    """Correlated features with means, and targets that are nearly linear in them."""
    features = drawn(300, 6) @ (torch.eye(6) + 0.3 * drawn(6, 6, seed=1)) + 2
    return features, features @ drawn(6, 3, seed=2) + drawn(300, 3, seed=3) + 5


def normal_of(features: Tensor, targets: Tensor, weights: Tensor | None = None) -> Normal:
    moments = Moments()
    for x, y in zip(features.split(70), targets.split(70), strict=True):
        moments.add(x, y)
    zero = torch.zeros(features.shape[1], targets.shape[1])
    return moments.normal(zero if weights is None else weights)


def fitted(features: Tensor, targets: Tensor) -> Tensor:
    x, y = features - features.mean(0), targets - targets.mean(0)
    return torch.linalg.lstsq(x, y).solution


def error(features: Tensor, targets: Tensor) -> float:
    x, y = features - features.mean(0), targets - targets.mean(0)
    return float((x @ fitted(features, targets) - y).square().sum())


@pytest.mark.parametrize("n", [2, 6])
def test_solution_equals_least_squares(n: int) -> None:
    features, targets = samples()
    found = normal_of(features, targets).solution(n)
    expected = fitted(features[:, :n], targets)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_features_without_variance_keep_the_given_weights() -> None:
    features, targets = samples()
    features[:, 4] = 7
    given = drawn(6, 3, seed=4)
    found = normal_of(features, targets, given).solution(6)
    torch.testing.assert_close(found[4], given[4])


def test_constant_features_keep_all_weights() -> None:
    given = drawn(6, 3, seed=4)
    found = normal_of(torch.full((300, 6), 3.0), torch.ones(300, 3), given).solution(6)
    torch.testing.assert_close(found, given)


@pytest.mark.parametrize("group", [1, 2])
def test_each_removed_channel_is_the_one_whose_loss_is_least(group: int) -> None:
    features, targets = samples()
    order = elimination_order(normal_of(features, targets), n_kept=1, group=group)
    alive = list(range(6 // group))
    for removed in reversed(order.tolist()[1:]):
        errors = {}
        for channel in alive:
            rest = [i for c in alive if c != channel for i in range(c * group, (c + 1) * group)]
            errors[channel] = error(features[:, rest], targets)
        assert removed == min(errors, key=lambda channel: errors[channel])
        alive.remove(removed)


def test_channels_that_all_widths_have_are_sorted_only() -> None:
    features, targets = samples()
    order = elimination_order(normal_of(features, targets), n_kept=4)
    assert sorted(order.tolist()) == list(range(6))
    removed_last = elimination_order(normal_of(features, targets), n_kept=1)[4:]
    assert set(order[4:].tolist()) == set(removed_last.tolist())


@pytest.mark.parametrize(("stride", "padding"), [(1, 2), (2, 2), (2, 0)])
def test_smaller_kernel_equals_least_squares(stride: int, padding: int) -> None:
    x, filters = drawn(6, 2, 11, 11), drawn(2, 1, 5, 5, seed=1)
    products = PatchProducts(5, stride, padding)
    for part in x.split(4):
        products.add(part)
    found = products.fit(filters, 3)
    edge = max(padding - 1, 0)
    inner = x if padding else x[:, :, 1:-1, 1:-1]
    for channel in range(2):
        wanted = F.conv2d(
            x[:, channel : channel + 1], filters[channel : channel + 1], None, stride, padding
        )
        patches = F.unfold(inner[:, channel : channel + 1], 3, padding=edge, stride=stride)
        rows = patches.transpose(1, 2).flatten(0, 1)
        expected = torch.linalg.lstsq(rows, wanted.flatten()[:, None]).solution
        torch.testing.assert_close(found[channel].flatten(), expected[:, 0], rtol=0.01, atol=0.01)
