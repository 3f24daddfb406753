"""Elastic batch normalisation equals a plain one with hand-sliced tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_ofa.supernet._batch_norm import ElasticBatchNorm2d
from optuna_ofa.supernet._elastic import Size

PARTS = pytest.mark.parametrize("channels", [3, 8], ids=["part", "all"])


def elastic(channels: int, momentum: float | None = 0.1) -> ElasticBatchNorm2d:
    torch.manual_seed(0)
    norm = ElasticBatchNorm2d(8, 1e-3)
    norm.momentum = momentum
    for name in ("weight", "bias", "running_mean", "running_var"):
        nn.init.uniform_(getattr(norm, name), 0.5, 1.5)
    norm.active = Size(channels, channels)
    return norm


def plain(norm: ElasticBatchNorm2d, channels: int) -> nn.BatchNorm2d:
    sliced = nn.BatchNorm2d(channels, 1e-3, norm.momentum)
    state = norm.state_dict()
    sliced.load_state_dict({k: v[:channels] if v.ndim else v for k, v in state.items()})
    return sliced


@PARTS
def test_eval_uses_sliced_statistics(channels: int) -> None:
    norm = elastic(channels).eval()
    x = torch.randn(4, channels, 5, 5)
    torch.testing.assert_close(norm(x), plain(norm, channels).eval()(x))


@PARTS
@pytest.mark.parametrize("momentum", [0.1, None], ids=["moving", "cumulative"])
def test_training_updates_the_active_statistics(channels: int, momentum: float | None) -> None:
    norm = elastic(channels, momentum)
    expected = plain(norm, channels)
    for x in torch.randn(2, 4, channels, 5, 5):
        torch.testing.assert_close(norm(x), expected(x))
    torch.testing.assert_close(plain(norm, channels).state_dict(), expected.state_dict())


def test_training_leaves_the_other_statistics() -> None:
    norm = elastic(3)
    before = {k: v.clone() for k, v in norm.state_dict().items() if v.ndim}
    norm(torch.randn(4, 3, 5, 5))
    for name, value in before.items():
        torch.testing.assert_close(norm.state_dict()[name][3:], value[3:])


def test_eval_changes_nothing() -> None:
    norm = elastic(3).eval()
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    norm(torch.randn(4, 3, 5, 5))
    torch.testing.assert_close(dict(norm.state_dict()), before)


def test_extracted_layer_has_the_sliced_tensors() -> None:
    norm = elastic(3)
    norm(torch.randn(4, 3, 5, 5))
    extracted = norm.extract()
    torch.testing.assert_close(extracted.state_dict(), plain(norm, 3).state_dict())
    assert (extracted.eps, extracted.momentum) == (1e-3, 0.1)


def test_extracted_statistics_are_copies() -> None:
    norm = elastic(3)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    norm.extract()(torch.randn(4, 3, 5, 5))
    torch.testing.assert_close(dict(norm.state_dict()), before)
