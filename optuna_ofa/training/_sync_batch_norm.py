"""Batch normalisation over the combined batches of all processes, on any device.

`torch.nn.SyncBatchNorm` needs a GPU, and has no elastic channels.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa.supernet import batch_norm_tensors
from optuna_ofa.training._distributed import average, n_processes


@contextlib.contextmanager
def synchronised(*nets: nn.Module | None, wanted: bool = True) -> Iterator[None]:
    """Make layers in training mode use means and variances over all processes within the block.

    All processes must have the same number of images.
    """
    layers: list[nn.BatchNorm2d] = []
    if wanted and n_processes() > 1:
        modules = (module for net in nets if net is not None for module in net.modules())
        layers = [m for m in modules if isinstance(m, nn.BatchNorm2d) and m.training]
    for layer in layers:
        layer.forward = partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: nn.BatchNorm2d, x: Tensor) -> Tensor:
    tensors = batch_norm_tensors(layer)
    given = x.dtype
    x = x.to(torch.promote_types(given, torch.float32))  # of mixed precision
    mean = _mean_over_processes(x.mean((0, 2, 3)))
    centred = x - mean[:, None, None]
    variance = _mean_over_processes(centred.square().mean((0, 2, 3)))
    _update(layer, tensors, mean.detach(), variance.detach(), x[:, 0].numel() * n_processes())
    scale = tensors["weight"] * (variance + layer.eps).rsqrt()
    return (centred * scale[:, None, None] + tensors["bias"][:, None, None]).to(given)


@torch.no_grad()
def _update(
    layer: nn.BatchNorm2d, tensors: dict[str, Tensor], mean: Tensor, variance: Tensor, n: int
) -> None:
    assert layer.num_batches_tracked is not None
    layer.num_batches_tracked += 1
    share = 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
    tensors["running_mean"].lerp_(mean, share)
    tensors["running_var"].lerp_(variance * (n / (n - 1)), share)


class _MeanOverProcesses(torch.autograd.Function):
    """The mean over processes, whose gradient is the mean of the gradients of all of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return average(x.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return average(gradients[0].clone())


def _mean_over_processes(x: Tensor) -> Tensor:
    mean: Tensor = _MeanOverProcesses.apply(x)  # type: ignore[no-untyped-call]
    return mean
