"""The base of elastic layers, which use a part of their weights and can extract it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from torch import Tensor, nn

from optuna_ofa.space import Subnet
from optuna_ofa.supernet._per_thread import PerThread

M = TypeVar("M", bound=nn.Module)


class Size(NamedTuple):
    """The part of a layer that is in use: the first channels, and the centre of a kernel.

    Args:
        in_channels: Input channels (features of a linear layer).
        out_channels: Output channels.
        kernel: Kernel size.
        image: Height and width of the input in pixels, where the padding depends on it, else 0.
        own: Name of the weight of this size in layers that have some of their own.
    """

    in_channels: int
    out_channels: int
    kernel: int = 1
    image: int = 0
    own: str = ""


class Plan(NamedTuple):
    """What a supernet computes.

    Args:
        sizes: Size of each unit.
        present: Whether each slot is used.
        subnet: The subnet; None for a layer alone.
    """

    sizes: Mapping[str, Size]
    present: tuple[bool, ...] = ()
    subnet: Subnet | None = None


class Elastic:
    """Mixin of the elastic layers, by which `follow` and `plain_copy` find them.

    An elastic layer subclasses its torch layer, so its weights have the names and shapes of those
    of the largest plain layer.
    """

    _plan: PerThread[Plan]
    _unit: str

    @property
    def active(self) -> Size:
        """The size that this thread computes."""
        return self._plan.get().sizes[self._unit]

    @active.setter
    def active(self, size: Size) -> None:
        self.follow(PerThread(Plan({"": size})), "")

    def follow(self, plan: PerThread[Plan], unit: str) -> None:
        """Take the size of a unit from a plan from now on."""
        self._plan, self._unit = plan, unit

    def extract(self, size: Size | None = None) -> nn.Module:
        """Return the plain layer of a size (None: the active size) with a copy of its weights."""
        raise NotImplementedError


def first(tensor: Tensor, n: int, dim: int = 0) -> Tensor:
    """Return the first ``n`` entries along a dimension; the tensor itself if it has no more."""
    # a slice takes microseconds, which add up over dozens of layers
    return tensor if tensor.shape[dim] == n else tensor.narrow(dim, 0, n)


def centre(filters: Tensor, kernel: int) -> Tensor:
    """Return the middle of square filters, ``(..., kernel, kernel)`` of the last two dimensions."""
    edge = (filters.shape[-1] - kernel) // 2
    return filters.narrow(-2, edge, kernel).narrow(-1, edge, kernel)


def follow(module: nn.Module, plan: PerThread[Plan], unit: str) -> None:
    """Let all elastic layers in a module take the size of a unit from a plan."""
    for layer in module.modules():
        if isinstance(layer, Elastic):
            layer.follow(plan, unit)


def plain_copy(module: nn.Module, size: Size) -> nn.Module:
    """Return a copy of a layer or of a sequence of layers, with only plain layers."""
    if isinstance(module, Elastic):
        return module.extract(size)
    if isinstance(module, nn.Sequential):
        children = ((name, plain_copy(child, size)) for name, child in module.named_children())
        return nn.Sequential(OrderedDict(children))
    return copy.deepcopy(module)


def filled(layer: M, tensors: Mapping[str, Tensor]) -> M:
    """Give copies of all weights to a layer that was created on the meta device.

    Creating a layer there draws no random numbers; it takes the device and dtype of the weights.
    """
    layer.load_state_dict({k: v.detach().clone() for k, v in tensors.items()}, assign=True)
    return layer
