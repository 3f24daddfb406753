"""The weighted layers of the largest subnet, with what other packages derive their names from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn

from optuna_ofa.space import Family, Layer, SearchSpace, subnet_layers
from optuna_ofa.supernet import Elastic, Supernet, slot_modules

# our path inside a block -> what the layer is
_UNITS = {
    "inverted_bottleneck": "expand",
    "depth_conv": "depthwise",
    "point_linear": "project",
    "reduce": "reduce",
    "expand": "excite",
}


class Place(NamedTuple):
    """One layer with weights: a convolution, a batch normalisation or a linear layer.

    Args:
        own: Its path in a `Supernet`: ``"blocks.3.conv.depth_conv.bn"``.
        role: Role of its layer, as of `Layer`.
        unit: What it is in its block: ``"expand"``, ``"depthwise"``, ``"reduce"``, ``"excite"``,
            ``"project"``, ``"conv1"``, ..., ``"downsample"``; empty elsewhere.
        is_bn: Whether it is a batch normalisation.
        block: Number of its block in the network, from 0; that of the stem counts.
        stage: Number of its stage, from 0, which is the block of the stem where there is one.
        position: Position of its block in the stage, from 0.
        expands: Whether its block has an expanding convolution.
        use_se: Whether its block has squeeze-and-excitation.
        elastic: Whether it is an elastic layer of the supernet.
    """

    own: str
    role: str
    unit: str = ""
    is_bn: bool = False
    block: int = -1
    stage: int = -1
    position: int = -1
    expands: bool = False
    use_se: bool = False
    elastic: bool = False


def places(supernet: Supernet) -> list[Place]:
    """Return the weighted layers of the largest subnet, from the input to the output."""
    layers = subnet_layers(SearchSpace(supernet.family).largest())
    paths = {module: path for path, module in supernet.named_modules()}
    blocks = iter(_blocks(supernet.family))
    found: list[Place] = []
    for layer, module in zip(layers, slot_modules(supernet), strict=True):
        where = next(blocks) if layer.role == "block" else (-1, -1, -1)
        found += _of_layer(layer, module, paths[module], where)
    return found


def _blocks(family: Family) -> Iterator[tuple[int, int, int]]:
    """Yield the number, the stage and the position of each block of the largest subnet."""
    in_stem = int(family.block == "mbconv")
    if in_stem:
        yield 0, 0, 0
    for block, (stage, position) in enumerate(family.block_positions, start=in_stem):
        yield block, stage + in_stem, position


def _of_layer(
    layer: Layer, module: nn.Module, path: str, where: tuple[int, int, int]
) -> Iterator[Place]:
    weighted = [name for name, part in module.named_modules() if _has_weights(part)]
    expands = any("inverted_bottleneck" in name for name in weighted)
    for name in weighted:
        words = name.split(".")
        yield Place(
            own=".".join(word for word in (path, name) if word),
            role=layer.role,
            unit=_unit(words) if layer.role == "block" else "",
            is_bn=words[-1] == "bn",
            block=where[0],
            stage=where[1],
            position=where[2],
            expands=expands,
            use_se=layer.use_se,
            elastic=isinstance(module.get_submodule(name), Elastic),
        )


def _unit(words: list[str]) -> str:
    inner = words[-1] if words[-1] in ("reduce", "expand") else words[-2]
    return _UNITS.get(inner, inner)


def _has_weights(module: nn.Module) -> bool:
    return bool(module._parameters or module._buffers)
