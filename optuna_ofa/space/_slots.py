"""The positions of layers in a supernet, and the genes that determine each layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from optuna_ofa._arguments import checked
from optuna_ofa.space._family import Family
from optuna_ofa.space._genotype import genotype_of
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._parts import make_divisible
from optuna_ofa.space._subnet import Subnet


def strided(size: int, stride: int) -> int:
    """Return the output size of a convolution with padding ``kernel // 2``."""
    return int((size - 1) / stride + 1)


@dataclass(frozen=True)
class Slot:
    """A position in a supernet and the few genes that determine its layer.

    Costs that are sums over layers (MACs, parameters, a latency table) need only the distinct
    layers of each slot, a few thousand for 10^19 subnets.

    Args:
        columns: Columns of the genotype that the layer depends on.
        build: Takes the integers of these columns and returns the layer, None if absent.
    """

    columns: tuple[int, ...]
    build: Callable[..., Layer | None]


@cache
def slots(family: Family) -> tuple[Slot, ...]:
    """Return all slots of a family, from the input to the output."""
    build = _mbconv_slots if family.block == "mbconv" else _bottleneck_slots
    return tuple(build(family))


def mid_channels(family: Family, block: tuple[int, int], base: int, ratio: float) -> int:
    """Return the middle channels of a block.

    Args:
        family: The family.
        block: Stage and position of the block.
        base: The channels that ``ratio`` refers to where the stage has no `Stage.mid_channels`.
        ratio: The expand ratio, or the share.
    """
    stage, position = block
    given = family.stages[stage].mid_channels
    if not given:
        return make_divisible(round(base * ratio), family.divisor)
    largest = given[position]
    return min(largest, make_divisible(largest * ratio, family.divisor)) if ratio < 1 else largest


def _sizes(family: Family, resolution: int) -> list[int]:
    """Return the sizes at the input of each stage, and after the last one."""
    size = strided(resolution, family.stem.stride)
    if family.block == "bottleneck":
        size = strided(size, 2)  # the max pooling of the stem
    sizes = [size]
    for stage in family.stages:
        sizes.append(strided(sizes[-1], stage.stride))
    return sizes


def _padding(family: Family, stride: int) -> str:
    return family.padding if stride > 1 else "half"


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
            shortcut=in_channels == first,
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
            sizes = _sizes(family, r)
            stride = stage.stride if p == 0 else 1
            ratio = family.expand_ratio(expand)
            return Layer(
                "block",
                "mbconv",
                in_channels,
                stage.out_channels[0],
                sizes[s] if p == 0 else sizes[s + 1],
                sizes[s + 1],
                mid_channels(family, (s, p), in_channels, ratio),
                kernel,
                stride,
                ratio,
                stage.act,
                stage.use_se,
                shortcut=stride == 1 and in_channels == stage.out_channels[0],
                padding=_padding(family, stride),
            )

        depth_columns = () if depth is None else (depth,)
        yield Slot((0, columns[names[0]], columns[names[1]], *depth_columns), block)


def _head_slots(family: Family) -> Iterator[Slot]:
    head, last = family.head, family.stages[-1].out_channels[0]
    expanded = head.final_expand_channels or last
    mixed = head.feature_mix_channels

    def conv(role: str, i: int, o: int, size: int, use_bn: bool = True) -> Layer:
        return Layer(role, "conv", i, o, size, size, act=head.act, use_bn=use_bn)

    def size(r: int) -> int:
        return _sizes(family, r)[-1]

    if head.final_expand_channels:
        yield Slot((0,), lambda r: conv("final_expand", last, expanded, size(r)))
        yield Slot((0,), lambda r: Layer("pool", "avg_pool", expanded, expanded, size(r), 1))
        yield Slot((0,), lambda r: conv("feature_mix", expanded, mixed, 1, use_bn=False))
    else:
        yield Slot((0,), lambda r: conv("feature_mix", last, mixed, size(r)))
        yield Slot((0,), lambda r: Layer("pool", "avg_pool", mixed, mixed, size(r), 1))
    yield Slot((0,), lambda r: Layer("classifier", "linear", mixed, head.n_classes, 1, 1))


