"""Networks as they are evaluated: recalibrated, with folded batch normalisation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from optuna_ofa import SearchSpace, Supernet
from optuna_ofa.evaluation import _score, recalibrate


@pytest.fixture
def networks(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The networks that are evaluated, before their batch normalisation is folded."""
    found: list[nn.Module] = []

    def note(net: nn.Module, *arguments: Any) -> None:
        found.append(net)
        recalibrate(net, *arguments)

    monkeypatch.setattr(_score, "set_statistics", note)
    return found


@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        ("ofa_mbv3_w1.0", 64),
        ("ofa_resnet50", 64),
        ("ofa_proxyless_w1.3", 64),
        ("ofa_mbv3_fashion", 28),
    ],
)
def test_no_batch_normalisation_is_left_and_logits_are_the_same(
    name: str, resolution: int, networks: list[nn.Module]
) -> None:
    space = SearchSpace(name, resolution=resolution)
    torch.manual_seed(0)
    supernet = Supernet(space.family)
    (subnet,) = space.from_matrix(space.sample(1, seed=3))
    plain = supernet.extract(subnet).eval()
    first = next(m for m in plain.modules() if isinstance(m, nn.Conv2d))
    images = torch.randn(40, first.in_channels, resolution, resolution)
    recalibrate(plain, images)
    folded = _score._network(supernet, subnet, images, torch.device("cpu"))
    (net,) = networks
    assert not [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        expected, logits = plain(images), folded(images)
    torch.testing.assert_close(logits, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert not torch.equal(logits, expected)


def test_sixteen_bits_are_not_folded(
    trained: Supernet, space: SearchSpace, networks: list[nn.Module]
) -> None:
    images = torch.randn(40, 3, 32, 32)
    _score._network(trained.bfloat16(), space.largest(), images, torch.device("cpu"))
    assert [m for m in networks[0].modules() if isinstance(m, nn.BatchNorm2d)]
