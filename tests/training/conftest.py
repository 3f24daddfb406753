"""A tiny family and images that are told apart at a glance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from optuna_ofa.space import Family, SearchSpace, mobilenet_v3_small_images
from optuna_ofa.supernet import Supernet

Loader = DataLoader[tuple[torch.Tensor, ...]]


@pytest.fixture(scope="session", autouse=True)
def _one_thread(one_thread: None) -> None:
    """Small networks are faster so, and give the same numbers on every machine."""


@pytest.fixture(scope="session")
def family() -> Family:
    return mobilenet_v3_small_images(
        "tiny", width=0.5, n_classes=4, in_channels=1, resolutions=(8, 12)
    )


@pytest.fixture(scope="session")
def space(family: Family) -> SearchSpace:
    return SearchSpace(family)


@pytest.fixture(scope="session")
def make_supernet(family: Family) -> Callable[..., Supernet]:
    """Supernets with the same random weights."""

    def make(dropout: float = 0.0) -> Supernet:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Supernet(family, dropout=dropout)

    return make


@pytest.fixture(scope="session")
def dataset() -> TensorDataset:
    """Images of 12x12 pixels; the class is the bright quadrant."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(4, (96,), generator=generator)
    images = torch.randn(96, 1, 12, 12, generator=generator)
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[:, 6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += 2
    return TensorDataset(images, labels)


@pytest.fixture
def loader(dataset: TensorDataset) -> Loader:
    """Three shuffled batches of 32 an epoch."""
    return DataLoader(dataset, batch_size=32, shuffle=True)
