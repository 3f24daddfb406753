"""The positions of layers in a supernet, and the genes that determine each layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from optuna_ofa._arguments import checked
from optuna_ofa.space._family import Family
from optuna_ofa.space._genotype import genotype_of
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._resnet_slots import resnet_slots
from optuna_ofa.space._slot import Slot as Slot, mid_channels, sizes_of, strided as strided
from optuna_ofa.space._subnet import Subnet


@cache
def slots(family: Family) -> tuple[Slot, ...]:
    """Return all slots of a family, from the input to the output."""
    build = _mbconv_slots if family.block == "mbconv" else resnet_slots
    return tuple(build(family))


def _padding(family: Family, stride: int) -> str:
    return family.padding if stride > 1 else "half"


def _squeeze(family: Family, use_se: bool) -> str:
    return family.squeeze if use_se else "expanded"


def _mbconv_slots(family: Family) -> Iterator[Slot]:
    stem = family.stem
    in_channels, first = stem.conv_channels[0], stem.out_channels[0]

    def stem_conv(r: int) -> Layer:
        return Layer(
            "stem",
            "conv",
            family.in_channels,
            in_channels,
            r,
            strided(r, stem.stride),
            kernel=3,
            stride=stem.stride,
            act=stem.act,
            padding=_padding(family, stem.stride),
        )

    def stem_block(r: int) -> Layer:
        size = strided(r, stem.stride)
        # ProxylessNAS has no shortcut here; its channels differ
        return Layer(
            "block",
            "mbconv",
            in_channels,
            first,
            size,
            size,
            in_channels,
            3,
            expand=1,
            act=stem.block_act,
            use_se=stem.block_use_se,
            shortcut=in_channels == first,
            squeeze=_squeeze(family, stem.block_use_se),
        )

    yield Slot((0,), stem_conv)
    yield Slot((0,), stem_block)
    yield from _mbconv_block_slots(family)
    yield from _head_slots(family)


def _mbconv_block_slots(family: Family) -> Iterator[Slot]:
    columns = {gene.name: j for j, gene in enumerate(family.genes)}
    for s, p in family.block_positions:
        names = [f"stage{s + 1}.block{p + 1}.kernel", f"stage{s + 1}.block{p + 1}.expand"]
        depth = columns.get(f"stage{s + 1}.depth")

        def block(
            r: int, kernel: int, expand: int, *d: int, s: int = s, p: int = p
        ) -> Layer | None:
            stage = family.stages[s]
            if d and p >= stage.base_depth + d[0]:
                return None
            before = family.stages[s - 1] if s else family.stem
            in_channels = before.out_channels[0] if p == 0 else stage.out_channels[0]
            sizes = sizes_of(family, r)
            stride = stage.stride if p == 0 else 1
            ratio = family.expand_ratio(expand)
            plain = ratio == 1 and not stage.mid_channels  # a block without expansion
            mid = in_channels if plain else mid_channels(family, (s, p), in_channels, ratio)
            return Layer(
                "block",
                "mbconv",
                in_channels,
                stage.out_channels[0],
                sizes[s] if p == 0 else sizes[s + 1],
                sizes[s + 1],
                mid,
                kernel,
                stride,
                ratio,
                stage.act,
                stage.use_se,
                shortcut=stride == 1 and in_channels == stage.out_channels[0],
                padding=_padding(family, stride),
                squeeze=_squeeze(family, stage.use_se),
            )

        depth_columns = () if depth is None else (depth,)
        yield Slot((0, columns[names[0]], columns[names[1]], *depth_columns), block)


def _head_slots(family: Family) -> Iterator[Slot]:
    head, last = family.head, family.stages[-1].out_channels[0]
    expanded = head.final_expand_channels or last
    mixed = head.feature_mix_channels

    def conv(role: str, i: int, o: int, size: int, use_bn: bool = True) -> Layer:
        bias = head.mix_bias and not use_bn
        return Layer(role, "conv", i, o, size, size, act=head.act, use_bn=use_bn, bias=bias)

    def size(r: int) -> int:
        return sizes_of(family, r)[-1]

    if head.final_expand_channels:
        yield Slot((0,), lambda r: conv("final_expand", last, expanded, size(r)))
        yield Slot((0,), lambda r: Layer("pool", "avg_pool", expanded, expanded, size(r), 1))
        yield Slot((0,), lambda r: conv("feature_mix", expanded, mixed, 1, use_bn=False))
    else:
        yield Slot((0,), lambda r: conv("feature_mix", last, mixed, size(r)))
        yield Slot((0,), lambda r: Layer("pool", "avg_pool", mixed, mixed, size(r), 1))
    yield Slot((0,), lambda r: Layer("classifier", "linear", mixed, head.n_classes, 1, 1))


def slot_layers(subnet: Subnet) -> list[Layer | None]:
    """Return the layer in each slot of the family, None where the subnet has none."""
    genotype = genotype_of(subnet)
    return [slot.build(*(genotype[j] for j in slot.columns)) for slot in slots(subnet.family)]


@checked
def subnet_layers(subnet: Subnet) -> tuple[Layer, ...]:
    """Return the layers of one subnet, from the input to the output."""
    return tuple(layer for layer in slot_layers(subnet) if layer is not None)
