"""A supernet: one set of weights that contains every subnet of a family."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence

from torch import Tensor, nn

from optuna_ofa._arguments import AnyPath, Share, checked
from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.space import (
    Family,
    Layer,
    SearchSpace,
    Slot,
    Subnet,
    find_family,
    other_family,
    slot_layers,
    slots,
    subnet_layers,
)
from optuna_ofa.supernet import _blocks
from optuna_ofa.supernet._elastic import Plan, Size
from optuna_ofa.supernet._per_thread import PerThread

# children with several layers
GROUPS = ("input_stem", "blocks")
_RESNET = ("bottleneck", "basic")


class Supernet(nn.Module):
    """The weights of a family, used by one subnet at a time in each thread.

    It is built from the family's table: other widths, depths, strides or numbers of classes need
    a new table but no new class. Weights are random unless `load_supernet` loads them. The largest
    subnet of a new supernet is active.

    The running statistics of batch normalisation are shared by all subnets, which use those of
    their first channels. Weights, statistics and the mode (`train`) are shared by all threads too:
    several threads may evaluate different subnets at once, but only one may train.

    Args:
        family: The family, or the name of a published one.
        dropout: Probability of dropping a feature before the classifier, in training mode.
        own_projections: Whether the last convolution of a block has a weight of its own for each
            number of its input channels and each kernel size of the block, and each kernel size
            has filters of its own. They begin as the parts of the largest ones that are used
            without; they are for supernets whose smaller choices are fitted to a pretrained
            network rather than trained.

    Raises:
        InvalidArgumentError: If ``dropout`` is not a probability.
    """

    @checked
    def __init__(
        self, family: Family | AnyPath, *, dropout: Share = 0.0, own_projections: bool = False
    ) -> None:
        super().__init__()
        family = find_family(family, "family")
        self.family = family
        self.dropout = dropout
        self.own_projections = own_projections
        largest = SearchSpace(family).largest()
        layers = subnet_layers(largest)
        modules = [self._build(*pair) for pair in zip(layers, slots(family), strict=True)]
        for name, module in _named(family.block, layers, modules).items():
            self.add_module(name, module)
        self._sizes = _sizes(layers)
        self._plan = PerThread(self._plan_of(largest))
        for slot, (module, layer) in enumerate(zip(slot_modules(self), layers, strict=True)):
            _blocks.follow(module, slot, layer, self._plan)

    def _build(self, layer: Layer, slot: Slot) -> nn.Module:
        elastic = slot.columns != (0,)
        smaller = tuple(kernel for kernel in self.family.kernels if kernel <= layer.kernel)
        kernels = smaller if elastic else (layer.kernel,)
        module = _blocks.build(
            layer,
            kernels=kernels,
            bn_eps=self.family.bn_eps,
            dropout=self.dropout,
            own=_choices(self.family, slot) if elastic and self.own_projections else None,
        )
        # subnets differ only in resolution: a plain layer is enough
        return module if elastic else _blocks.fixed(module, layer, self.dropout)

    @property
    def active(self) -> Subnet:
        """The subnet that `forward` computes in this thread."""
        subnet = self._plan.get().subnet
        assert subnet is not None
        return subnet

    @checked
    def activate(self, subnet: Subnet) -> None:
        """Choose the subnet that `forward` computes and whose weights get gradients.

        Each thread computes the subnet that it activated itself; threads that activated none
        compute the one activated last, and a forward pass keeps its subnet to the end.

        Raises:
            InvalidSubnetError: If the subnet is of another family.
        """
        self._plan.set(self._plan_of(subnet))

    def _plan_of(self, subnet: Subnet) -> Plan:
        layers = self._checked_layers(subnet)
        present = tuple(layer is not None for layer in layers)
        return Plan({**self._sizes, **_sizes(layers)}, present, subnet)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the active subnet.

        Args:
            x: Images, ``(n, in_channels, height, width)``, already resized by the caller to the
                resolution of the subnet.

        Returns:
            Logits, ``(n, n_classes)``.
        """
        with self._plan.held():
            for module, present in zip(slot_modules(self), self._plan.get().present, strict=True):
                if present:
                    x = module(x)
            return x

    @checked
    def extract(self, subnet: Subnet) -> nn.Sequential:
        """Return a plain network of one subnet, in the same mode, on the same device.

        It has copies of the weights and no reference to the supernet, which is not modified. The
        keys of its state dict are those of the static networks of the ``ofa`` package.

        Raises:
            InvalidSubnetError: If the subnet is of another family.
        """
        pairs = zip(slot_modules(self), self._checked_layers(subnet), strict=True)
        present = [(module, layer) for module, layer in pairs if layer is not None]
        modules = [_blocks.extract(module, layer, self.dropout) for module, layer in present]
        net = nn.Sequential(_named(self.family.block, [layer for _, layer in present], modules))
        return net.train(self.training)

    def _checked_layers(self, subnet: Subnet) -> list[Layer | None]:
        if subnet.family != self.family:
            raise InvalidSubnetError(
                f"`subnet` must be of {self.family.name}, but got one of "
                f"{other_family(subnet.family, self.family)}."
            )
        return slot_layers(subnet)


def _choices(family: Family, slot: Slot) -> list[Layer]:
    """Return the layers that a slot can have, at one resolution."""
    genes = [family.genes[column].choices for column in slot.columns[1:]]
    layers = (slot.build(family.resolutions[-1], *values) for values in itertools.product(*genes))
    return [layer for layer in dict.fromkeys(layers) if layer is not None]


def slot_modules(net: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of the layers, from the input to the output.

    A supernet has one for each slot of the family, an extracted network one for each slot that its
    subnet uses.
    """
    for name, child in net.named_children():
        yield from child.children() if name in GROUPS else (child,)


def build_plain(layers: Sequence[Layer], *, bn_eps: float) -> nn.Sequential:
    """Build the network that `Supernet.extract` returns for these layers, with new weights."""
    # a stem followed by a block alone is that of inverted residuals
    block = next((layer.kind for layer in layers if layer.kind in _RESNET), "mbconv")
    modules = [_blocks.build_layer(layer, bn_eps=bn_eps) for layer in layers]
    return nn.Sequential(_named(block, layers, modules))


def _sizes(layers: Iterable[Layer | None]) -> dict[str, Size]:
    sizes: dict[str, Size] = {}
    for slot, layer in enumerate(layers):
        if layer is not None:
            sizes |= _blocks.sizes_of(slot, layer)
    return sizes


def _named(
    block: str, layers: Iterable[Layer], modules: Iterable[nn.Module]
) -> OrderedDict[str, nn.Module]:
    """Return the children of a network under the names that the ``ofa`` package gives them."""
    groups: OrderedDict[str, list[nn.Module]] = OrderedDict()
    for layer, module in zip(layers, modules, strict=True):
        groups.setdefault(_name(block, layer), []).append(module)
    return OrderedDict(
        (name, nn.Sequential(*group) if name in GROUPS else group[0])
        for name, group in groups.items()
    )


def _name(block: str, layer: Layer) -> str:
    match layer.role:
        case "stem" if block == "mbconv":
            return "first_conv"
        case "stem" | "stem_skip" | "stem_out":
            return "input_stem"
        case "block":
            return "blocks"
        case "pool":
            return "max_pooling" if layer.kind == "max_pool" else "global_avg_pool"
        case "final_expand" | "feature_mix":
            return f"{layer.role}_layer"
        case _:
            return layer.role
