"""Evaluating several networks in one pass over the images."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optuna_ofa.evaluation._computation import Computation
from optuna_ofa.evaluation._converted import Converted
from optuna_ofa.evaluation._exported import exported_network
from optuna_ofa.evaluation._identity import checksums
from optuna_ofa.evaluation._images import Loader, batches, batches_at
from optuna_ofa.evaluation._order import Part
from optuna_ofa.evaluation._recalibrate import set_statistics, type_of
from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.graphs import fold_batch_norm
from optuna_ofa.profiling import is_device_error
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet, resize_images

_BATCH_SIZE = 100  # of images that are picked out of a loader's batches
# folding batch normalisation saves a pass over each map; 16 bits are too few for the products
_FOLDED = (torch.float32, torch.float64)


class Scores(NamedTuple):
    """How a group of subnets classified images.

    Args:
        right: ``(n_subnets, n_images, 2)`` whether the class of an image has the largest logit, and
            is among the five largest; in the order of the loader or of the chosen part.
        margins: ``(n_subnets, n_images)`` how much larger the logit of the class is than the
            largest other one.
        errors: Why a subnet failed, by row; its images count for nothing.
        checksum: The sum of the checksums of the images.
        device: The type of the device that they ran on.
        host: The name of the machine in the network.
        torch: The version of torch there.
    """

    right: NDArray[np.bool_]
    margins: NDArray[np.float32]
    errors: dict[int, str]
    checksum: int
    device: str = "cpu"
    host: str = "unknown"
    torch: str = str(torch.__version__)


class NaNLogitsError(ArithmeticError):
    """The logits of a network have NaN, so that no class is the most likely one."""


def score_subnets(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    loader: Loader,
    calibration: Tensor | None,
    device: torch.device,
    part: Part | None = None,
    computation: Computation | None = None,
    converted: Converted | None = None,
) -> Scores:
    """Evaluate subnets of one resolution; if one fails, its error is its result.

    Each is extracted, so the supernet is not modified, and recalibrated at the resolution before
    it is evaluated on the images of the loader, or on a part of them.

    Args:
        supernet: The supernet.
        subnets: The subnets.
        loader: The loader.
        calibration: The images for recalibration.
        device: The device.
        part: The part of the images; None for all.
        computation: What computes; None for torch.
        converted: The converted networks that are there already.

    Raises:
        InvalidArgumentError: If the images of the part are others than before.
        MeasurementError: If the device fails.
    """
    (resolution,) = {subnet.resolution for subnet in subnets}
    images = None if calibration is None else resize_images(calibration, resolution)
    nets: list[Network | None] = []
    errors: dict[int, str] = {}
    for i, subnet in enumerate(subnets):
        try:
            if computation is not None and computation.is_exported:
                net = exported_network(supernet, subnet, images, computation, converted)
            else:
                net = _network(supernet, subnet, images, device)
            nets.append(net)
        except Exception as error:
            nets.append(None)
            errors[i] = _reason(error)
    given = _Given(supernet, resolution, loader, device, part)
    right, margins = _score(nets, errors, given, device)
    if part is not None:
        right[:, part.ranks], margins[:, part.ranks] = right.copy(), margins.copy()
    host = platform.node() or "unknown"
    version = str(torch.__version__)
    return Scores(right, margins, errors, given.checksum, device.type, host, version)


# images to logits
Network = Callable[[Tensor], Tensor]


def _network(
    supernet: Supernet, subnet: Subnet, images: Tensor | None, device: torch.device
) -> Network:
    """Return a recalibrated subnet in torch; the images are at its resolution."""
    net = supernet.extract(subnet).eval().to(device)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
    if images is not None:
        set_statistics(net, images)
    dtype = type_of(net)
    if dtype in _FOLDED:
        fold_batch_norm(net)
    return lambda batch: net(batch.to(dtype))


class _Given:
    """Batches of images on the device at a resolution, all or a part of those of a loader."""

    def __init__(
        self,
        supernet: Supernet,
        resolution: int,
        loader: Loader,
        device: torch.device,
        part: Part | None,
    ) -> None:
        self._arguments = loader, supernet.family, resolution, type_of(supernet)
        self._resolution, self._device, self._part = resolution, device, part
        self.checksum = 0

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._part is None:
            for images, labels in batches(*self._arguments):
                self.checksum += int(checksums(images, labels).sum())
                yield self._moved(images, labels)
            return
        yield from _joined(self._chosen(self._part))

    def _chosen(self, part: Part) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images of a part, and check at the end that they are those of before."""
        seen = []
        for images, labels in batches_at(part.positions, *self._arguments):
            seen.append((labels.cpu().numpy(), checksums(images, labels).numpy()))
            yield self._moved(images, labels)
        columns = (np.concatenate(column) for column in zip(*seen, strict=True))
        part.require(*(columns if seen else (np.empty(0, np.int64),) * 2))

    def _moved(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        try:
            sized = resize_images(images.to(self._device), self._resolution)
            return sized, labels.to(self._device)
        except Exception as error:
            _reason(error)
            raise


def _joined(given: Iterable[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of one size from batches of any."""
    waiting: list[tuple[Tensor, Tensor]] = []
    n = 0
    for batch in given:
        waiting.append(batch)
        n += len(batch[1])
        if n < _BATCH_SIZE:
            continue
        images, labels = map(torch.cat, zip(*waiting, strict=True))
        whole = n - n % _BATCH_SIZE
        for start in range(0, whole, _BATCH_SIZE):
            stop = start + _BATCH_SIZE
            yield images[start:stop], labels[start:stop]
        waiting, n = [(images[whole:], labels[whole:])], n - whole
    if n:
        images, labels = map(torch.cat, zip(*waiting, strict=True))
        yield images, labels


def _score(
    nets: list[Network | None],
    errors: dict[int, str],
    given: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    found = []
    with torch.inference_mode():
        for images, labels in given:
            right = torch.zeros(len(nets), len(labels), 2, dtype=torch.bool, device=device)
            margins = torch.zeros(len(nets), len(labels), device=device)
            for i, net in enumerate(nets):
                if net is None:
                    continue
                try:
                    logits = net(images)
                    right[i], margins[i] = _right(logits, labels), _margins(logits, labels)
                except Exception as error:
                    nets[i] = None
                    errors[i] = _reason(error)
            found.append((right.cpu(), margins.cpu()))
    right, margins = (torch.cat(of, dim=1) for of in zip(*found, strict=True))
    return right.numpy(), margins.numpy()


def _right(logits: Tensor, labels: Tensor) -> Tensor:
    """Return whether the class has the largest logit, and is among the five largest, ``(n, 2)``.

    Of equal logits, which integers often give, the first counts as the largest.
    """
    if logits.isnan().any():
        raise NaNLogitsError("the logits have NaN")
    likeliest = logits.argsort(dim=1, descending=True, stable=True)[:, :5]
    right = likeliest == labels[:, None]
    return torch.stack([right[:, 0], right.any(1)], dim=1)


def _margins(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the logit of the class minus the largest other one, ``(n,)``; 0 with one class."""
    if logits.shape[1] == 1:
        return torch.zeros(len(labels), device=logits.device)
    own = logits.gather(1, labels[:, None])[:, 0]
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return (own - others).float()


def _reason(error: Exception) -> str:
    """Return the text of an error of a subnet.

    Raises:
        MeasurementError: If the device failed. Out-of-memory errors, which are not a property of a
            subnet either, are raised as they are.
    """
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        raise error
    text = f"{type(error).__name__}: {error}"[:500]
    if is_device_error(error):
        raise MeasurementError(
            f"Evaluation stopped because the device failed: {text}. What was evaluated before is "
            f"kept in the `storage`, if there is one; call again to continue."
        ) from error
    return text
