"""Several processes that train one supernet, each on its share of a batch.

All processes draw the same subnets, because these depend only on the seed and the step. Gradients
are averaged once per step, after all its runs. PyTorch's ``DistributedDataParallel`` would average
after each backward pass, and would have to search for the parameters that a subnet leaves unused;
the result is the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def in_group() -> bool:
    """Return whether this process belongs to a group, for example one started by ``torchrun``."""
    return dist.is_available() and dist.is_initialized()


def n_processes() -> int:
    """Return the number of processes, 1 without a group."""
    return dist.get_world_size() if in_group() else 1


def rank() -> int:
    """Return the index of this process; process 0 writes files and shows progress."""
    return dist.get_rank() if in_group() else 0


def average(tensor: Tensor) -> Tensor:
    """Replace a tensor by its mean over all processes and return it."""
    if n_processes() > 1:
        dist.all_reduce(tensor)
        tensor /= n_processes()
    return tensor


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace gradients by their means over all processes, in one message per dtype."""
    if n_processes() == 1:
        return
    by_type: dict[torch.dtype, list[Tensor]] = {}
    for parameter in parameters:
        if parameter.grad is not None:
            by_type.setdefault(parameter.grad.dtype, []).append(parameter.grad)
    for gradients in by_type.values():
        flat = average(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))


def broadcast_weights(module: nn.Module) -> None:
    """Send the weights and statistics of the first process to all others."""
    if n_processes() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)
