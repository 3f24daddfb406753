"""Elastic batch normalisation."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from optuna_ofa.supernet._elastic import Elastic, Size, filled, first

_NAMES = ("running_mean", "running_var", "weight", "bias")


class ElasticBatchNorm2d(Elastic, nn.BatchNorm2d):
    """Batch normalisation with the statistics and weights of the first channels.

    The running statistics are shared by all subnets, so they are not valid for any of them:
    recalibrate an extracted subnet before it is evaluated.

    Args:
        channels: Largest number of channels.
        eps: Added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5):
        super().__init__(channels, eps)
        self.active = Size(channels, channels)

    def tensors(self, size: Size) -> dict[str, Tensor]:
        """Return weights and statistics for a size, each of shape ``(out_channels,)``."""
        return {name: first(getattr(self, name), size.out_channels) for name in _NAMES}

    def forward(self, input: Tensor) -> Tensor:
        """Normalise; in training mode the statistics of the active channels are updated."""
        return F.batch_norm(
            input,
            **self.tensors(self.active),
            training=self.training,
            momentum=self._step() if self.training else 0,
            eps=self.eps,
        )

    def _step(self) -> float:
        """Count one batch, and return its weight in the running statistics."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        return 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum

    def extract(self, size: Size | None = None) -> nn.BatchNorm2d:
        """Return the plain layer of a size with copies of its weights and statistics."""
        size = size or self.active
        assert self.num_batches_tracked is not None
        return filled(
            nn.BatchNorm2d(size.out_channels, self.eps, self.momentum, device="meta"),
            {**self.tensors(size), "num_batches_tracked": self.num_batches_tracked},
        )


def batch_norm_tensors(layer: nn.BatchNorm2d) -> dict[str, Tensor]:
    """Return the active weights and statistics of any layer, ``(channels,)`` each."""
    if isinstance(layer, ElasticBatchNorm2d):
        return layer.tensors(layer.active)
    return {name: getattr(layer, name) for name in _NAMES}
