"""The slots of ResNets: a stem, stages of bottlenecks or basic blocks, and a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from optuna_ofa.space._family import Family
from optuna_ofa.space._layer import Layer
from optuna_ofa.space._slot import Slot, mid_channels, sizes_of, strided


def resnet_slots(family: Family) -> Iterator[Slot]:
    """Yield all slots of a ResNet, from the input to the output."""
    yield from _stem_slots(family)
    for s, p in family.block_positions:
        yield _block_slot(family, s, p)
    last = family.stages[-1].out_channels

    def average(r: int, w: int) -> Layer:
        return Layer("pool", "avg_pool", last[w], last[w], sizes_of(family, r)[-1], 1)

    def classifier(r: int, w: int) -> Layer:
        return Layer("classifier", "linear", last[w], family.head.n_classes, 1, 1)

    width = f"stage{len(family.stages)}.width"
    yield _slot(family, [width], average)
    yield _slot(family, [width], classifier)


def _slot(family: Family, names: list[str], build: Callable[..., Layer | None]) -> Slot:
    """Return the slot whose layer depends on the resolution and on the genes of these names.

    A depth or a width that cannot vary has no gene; ``build`` takes its only choice.
    """
    columns = {gene.name: j for j, gene in enumerate(family.genes)}
    fixed = {
        f"stage{s + 1}.depth": stage.depths[0]
        for s, stage in enumerate(family.stages)
        if len(stage.depths) == 1
    }
    found = [name for name in names if name in columns]
    if found == names:
        return Slot((0, *(columns[name] for name in names)), build)

    def filled(r: int, *values: int) -> Layer | None:
        chosen = fixed | dict(zip(found, values, strict=True))
        return build(r, *(chosen.get(name, 0) for name in names))

    return Slot((0, *(columns[name] for name in found)), filled)


def _stem_slots(family: Family) -> Iterator[Slot]:
    stem = family.stem

    def conv(
        role: str, r: int, i: int, o: int, kernel: int = 3, stride: int = 1, skip: bool = False
    ) -> Layer:
        out = strided(r, stem.stride)
        size = out if role != "stem" else r
        return Layer(role, "conv", i, o, size, out, 0, kernel, stride, act=stem.act, shortcut=skip)

    def first(r: int, w: int) -> Layer:
        channels = stem.conv_channels[w]
        return conv("stem", r, family.in_channels, channels, stem.kernel, stem.stride)

    def skippable(r: int, w: int, depth: int) -> Layer | None:
        mid = stem.conv_channels[w]
        return conv("stem_skip", r, mid, mid, skip=True) if depth == max(stem.depths) else None

    def second(r: int, w_mid: int, w: int) -> Layer:
        return conv("stem_out", r, stem.conv_channels[w_mid], stem.out_channels[w])

    def pool(r: int, w: int) -> Layer:
        size, out = strided(r, stem.stride), stem.out_channels[w]
        return Layer("pool", "max_pool", out, out, size, strided(size, 2), kernel=3, stride=2)

    yield _slot(family, ["stem.mid_width"], first)
    if stem.n_convs == 3:
        yield _slot(family, ["stem.mid_width", "stem.depth"], skippable)
        yield _slot(family, ["stem.mid_width", "stem.width"], second)
    if stem.pool:
        yield _slot(family, ["stem.width"], pool)


def _block_slot(family: Family, s: int, p: int) -> Slot:
    stage, before = family.stages[s], family.stages[s - 1] if s else family.stem
    stride = stage.stride if p == 0 else 1
    # of elastic widths, the same index on both sides would be needed
    alike = len(family.width_mults) == 1 and before.out_channels == stage.out_channels
    shortcut = p > 0 or (stride == 1 and alike)

    def block(r: int, e: int, d: int, w: int, w_in: int = 0) -> Layer | None:
        if p >= stage.base_depth + d:
            return None
        out = stage.out_channels[w]
        sizes = sizes_of(family, r)
        ratio = family.expand_ratio(e)
        return Layer(
            "block",
            "basic" if family.block == "basic" else "bottleneck",
            before.out_channels[w_in] if p == 0 else out,
            out,
            sizes[s] if p == 0 else sizes[s + 1],
            sizes[s + 1],
            mid_channels(family, (s, p), out, ratio),
            3,
            stride,
            ratio,
            stage.act,
            shortcut=shortcut,
            downsample="avg_pool" if shortcut else family.shortcut,
        )

    stage_name = f"stage{s + 1}"
    names = [f"{stage_name}.block{p + 1}.expand", f"{stage_name}.depth", f"{stage_name}.width"]
    # only the first block of a stage depends on the width before it
    names += [f"stage{s}.width" if s else "stem.width"] if p == 0 else []
    return _slot(family, names, block)
