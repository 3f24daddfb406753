"""How accurate several networks are, in one pass over the images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from optuna_ofa.evaluation._images import Loader, batches
from optuna_ofa.evaluation._recalibrate import recalibrate, type_of
from optuna_ofa.space import Subnet
from optuna_ofa.supernet import Supernet, resize_images


class Score(NamedTuple):
    """Accuracies of one network in percent, or why there are none."""

    n_images: int
    top1: float = math.nan
    top5: float = math.nan
    error: str | None = None


class NaNLogitsError(ArithmeticError):
    """A network gives NaN, so that no class is the likeliest."""


def score_subnets(
    supernet: Supernet,
    subnets: Sequence[Subnet],
    loader: Loader,
    calibration: Tensor | None,
    device: torch.device,
) -> list[Score]:
    """Evaluate subnets of one resolution; what one of them raises is its result.

    Each is extracted, so the supernet stays as it is, and its statistics are recalibrated at the
    resolution before the images of the loader pass.
    """
    (resolution,) = {subnet.resolution for subnet in subnets}
    images = None if calibration is None else resize_images(calibration, resolution)
    nets: list[nn.Module | None] = []
    errors: dict[int, str] = {}
    for i, subnet in enumerate(subnets):
        try:
            net = _in_channels_last(supernet.extract(subnet).eval().to(device))
            if images is not None:
                recalibrate(net, images)
            nets.append(net)
        except Exception as error:
            nets.append(None)
            errors[i] = _reason(error)
    given = (
        (resize_images(batch.to(device), resolution), labels.to(device))
        for batch, labels in batches(loader, supernet.family, resolution)
    )
    return _score(nets, errors, given, device)


def _in_channels_last(net: nn.Module) -> nn.Module:
    """Convolutions of this family of networks are faster so."""
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def _score(
    nets: list[nn.Module | None],
    errors: dict[int, str],
    given: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> list[Score]:
    counts = torch.zeros(len(nets), 2, dtype=torch.int64, device=device)
    n_images = 0
    with torch.inference_mode():
        for images, labels in given:
            n_images += len(labels)
            for i, net in enumerate(nets):
                if net is None:
                    continue
                try:
                    counts[i] += _n_right(net(images.to(type_of(net))), labels)
                except Exception as error:
                    nets[i] = None
                    errors[i] = _reason(error)
    return [
        Score(0, error=errors[i])
        if i in errors
        else Score(n_images, *(100 * n / n_images for n in right))
        for i, right in enumerate(counts.tolist())
    ]


def _n_right(logits: Tensor, labels: Tensor) -> Tensor:
    """``(2,)`` images whose class has the largest logit, and is among the five largest."""
    if logits.isnan().any():
        raise NaNLogitsError("the logits have NaN")
    likeliest = logits.topk(min(5, logits.shape[1])).indices
    right = likeliest == labels[:, None]
    return torch.stack([right[:, 0].sum(), right.any(1).sum()])


def _reason(error: Exception) -> str:
    """What is kept of an error; lack of memory is no property of a subnet, and is raised."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        raise error
    return f"{type(error).__name__}: {error}"[:500]
