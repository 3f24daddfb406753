"""Evaluating several networks in one pass over the images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa.evaluation._accuracies import ACCURACY_METRICS, standard_error
from optuna_ofa.evaluation._identity import checksum
from optuna_ofa.evaluation._images import Loader, batches
from optuna_ofa.evaluation._int8 import INT8, int8_network
from optuna_ofa.evaluation._recalibrate import set_statistics, type_of
from optuna_ofa.exceptions import MeasurementError
from optuna_ofa.measurements import Reading
from optuna_ofa.profiling import is_device_error
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet, resize_images


class Scores(NamedTuple):
    """The accuracies of a group of subnets.

    Args:
        readings: The readings of each subnet by metric.
        checksum: The sum of the checksums of the batches.
    """

    readings: list[dict[str, Reading]]
    checksum: int


class NaNLogitsError(ArithmeticError):
    """The logits of a network have NaN, so that no class is the most likely one."""


def score_subnets(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    loader: Loader,
    calibration: Tensor | None,
    device: torch.device,
    precision: str | None = None,
) -> Scores:
    """Evaluate subnets of one resolution; if one fails, its error is its result.

    Each is extracted, so the supernet is not modified, and recalibrated at the resolution before
    it is evaluated on the images of the loader.

    Raises:
        MeasurementError: If the device fails.
    """
    (resolution,) = {subnet.resolution for subnet in subnets}
    images = None if calibration is None else resize_images(calibration, resolution)
    nets: list[Network | None] = []
    errors: dict[int, str] = {}
    for i, subnet in enumerate(subnets):
        try:
            nets.append(_network(supernet, subnet, images, device, precision))
        except Exception as error:
            nets.append(None)
            errors[i] = _reason(error)
    total = 0

    def given() -> Iterator[tuple[Tensor, Tensor]]:
        nonlocal total
        for batch, labels in batches(loader, supernet.family, resolution, type_of(supernet)):
            total += checksum(batch, labels)
            yield _moved(batch, labels, resolution, device)

    return Scores(_score(nets, errors, given(), device), total)


# images to logits
Network = Callable[[Tensor], Tensor]


def _network(
    supernet: Supernet,
    subnet: Subnet,
    images: Tensor | None,
    device: torch.device,
    precision: str | None,
) -> Network:
    """Return a recalibrated subnet; the images are at its resolution."""
    net = supernet.extract(subnet).eval().to(device)
    if precision == INT8 and images is not None:
        set_statistics(net, images)  # as `export` does, in whose format they differ by rounding
        return int8_network(net, subnet, images)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster
    if images is not None:
        set_statistics(net, images)
    dtype = type_of(net)
    return lambda batch: net(batch.to(dtype))


def _moved(
    images: Tensor, labels: Tensor, resolution: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    try:
        return resize_images(images.to(device), resolution), labels.to(device)
    except Exception as error:
        _reason(error)
        raise


def _score(
    nets: list[Network | None],
    errors: dict[int, str],
    given: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> list[dict[str, Reading]]:
    counts = torch.zeros(len(nets), 2, dtype=torch.int64, device=device)
    n_images = 0
    with torch.inference_mode():
        for images, labels in given:
            n_images += len(labels)
            for i, net in enumerate(nets):
                if net is None:
                    continue
                try:
                    counts[i] += _n_right(net(images), labels)
                except Exception as error:
                    nets[i] = None
                    errors[i] = _reason(error)
    details = {"device": device.type, "torch": str(torch.__version__)}
    return [
        _readings(n_right, n_images, errors.get(i), details)
        for i, n_right in enumerate(counts.tolist())
    ]


def _readings(
    n_right: Sequence[int], n_images: int, error: str | None, details: Mapping[str, str]
) -> dict[str, Reading]:
    """Return the readings of one network by metric; all have the error if there is one."""
    if error is not None:
        return {m: Reading(m, None, None, 0, details, error) for m in ACCURACY_METRICS}
    found = {}
    for metric, n in zip(ACCURACY_METRICS, n_right, strict=True):
        percent = 100 * n / n_images
        std = float(standard_error(percent, n_images))
        found[metric] = Reading(metric, percent, std, n_images, details)
    return found


def _n_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Count images whose class has the largest logit, and is among the five largest, ``(2,)``.

    Of equal logits, which integers often give, the first counts as the largest.
    """
    if logits.isnan().any():
        raise NaNLogitsError("the logits have NaN")
    likeliest = logits.argsort(dim=1, descending=True, stable=True)[:, :5]
    right = likeliest == labels[:, None]
    return torch.stack([right[:, 0].sum(), right.any(1).sum()])


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
