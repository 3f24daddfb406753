"""Elastic squeeze-and-excitation equals one written out with hand-sliced weights."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from optuna_ofa.costs import se_channels
from optuna_ofa.supernet._elastic import Size
from optuna_ofa.supernet._squeeze_excite import ElasticSqueezeExcite


@pytest.mark.parametrize(
    ("channels", "mid"), [(64, 16), (40, 16), (72, 24), (8, 8)], ids=lambda value: str(value)
)
def test_squeezed_channels_are_divisible_by_8(channels: int, mid: int) -> None:
    assert se_channels(channels) == mid


@pytest.mark.parametrize("channels", [40, 64], ids=["part", "all"])
def test_forward_uses_the_first_channels(channels: int) -> None:
    module = ElasticSqueezeExcite(64)
    module.active = Size(channels, channels)
    state, mid = module.state_dict(), se_channels(channels)
    x = torch.randn(2, channels, 5, 5)
    reduce, expand = state["fc.reduce.weight"][:mid, :channels, 0, 0], state["fc.expand.weight"]
    y = F.linear(x.mean((2, 3)), reduce, state["fc.reduce.bias"][:mid]).clamp(min=0)
    y = F.linear(y, expand[:channels, :mid, 0, 0], state["fc.expand.bias"][:channels])
    gate = (y + 3).clamp(0, 6) / 6
    torch.testing.assert_close(module(x), x * gate[:, :, None, None])


def test_extracted_module_equals_active() -> None:
    module = ElasticSqueezeExcite(64)
    module.active = Size(40, 40)
    x = torch.randn(2, 40, 5, 5)
    torch.testing.assert_close(module.extract()(x), module(x))


def test_extracted_weights_are_copies() -> None:
    module = ElasticSqueezeExcite(64)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    for parameter in module.extract().parameters():
        parameter.data.fill_(0)
    torch.testing.assert_close(dict(module.state_dict()), before)


@pytest.mark.parametrize("channels", [40, 64], ids=["part", "all"])
def test_efficientnets_has_fixed_squeezed_channels_silu_and_sigmoid(channels: int) -> None:
    module = ElasticSqueezeExcite(64, 6)
    module.active = Size(channels, channels)
    state, x = module.state_dict(), torch.randn(2, channels, 5, 5)
    y = F.linear(
        x.mean((2, 3)), state["fc.reduce.weight"][:, :channels, 0, 0], state["fc.reduce.bias"]
    )
    y = y / (1 + torch.exp(-y))
    y = F.linear(
        y, state["fc.expand.weight"][:channels, :, 0, 0], state["fc.expand.bias"][:channels]
    )
    expected = x / (1 + torch.exp(-y))[:, :, None, None]
    torch.testing.assert_close(module(x), expected)
    torch.testing.assert_close(module.extract()(x), expected)
