"""Images and labels of a loader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, SequentialSampler, Subset

from optuna_ofa._arguments import Positive, Seed, checked
from optuna_ofa._loaders import Loader as Loader, has_batches
from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import check_batch, check_images
from optuna_ofa.training import seeded

_SEED = 0  # of passes that must all have the same order

Batches = Annotated[
    Iterable[Any],
    Instead("batches of images, alone or with labels, such as a torch DataLoader", has_batches),
]


@checked
def take_images(loader: Batches, n: Positive = 2_000, *, seed: Seed = 0) -> Tensor:
    """Return the first images of a loader, so that all subnets are recalibrated with the same ones.

    The statistics of a subnet depend on the images, so take them once, from training images
    without augmentation, and reuse the tensor::

        calibration = take_images(train_loader)
        settings = EvaluationSettings(calibration=calibration)

    Random generators of python, numpy and torch, and those of the loader and its samplers, are
    seeded for this call and restored afterwards: a `torch.utils.data.DataLoader` that shuffles
    gives the same images in every process.

    Args:
        loader: Batches of images ``(n, channels, size, size)`` in float32, normalised as in
            training, alone or with labels.
        n: Number of images; all if the loader has fewer.
        seed: Determines which images a shuffling loader gives.

    Returns:
        ``(n, channels, size, size)`` images on the CPU.

    Raises:
        InvalidArgumentError: If ``n`` is not positive, the loader is empty, or it gives images of
            several sizes or anything else.
    """
    found = first_batches(loader, n, "loader", seed)
    sizes = {tuple(images.shape[1:]) for images in found}
    if len(sizes) > 1:
        raise InvalidArgumentError(
            f"`loader` must give images of one size, resized by its transform, but gave "
            f"{sorted(sizes)}."
        )
    return torch.cat(found)


def first_batches(loader: Iterable[Any], n: int, argument: str, seed: int) -> list[Tensor]:
    """Return the first ``n`` images of a loader in batches, or all if it has fewer, on the CPU.

    Args:
        loader: Batches of images, alone or with labels.
        n: Number of images.
        argument: The user's name for the loader, for messages.
        seed: Seed of the random generators while reading.
    """
    rule = f"`{argument}` must give"
    found: list[Tensor] = []
    n_found = 0
    with _seeded_loader(loader, seed):
        for i, batch in enumerate(loader):
            images = batch[0] if isinstance(batch, list | tuple) and batch else batch
            if not isinstance(images, Tensor):
                raise InvalidArgumentError(
                    f"{rule} tensors of images, alone or with labels, but batch {i} has a "
                    f"{type(images).__name__}."
                )
            check_images(images, rule, f"batch {i}")
            found.append(images[: n - n_found].cpu())
            n_found += len(found[-1])
            if n_found >= n:
                break
    if not found:
        raise InvalidArgumentError(f"{rule} at least one image, but is empty.")
    return found


@contextlib.contextmanager
def _seeded_loader(loader: object, seed: int) -> Iterator[None]:
    """Seed the global generators and those of a loader; restore all of them at the end."""
    samplers = [getattr(loader, name, None) for name in ("sampler", "batch_sampler")]
    found = (getattr(part, "generator", None) for part in (loader, *samplers))
    generators = [g for g in found if isinstance(g, torch.Generator)]
    states = [g.get_state() for g in generators]
    try:
        with seeded(seed % 2**32):  # numpy accepts no larger seed
            for generator in generators:
                generator.manual_seed(seed)
            yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def batches(
    loader: Loader,
    family: Family,
    resolution: int,
    weights: torch.dtype = torch.float32,
    *,
    seeded: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield checked batches for a resolution; images are not resized yet.

    Args:
        loader: The loader, or a function of a resolution that returns one.
        family: The family that images and labels must fit.
        resolution: The argument if ``loader`` is a function.
        weights: Type of the network's weights, which is also allowed for images.
        seeded: Whether a loader that shuffles is to give the same order every time.

    Raises:
        InvalidArgumentError: If the loader has no batch, or one that does not fit the family.
    """
    found, i = opened(loader, resolution, "loader"), -1
    with _seeded_loader(found, _SEED) if seeded else contextlib.nullcontext():
        for i, batch in enumerate(found):
            yield check_batch(batch, family, "`loader` must give", f"batch {i}", weights)
    if i < 0:
        raise InvalidArgumentError("`loader` must give at least one image, but is empty.")


def batches_at(
    positions: NDArray[np.int64],
    loader: Loader,
    family: Family,
    resolution: int,
    weights: torch.dtype = torch.float32,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the images at some positions of a pass over a loader, in order.

    Of a torch DataLoader that does not shuffle only these are read, of any other all before the
    last of them.

    Args:
        positions: ``(n,)`` ascending positions.
        loader: As in `batches`, like all further arguments.
        family: The family.
        resolution: The resolution.
        weights: The type.
    """
    found = opened(loader, resolution, "loader")
    if (subset := _subset(found, positions)) is not None:
        yield from batches(subset, family, resolution, weights, seeded=True)
        return
    start = 0
    for images, labels in batches(found, family, resolution, weights, seeded=True):
        first, last = np.searchsorted(positions, (start, start + len(labels)))
        if last > first:
            own = torch.from_numpy(positions[first:last] - start)
            yield images[own], labels[own]
        if last == len(positions):
            return
        start += len(labels)


def _subset(loader: Iterable[Any], positions: NDArray[np.int64]) -> DataLoader[Any] | None:
    """Return a loader of some images of one that does not shuffle; None for any other."""
    if type(loader) is not DataLoader or type(loader.sampler) is not SequentialSampler:
        return None
    if loader.batch_size is None:
        return None
    return DataLoader(
        Subset(loader.dataset, positions.tolist()),
        loader.batch_size,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
    )


def is_function(loader: object) -> bool:
    """Return whether an object is a function that makes loaders, rather than a loader."""
    return callable(loader) and not isinstance(loader, Iterable)


def opened(loader: Loader, resolution: int, argument: str) -> Iterable[Any]:
    """Return the loader for a resolution.

    Args:
        loader: The loader, or a function of a resolution that returns one.
        resolution: The argument if ``loader`` is a function.
        argument: The user's name for the loader, for messages.

    Raises:
        InvalidArgumentError: If it is not a loader, or can be read only once.
    """
    found = loader
    if callable(loader) and is_function(loader):
        found = loader(resolution)
    if isinstance(found, Iterable) and not (found is loader and isinstance(found, Iterator)):
        return found
    raise InvalidArgumentError(
        f"`{argument}` must give batches of images and labels every time it is read, or be a "
        f"function of a resolution that returns such a loader, but got {type(found).__name__}."
    )
