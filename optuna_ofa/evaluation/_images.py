"""Images and labels of a loader."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import torch
from torch import Tensor

from optuna_ofa._arguments import Positive, Seed, checked
from optuna_ofa._loaders import Loader as Loader, has_batches
from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Family
from optuna_ofa.supernet import check_batch, check_images
from optuna_ofa.training import seeded

Batches = Annotated[
    Iterable[Any],
    Instead("batches of images, alone or with labels, such as a torch DataLoader", has_batches),
]


@checked
def take_images(loader: Batches, n: Positive = 2_000, *, seed: Seed = 0) -> Tensor:
    """Return the first images of a loader, to recalibrate all subnets with the same ones.

    The statistics of a subnet depend on the images, so take them once, from training images
    without augmentation, and pass the tensor on::

        calibration = take_images(train_loader)
        settings = EvaluationSettings(calibration=calibration)

    Random generators of python, numpy and torch, and those of the loader and its samplers, are
    seeded meanwhile and as before afterwards: a `torch.utils.data.DataLoader` that shuffles gives
    the same images to every process that takes them.

    Args:
        loader: Batches of images ``(n, channels, size, size)`` in float32, normalised as in
            training, alone or with labels.
        n: Number of images; all if the loader has fewer.
        seed: Decides which images a loader that shuffles gives.

    Returns:
        ``(n, channels, size, size)`` images on the CPU.

    Raises:
        InvalidArgumentError: If ``n`` is not positive, or the loader is empty or gives something
            else, or images of several sizes.
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
        argument: The user's name of the loader, for messages.
        seed: Seed of the random generators meanwhile.
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
    """Seed the global generators and those of a loader; all are as before at the end."""
    samplers = [getattr(loader, name, None) for name in ("sampler", "batch_sampler")]
    found = (getattr(part, "generator", None) for part in (loader, *samplers))
    generators = [g for g in found if isinstance(g, torch.Generator)]
    states = [g.get_state() for g in generators]
    try:
        with seeded(seed % 2**32):  # numpy takes no larger one
            for generator in generators:
                generator.manual_seed(seed)
            yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def batches(
    loader: Loader, family: Family, resolution: int, weights: torch.dtype = torch.float32
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield checked batches for a resolution; images are not resized yet.

    Args:
        loader: The loader, or a function of a resolution that returns one.
        family: The family that images and labels must fit.
        resolution: The argument of a function.
        weights: Type of the network's weights, which images may have.

    Raises:
        InvalidArgumentError: If the loader has no batch, or one that does not fit the family.
    """
    i = -1
    for i, batch in enumerate(opened(loader, resolution, "loader")):
        yield check_batch(batch, family, "`loader` must give", f"batch {i}", weights)
    if i < 0:
        raise InvalidArgumentError("`loader` must give at least one image, but is empty.")


def is_function(loader: object) -> bool:
    """Return whether an object makes loaders for resolutions, rather than being one."""
    return callable(loader) and not isinstance(loader, Iterable)


def opened(loader: Loader, resolution: int, argument: str) -> Iterable[Any]:
    """Return the loader for a resolution.

    Args:
        loader: The loader, or a function of a resolution that returns one.
        resolution: The argument of a function.
        argument: The user's name of the loader, for messages.

    Raises:
        InvalidArgumentError: If it is none, or can be read once only.
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
