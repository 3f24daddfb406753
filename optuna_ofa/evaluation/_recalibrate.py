"""Batch-normalisation statistics of a plain network, recomputed from images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from optuna_ofa._arguments import Positive, checked
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import CalibrationWarning, InvalidArgumentError
from optuna_ofa.supernet import Elastic, check_images

BATCH_SIZE = 100


# with fewer images, the noise of the statistics costs several points of accuracy
FEW = 32


@checked
def recalibrate(net: nn.Module, images: Tensor, *, batch_size: Positive = BATCH_SIZE) -> None:
    """Set the statistics of every batch normalisation to those of the images, in place.

    The images pass through the network once, in batches that are each normalised on their own, as
    in training. Mean and variance are computed over all images (batches are pooled by Chan's
    formula in float64) and are not moving averages, so neither the order of the batches nor the
    old statistics matter. In deeper layers the input of a batch depends on how the previous layers
    normalised it, so ``batch_size`` has a small effect there, unless all images are in one batch.

    Weights, modes and momenta are unchanged; dropout is off during the pass.

    Args:
        net: A plain network, such as `Supernet.extract` returns; a supernet is refused, because
            its statistics are shared by all subnets.
        images: ``(n, channels, size, size)`` at the resolution that the network will run at,
            normalised as in training; moved to the network's device batch by batch.
        batch_size: Largest number of images per batch; batches are equally large.

    Raises:
        InvalidArgumentError: If the network is elastic, there are no images or some are not
            finite, ``batch_size`` is not positive, or a single image is too few for a layer
            whose feature map is a single pixel. The statistics are then unchanged.

    Warns:
        CalibrationWarning: There are fewer than 32 images.
    """
    if any(isinstance(module, Elastic) for module in net.modules()):
        raise InvalidArgumentError(
            "`net` must be a plain network, such as `supernet.extract(subnet)`, but got one with "
            "elastic layers, whose statistics all subnets share."
        )
    check_images(images, "`images` must be", weights=type_of(net))
    warn_few("images", len(images))
    set_statistics(net, images, batch_size)


def warn_few(argument: str, n: int) -> None:
    """Warn if images are too few to recalibrate with."""
    if n < FEW:
        warn(
            f"`{argument}` should be {FEW} images or more, preferably hundreds, but there are "
            f"{n}: accuracies will have errors of several points.",
            CalibrationWarning,
        )


def set_statistics(net: nn.Module, images: Tensor, batch_size: int = BATCH_SIZE) -> None:
    """Do what `recalibrate` does, with checked images."""
    layers = [m for m in net.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    if not layers:
        return
    device, dtype = next(net.parameters()).device, type_of(net)
    batches = images.tensor_split(-(-len(images) // batch_size))
    with _single_batch_statistics(net, layers) as counts, torch.no_grad():
        pools = [_Pool() for _ in layers]
        for batch in batches:
            try:
                net(batch.to(device, dtype))
            except ValueError as error:  # torch's own check for a single value per channel
                raise InvalidArgumentError(
                    f"`images` must be more for maps of a single pixel, but got {len(images)}: "
                    f"{error}"
                ) from error
            for pool, layer in zip(pools, layers, strict=True):
                pool.add(layer, counts.get(layer, 0))
    for pool, layer in zip(pools, layers, strict=True):
        pool.write(layer, len(batches))


def type_of(net: nn.Module) -> torch.dtype:
    """Return the dtype of a network's weights, which its images must share."""
    return next(net.parameters()).dtype


class _Pool:
    """The mean and variance of one layer's channels over the batches so far."""

    def __init__(self) -> None:
        self.n = 0
        self.mean = torch.zeros((), dtype=torch.float64)
        self.squares = torch.zeros((), dtype=torch.float64)

    def add(self, layer: _BatchNorm, n: int) -> None:
        """Add a batch of ``n`` values per channel, whose statistics the layer holds."""
        if not n:
            return
        assert layer.running_mean is not None
        assert layer.running_var is not None
        # Apple's and Intel's accelerators have no float64
        mean = layer.running_mean.cpu().double()
        squares = layer.running_var.cpu().double() * (n - 1)
        delta = mean - self.mean
        total = self.n + n
        self.mean = self.mean + delta * (n / total)
        self.squares = self.squares + squares + delta**2 * (self.n * n / total)
        self.n = total

    def write(self, layer: _BatchNorm, n_batches: int) -> None:
        """Set the statistics of the layer; a layer that no image has reached keeps its own."""
        if not self.n:
            return
        assert layer.running_mean is not None
        assert layer.running_var is not None
        assert layer.num_batches_tracked is not None
        layer.running_mean.copy_(self.mean)
        layer.running_var.copy_(self.squares / (self.n - 1))
        layer.num_batches_tracked.fill_(n_batches)


@contextlib.contextmanager
def _single_batch_statistics(
    net: nn.Module, layers: Sequence[_BatchNorm]
) -> Iterator[dict[nn.Module, int]]:
    """Make layers hold the statistics of only the last batch; yield each one's values per channel.

    All modes, momenta and statistics are restored at the end: the caller writes the new
    statistics, so a batch that fails leaves no trace.
    """
    modes = [(module, module.training) for module in net.modules()]
    kept = [(layer, layer.momentum, [b.clone() for b in layer.buffers()]) for layer in layers]
    counts: dict[nn.Module, int] = {}

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        counts[module] = inputs[0].numel() // inputs[0].shape[1]

    hooks = [layer.register_forward_pre_hook(count) for layer in layers]
    try:
        net.eval()
        for layer in layers:
            layer.train()
            layer.momentum = 1.0
        yield counts
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
        for layer, momentum, buffers in kept:
            layer.momentum = momentum
            for buffer, old in zip(layer.buffers(), buffers, strict=True):
                buffer.copy_(old)
