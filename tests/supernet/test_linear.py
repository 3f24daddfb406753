"""The elastic linear layer equals a plain one with hand-sliced weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from optuna_ofa.supernet._elastic import Size
from optuna_ofa.supernet._linear import ElasticLinear


@pytest.mark.parametrize("n_in", [3, 6], ids=["part", "all"])
def test_forward_uses_the_first_features(n_in: int) -> None:
    linear = ElasticLinear(6, 4)
    linear.active = Size(n_in, 4)
    x = torch.randn(2, n_in)
    torch.testing.assert_close(linear(x), F.linear(x, linear.weight[:, :n_in], linear.bias))


def test_extracted_layer_equals_active() -> None:
    linear = ElasticLinear(6, 4)
    linear.active = Size(3, 4)
    x = torch.randn(2, 3)
    torch.testing.assert_close(linear.extract()(x), linear(x))


def test_extracted_bias_is_a_copy() -> None:
    linear = ElasticLinear(6, 4)
    before = linear.bias.detach().clone()
    linear.extract().bias.data.fill_(7)
    torch.testing.assert_close(linear.bias.detach(), before)
