"""The nested order of channels in which each width loses least, by backward elimination."""

from __future__ import annotations

import torch
from torch import Tensor

from optuna_ofa.pretrained._moments import Normal


def elimination_order(normal: Normal, *, n_kept: int, group: int = 1) -> Tensor:
    """Return the channels from the one to remove last to the one to remove first.

    In each step the channel goes without which a new fit to the remaining ones has the least
    error. With the inverse ``P`` of the normal matrix and the present weights ``W``, removing the
    features ``g`` of a channel adds ``trace(W_g' P_gg^-1 W_g)`` to the sum of squares, and both are
    updated by a block of ``P`` instead of a new fit.

    Args:
        normal: The equations; the features of a channel follow one another.
        n_kept: Channels that every width has: they are not removed, only sorted by their costs.
        group: Features of a channel.

    Returns:
        Indices of channels, ``(channels,)``.
    """
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(normal.gram))
    weights = inverse @ normal.cross
    alive = torch.arange(len(weights) // group)
    removed: list[int] = []
    while len(alive) > n_kept:
        worst = int(_costs(inverse, weights, alive, group).argmin())
        _remove(inverse, weights, slice(int(alive[worst]) * group, (int(alive[worst]) + 1) * group))
        removed.append(int(alive[worst]))
        alive = torch.cat([alive[:worst], alive[worst + 1 :]])
    costs = _costs(inverse, weights, alive, group)
    kept = alive[costs.argsort(descending=True, stable=True)]
    return torch.cat([kept, torch.tensor(removed[::-1], dtype=torch.long)])


def _costs(inverse: Tensor, weights: Tensor, alive: Tensor, group: int) -> Tensor:
    """Return by how much the sum of squares rises without each of the channels."""
    own = weights.view(-1, group, weights.shape[1])[alive]
    n = len(weights) // group
    blocks = inverse.view(n, group, n, group).diagonal(dim1=0, dim2=2).permute(2, 0, 1)[alive]
    if group == 1:
        return own.square().sum((1, 2)) / blocks.flatten()
    costs: Tensor = own * torch.linalg.solve(blocks, own)
    return costs.sum((1, 2))


def _remove(inverse: Tensor, weights: Tensor, channel: slice) -> None:
    """Update the inverse and the weights, in place, to a fit without the features of a channel.

    The rows and columns of the channel stay, and have no meaning any more.
    """
    columns = torch.linalg.solve(inverse[channel, channel], inverse[channel])
    weights.addmm_(columns.T, weights[channel].clone(), alpha=-1)
    inverse.addmm_(inverse[:, channel].clone(), columns, alpha=-1)
