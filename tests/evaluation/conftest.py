"""A small family, and images whose class is the quadrant that is bright."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa import Supernet, get_family
from optuna_ofa.space import Family, Head, SearchSpace, Stage, Stem
from optuna_ofa.supernet import resize_images

FAMILY = replace(
    get_family("ofa_mbv3_w1.0"),
    name="quadrants",
    aliases=(),
    resolutions=(16, 24, 32),
    stem=Stem((8,), (8,), act="h_swish"),
    stages=(
        Stage((16,), 2, "relu", depths=(1, 2)),
        Stage((24,), 2, "h_swish", use_se=True, depths=(1, 2)),
    ),
    head=Head(32, 48, act="h_swish", n_classes=4),
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Small networks are faster so, and give the same numbers every time."""


def quadrants(n: int, *, size: int = 32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise with one bright quadrant, ``(n, 3, size, size)``, and which one it is, ``(n,)``."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (n,), generator=rng)
    images = torch.randn(n, 3, size, size, generator=rng)
    half = size // 2
    for image, label in zip(images, labels.tolist(), strict=True):
        y, x = divmod(label, 2)
        image[:, y * half : (y + 1) * half, x * half : (x + 1) * half] += 1.5
    return images, labels


def loader_of(n: int, *, batch_size: int = 50, size: int = 32, seed: int = 0) -> DataLoader:
    """The images in their order."""
    return DataLoader(TensorDataset(*quadrants(n, size=size, seed=seed)), batch_size=batch_size)


@pytest.fixture(scope="session")
def family() -> Family:
    return FAMILY


@pytest.fixture(scope="session")
def space(family: Family) -> SearchSpace:
    return SearchSpace(family)


@pytest.fixture(scope="session")
def make_loader() -> Callable[..., DataLoader]:
    return loader_of


@pytest.fixture
def supernet(family: Family) -> Supernet:
    """A supernet with random weights."""
    torch.manual_seed(0)
    return Supernet(family)


@pytest.fixture(scope="session")
def _trained_state(family: Family, space: SearchSpace) -> dict[str, Tensor]:
    torch.manual_seed(0)
    supernet = Supernet(family)
    # With this rate every seed ends near 100 %; a larger one leaves it to rounding errors.
    optimizer = torch.optim.SGD(supernet.parameters(), lr=0.03, momentum=0.9)
    images, labels = quadrants(1024, seed=1)
    for step, row in enumerate(space.from_matrix(space.sample(40, seed=0))):
        batch = torch.arange(step * 48, step * 48 + 48) % len(images)
        optimizer.zero_grad()
        for subnet in (
            space.largest(),
            space.subnet(depth=1, kernel=3, expand=3, resolution=row.resolution),
            row,
        ):
            supernet.activate(subnet)
            x = resize_images(images[batch], subnet.resolution)
            torch.nn.functional.cross_entropy(supernet(x), labels[batch]).backward()
        optimizer.step()
    return supernet.state_dict()


@pytest.fixture
def trained(family: Family, _trained_state: dict[str, Tensor]) -> Supernet:
    """A supernet after a few steps, with the statistics that training left."""
    supernet = Supernet(family)
    supernet.load_state_dict(_trained_state)
    return supernet