def _bottleneck_slots(family: Family) -> Iterator[Slot]:
    stem = family.stem
    columns = {gene.name: j for j, gene in enumerate(family.genes)}
    mid_column, out_column = columns["stem.mid_width"], columns["stem.width"]

    def conv(role: str, r: int, i: int, o: int, stride: int = 1, skip: bool = False) -> Layer:
        out = strided(r, stem.stride)
        return Layer(
            role,
            "conv",
            i,
            o,
            r if stride > 1 else out,
            out,
            kernel=3,
            stride=stride,
            act=stem.act,
            shortcut=skip,
        )

    def first(r: int, w: int) -> Layer:
        return conv("stem", r, family.in_channels, stem.conv_channels[w], stem.stride)

    def skippable(r: int, w: int, depth: int) -> Layer | None:
        mid = stem.conv_channels[w]
        return conv("stem_skip", r, mid, mid, skip=True) if depth == max(stem.depths) else None

    def second(r: int, w_mid: int, w: int) -> Layer:
        return conv("stem_out", r, stem.conv_channels[w_mid], stem.out_channels[w])

    def pool(r: int, w: int) -> Layer:
        size, out = strided(r, stem.stride), stem.out_channels[w]
        return Layer("pool", "max_pool", out, out, size, strided(size, 2), kernel=3, stride=2)

    yield Slot((0, mid_column), first)
    yield Slot((0, mid_column, columns["stem.depth"]), skippable)
    yield Slot((0, mid_column, out_column), second)
    yield Slot((0, out_column), pool)
    yield from _bottleneck_block_slots(family)

    last = family.stages[-1].out_channels
    width_column = columns[f"stage{len(family.stages)}.width"]

    def average(r: int, w: int) -> Layer:
        return Layer("pool", "avg_pool", last[w], last[w], _sizes(family, r)[-1], 1)

    def classifier(r: int, w: int) -> Layer:
        return Layer("classifier", "linear", last[w], family.head.n_classes, 1, 1)

    yield Slot((0, width_column), average)
    yield Slot((0, width_column), classifier)


def _bottleneck_block_slots(family: Family) -> Iterator[Slot]:
    columns = {gene.name: j for j, gene in enumerate(family.genes)}
    for s, p in family.block_positions:
        before = columns[f"stage{s}.width" if s else "stem.width"]
        width = columns[f"stage{s + 1}.width"]
        expand = columns[f"stage{s + 1}.block{p + 1}.expand"]

        def block(
            r: int, e: int, d: int, w: int, w_in: int = 0, *, s: int = s, p: int = p
        ) -> Layer | None:
            stage = family.stages[s]
            if p >= stage.base_depth + d:
                return None
            inputs = (family.stages[s - 1] if s else family.stem).out_channels
            out = stage.out_channels[w]
            sizes = _sizes(family, r)
            ratio = family.expand_ratio(e)
            return Layer(
                "block",
                "bottleneck",
                inputs[w_in] if p == 0 else out,
                out,
                sizes[s] if p == 0 else sizes[s + 1],
                sizes[s + 1],
                mid_channels(family, (s, p), out, ratio),
                3,
                stage.stride if p == 0 else 1,
                ratio,
                stage.act,
                shortcut=p > 0,
            )

        # only the first block of a stage depends on the width before it
        entry = (before,) if p == 0 else ()
        yield Slot((0, expand, columns[f"stage{s + 1}.depth"], width, *entry), block)


def slot_layers(subnet: Subnet) -> list[Layer | None]:
    """Return the layer in each slot of the family, None where the subnet has none."""
    genotype = genotype_of(subnet)
    return [slot.build(*(genotype[j] for j in slot.columns)) for slot in slots(subnet.family)]


@checked
def subnet_layers(subnet: Subnet) -> tuple[Layer, ...]:
    """Return the layers of one subnet, from the input to the output."""
    return tuple(layer for layer in slot_layers(subnet) if layer is not None)
