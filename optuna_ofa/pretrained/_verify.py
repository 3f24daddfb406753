"""Running a pretrained module beside the supernet that was made of it."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.space import Family
from optuna_ofa.supernet import Supernet

# of the largest logit, in float64
_TOLERANCE = 1e-6
_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def require_same(supernet: Supernet, module: nn.Module) -> None:
    """Refuse a module whose logits are not those of the largest subnet.

    Raises:
        FamilyMismatchError: With the difference and, if they differ, the epsilons.
    """
    dtype, image = next(supernet.parameters()).dtype, _image(supernet.family)
    theirs = _logits(copy.deepcopy(module).to("cpu", torch.float64), image)
    ours = _logits(supernet.double(), image)
    supernet.to(dtype).train()
    if theirs.shape == ours.shape:
        apart = float((theirs - ours).abs().max() / ours.abs().max())
        if apart <= _TOLERANCE:
            return
        words = f"differ by {apart:.2g} of the largest one"
    else:
        words = f"have shape {tuple(theirs.shape)} instead of {tuple(ours.shape)}"
    name, family = type(module).__name__, supernet.family
    eps = {norm.eps for norm in module.modules() if isinstance(norm, _NORMS)}
    if eps and eps != {family.bn_eps}:
        words += f"; it has `bn_eps` {', '.join(f'{e:g}' for e in sorted(eps))}"
        words += f" where {family.name} has {family.bn_eps:g}"
    raise FamilyMismatchError(
        f"`weights` must give the logits of {family.name}, but on the same image those of the "
        f"{name} {words}. Its padding, activations, strides or epsilons are not the family's."
    )


def _image(family: Family) -> Tensor:
    """Return an image of random pixels, of the largest resolution."""
    size = max(family.resolutions)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, family.in_channels, size, size, generator=generator, dtype=torch.float64)


@torch.no_grad()
def _logits(net: nn.Module, image: Tensor) -> Tensor:
    found = net.eval()(image)
    return found if isinstance(found, Tensor) else torch.empty(0)
