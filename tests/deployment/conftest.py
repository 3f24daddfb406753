"""A supernet that is small, but whose subnets share and transform weights as the large ones do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from optuna_ofa import Supernet, get_family
from optuna_ofa.evaluation import recalibrate
from optuna_ofa.space import Family, Head, SearchSpace, Stage, Stem, Subnet
from optuna_ofa.supernet import resize_images

TINY = replace(
    get_family("ofa_mbv3_w1.0"),
    name="tiny",
    aliases=(),
    resolutions=(16, 24),
    stem=Stem((8,), (8,), act="h_swish"),
    stages=(
        Stage((16,), 2, "relu", depths=(1, 2)),
        Stage((24,), 2, "h_swish", use_se=True, depths=(1, 2)),
    ),
    head=Head(32, 48, act="h_swish", n_classes=4),
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Small networks are faster so, and give the same numbers on every machine."""


def random_supernet(family: Family, *, own_projections: bool = False) -> Supernet:
    """Weights and kernel transforms of which none is as it was initialised."""
    rng = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        supernet = Supernet(family, own_projections=own_projections)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng) * 0.1)
    return supernet


@pytest.fixture(scope="session")
def supernet() -> Supernet:
    return random_supernet(TINY)


@pytest.fixture(scope="session")
def own_supernet() -> Supernet:
    """One whose smaller choices have projections and kernels of their own."""
    return random_supernet(TINY, own_projections=True)


@pytest.fixture(scope="session")
def subnet() -> Subnet:
    return SearchSpace(TINY).smallest()


@pytest.fixture(scope="session")
def calibration() -> Tensor:
    """Images that are larger than the resolutions."""
    return torch.randn(40, 3, 32, 32, generator=torch.Generator().manual_seed(1)) + 1


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Images at the resolution of the smallest subnet."""
    return torch.randn(64, 3, 16, 16, generator=torch.Generator().manual_seed(2)) + 1


def recalibrated(supernet: Supernet, subnet: Subnet, calibration: Tensor) -> nn.Module:
    """The network that is to be deployed, made by hand."""
    net = supernet.extract(subnet).eval()
    recalibrate(net, resize_images(calibration, subnet.resolution))
    return net


@pytest.fixture(scope="session")
def expected(supernet: Supernet, subnet: Subnet, calibration: Tensor) -> nn.Module:
    return recalibrated(supernet, subnet, calibration)
