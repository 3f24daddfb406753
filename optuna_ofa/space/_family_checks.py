"""The rules that a table must satisfy as a whole, so that every subnet is a valid network."""

from __future__ import annotations

import itertools
from typing import Any, get_args

from optuna_ofa._values import MAX_PIXELS
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import _rules as rules
from optuna_ofa.space._layer import (
    MAX_CHANNELS,
    MAX_EXPAND,
    MAX_KERNEL,
    PADDINGS,
    SQUEEZES,
    Downsample,
)
from optuna_ofa.space._parts import Head, Stage, Stem
from optuna_ofa.space._table import fingerprint, to_table

ARCHITECTURES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("MobileNetV3", "ProxylessNASNets", "MobileNetV2", "MnasNet", "EfficientNet"), ("mbconv",)
    ),
    "ResNets": ("bottleneck", "basic"),
}
_MOST_BLOCKS = 1000
_MOST_WEIGHTS = 10**8  # of one layer; those of the published families have 4 * 10^6
# Reserved names, of the published families and the package's own, each with the beginning of its
# table's fingerprint. A test compares them with `known_families`.
RESERVED = {
    **dict.fromkeys(("ofa_mbv3_w1.0", "ofa_mbv3_d234_e346_k357_w1.0"), "0fd606036f996efb"),
    **dict.fromkeys(("ofa_mbv3_w1.2", "ofa_mbv3_d234_e346_k357_w1.2"), "ac4c75ac26fe7367"),
    **dict.fromkeys(
        ("ofa_proxyless_w1.3", "ofa_proxyless_d234_e346_k357_w1.3"), "c8addbe337745901"
    ),
    **dict.fromkeys(
        ("ofa_resnet50", "ofa_resnet50_d=0+1+2_e=0.2+0.25+0.35_w=0.65+0.8+1.0", "ofa_resnet50d"),
        "5a1edbc2e05c82cc",
    ),
    "ofa_mbv3_fashion": "9461f5350048593f",
    "microcontroller_fashion": "fe3c8f5c70e9456a",
    "microcontroller_w0.35": "6acf97d1169d4ada",
    "microcontroller_w0.5": "fa90b525129c42ea",
    "microcontroller_w0.75": "5742a0286329f506",
    "microcontroller_w1.0": "03fb2ab2700391ca",
    "efficientnet_lite0": "d2a1b119e4a50681",
    "efficientnet_lite1": "6a60bf76324ff052",
    "efficientnet_lite2": "87d9967c0f772859",
    "mobilenet_v2": "fbc8438d313c5b84",
    "mnasnet1_0": "d5fc8c37e8b5bf74",
    "mobilenet_v3_large": "8eb148db9464b548",
    "mobilenetv3_large_100": "1ce28644153aa16a",
    "efficientnet_b0": "20d450b9a1773966",
    "resnet50": "9be10f33f97ca587",
    "resnet20_cifar10": "ccb705216856bbef",
}


def check_table(family: Any) -> None:
    """Normalise the entries of a new family.

    Raises:
        InvalidArgumentError: If one breaks a rule; with the field, the rule and the value.
    """
    _check_entries(family)
    _check_widths(family)
    _check_parts(family)
    _check_mid_channels(family)
    _check_amounts(family)
    if family.block == "mbconv":
        _check_mbconv(family)
    else:
        _check_resnet(family)
    _check_sizes(family)
    _check_names(family)


def _check_entries(family: Any) -> None:
    architecture = rules.text("architecture", family.architecture, tuple(ARCHITECTURES))
    allowed = ARCHITECTURES[architecture]
    every = dict.fromkeys(itertools.chain(*ARCHITECTURES.values()))
    block = rules.text("block", family.block, tuple(every))
    if block not in allowed:
        raise InvalidArgumentError(
            f"`block` must be {' or '.join(map(repr, allowed))} for {architecture}, but got "
            f"{block!r}."
        )
    rules.assign(
        family,
        name=rules.text("name", family.name),
        aliases=rules.entries("aliases", family.aliases, least=0),
        resolutions=rules.choices(
            "resolutions", rules.integers("resolutions", family.resolutions, most=MAX_PIXELS)
        ),
        kernels=rules.choices(
            "kernels", rules.integers("kernels", family.kernels, most=MAX_KERNEL)
        ),
        expands=_numbers("expands", family.expands),
        width_mults=_numbers("width_mults", family.width_mults),
        bn_eps=rules.number("bn_eps", family.bn_eps, below=1),
        in_channels=rules.integer("in_channels", family.in_channels, most=MAX_CHANNELS),
        shortcut=rules.text("shortcut", family.shortcut, get_args(Downsample)),
        divisor=rules.integer("divisor", family.divisor, most=MAX_CHANNELS),
        padding=rules.text("padding", family.padding, PADDINGS),
        squeeze=rules.text("squeeze", family.squeeze, SQUEEZES),
    )
    if any(kernel % 2 == 0 for kernel in family.kernels):
        raise InvalidArgumentError(f"`kernels` must be odd, but got {family.kernels}.")
    if any(abs(e * 100 - round(e * 100)) > 1e-6 for e in family.expands):
        raise InvalidArgumentError(
            f"`expands` must be whole percents, such as 0.35, but got {family.expands}."
        )


def _integers(field: str, values: Any, most: int) -> tuple[int, ...]:
    return rules.choices(field, rules.integers(field, values, most=most))


def _numbers(field: str, values: Any) -> tuple[float, ...]:
    found = rules.entries(field, values)
    return rules.choices(
        field, [rules.number(f"{field}[{i}]", v, below=MAX_EXPAND) for i, v in enumerate(found)]
    )


def _check_widths(family: Any) -> None:
    if family.block != "bottleneck" and len(family.width_mults) > 1:
        raise InvalidArgumentError(
            f"`width_mults` must be one for {family.block} blocks, but got {family.width_mults}."
        )


def _check_parts(family: Any) -> None:
    stages = rules.entries("stages", family.stages)
    rules.assign(family, stages=stages)
    parts = [("stem", family.stem, Stem), ("head", family.head, Head)]
    parts += [(f"stages[{i}]", stage, Stage) for i, stage in enumerate(stages)]
    for field, part, kind in parts:
        if not isinstance(part, kind):
            raise InvalidArgumentError(
                f"`{field}` must be a `{kind.__name__}`, but got {part!r:.100}."
            )
    n_widths = len(family.width_mults)
    channels = {
        "stem.conv_channels": family.stem.conv_channels,
        "stem.out_channels": family.stem.out_channels,
        **{f"stages[{i}].out_channels": stage.out_channels for i, stage in enumerate(stages)},
    }
    for field, numbers in channels.items():
        if len(numbers) != n_widths or list(numbers) != sorted(numbers):
            raise InvalidArgumentError(
                f"`{field}` must be {n_widths} ascending numbers, one for each of `width_mults`, "
                f"but got {numbers}."
            )


def _check_mid_channels(family: Any) -> None:
    given = [i for i, stage in enumerate(family.stages) if stage.mid_channels]
    if not given:
        return
    for i in range(len(family.stages)):
        if i not in given:
            raise InvalidArgumentError(
                f"`stages[{i}].mid_channels` must be given where those of another stage are, but "
                f"got ()."
            )
    if max(family.expands) != 1:
        raise InvalidArgumentError(
            f"`expands` must be shares up to 1 where `stages[{given[0]}].mid_channels` are given, "
            f"but got {family.expands}."
        )


def _check_amounts(family: Any) -> None:
    """Refuse a network that no memory holds: nothing of such a size is ever allocated."""
    n_blocks = sum(stage.max_blocks for stage in family.stages)
    if n_blocks > _MOST_BLOCKS:
        raise InvalidArgumentError(
            f"`stages` must have at most {_MOST_BLOCKS} blocks, but got {n_blocks}."
        )
    parts = (family.stem, *family.stages)
    channels = [family.in_channels, *family.stem.conv_channels]
    channels += [n for part in parts for n in part.out_channels]
    widest = max(channels)
    # the expanded side of a block is that of its input, or of its output in a ResNet
    middle = widest * max(family.expands)
    given = [n for stage in family.stages for n in stage.mid_channels]
    middle = max(given) if given else middle
    n_weights = widest * max(middle, widest, max(family.kernels) ** 2)
    if family.block != "mbconv":
        n_weights = max(
            n_weights, 9 * middle * (middle if family.block == "bottleneck" else widest)
        )
    head = family.head
    ends = (channels[-1], head.final_expand_channels, head.feature_mix_channels, head.n_classes)
    n_weights = max(n_weights, *(a * b for a, b in itertools.pairwise(filter(None, ends))))
    if n_weights > _MOST_WEIGHTS:
        raise InvalidArgumentError(
            f"`stages` and `head` must have layers of at most {_MOST_WEIGHTS:,} weights, but got "
            f"one of {n_weights:,g}."
        )


def _check_mbconv(family: Any) -> None:
    if family.stem.depths:
        raise InvalidArgumentError(
            f"`stem.depths` must be empty for mbconv blocks, but got {family.stem.depths}."
        )
    stem = family.stem
    if (stem.kernel, stem.n_convs, stem.pool) != (3, 3, True):
        raise InvalidArgumentError(
            f"`stem` must have the defaults of `kernel`, `n_convs` and `pool` for mbconv blocks, "
            f"but got {stem.kernel}, {stem.n_convs} and {stem.pool}."
        )
    shares = any(stage.mid_channels for stage in family.stages)
    if 1 in family.expands and len(family.expands) > 1 and not shares:
        raise InvalidArgumentError(
            "`expands` must not mix 1, which means a block without expansion, with other "
            f"ratios, but got {family.expands}."
        )
    if family.head.mix_bias and not family.head.final_expand_channels:
        raise InvalidArgumentError(
            "`head.mix_bias` must be False where there are no `final_expand_channels`, because the "
            "feature mix then has batch normalisation, but got True."
        )
    if not family.head.feature_mix_channels:
        raise InvalidArgumentError(
            "`head.feature_mix_channels` must be positive for mbconv blocks, but got 0."
        )
    before = family.stem
    for i, stage in enumerate(family.stages):
        inputs = (before.out_channels[0],) + stage.out_channels * (stage.max_blocks - 1)
        if any(a == b for a, b in zip(inputs, stage.mid_channels, strict=False)):
            raise InvalidArgumentError(
                f"`stages[{i}].mid_channels` must differ from the channels at the input of each "
                f"block, {inputs}, because blocks without expansion are not elastic, but got "
                f"{stage.mid_channels}."
            )
        if stage.kernel not in (None, *family.kernels):
            raise InvalidArgumentError(
                f"`stages[{i}].kernel` must be one of `kernels`, {family.kernels}, or None, but "
                f"got {stage.kernel}."
            )
        same = stage.stride == 1 and stage.out_channels == before.out_channels
        if stage.base_depth + min(stage.depths) < 1 and not same:
            raise InvalidArgumentError(
                f"`stages[{i}].depths` must be 1 or more, because a stage without blocks passes "
                f"its input on, and this one has stride {stage.stride} and makes "
                f"{before.out_channels[0]} channels {stage.out_channels[0]}, but got "
                f"{stage.depths}."
            )
        before = stage


def _check_resnet(family: Any) -> None:
    if family.kernels != (3,):
        raise InvalidArgumentError(
            f"`kernels` must be (3,) for {family.block} blocks, but got {family.kernels}."
        )
    _check_resnet_stem(family)
    head = family.head
    if head.final_expand_channels or head.feature_mix_channels:
        raise InvalidArgumentError(
            f"`head` must have 0 `final_expand_channels` and `feature_mix_channels` for "
            f"{family.block} blocks, but got {head.final_expand_channels} and "
            f"{head.feature_mix_channels}."
        )
    if family.padding != "half":
        raise InvalidArgumentError(
            f"`padding` must be 'half' for {family.block} blocks, but got {family.padding!r}."
        )
    before = family.stem
    for i, stage in enumerate(family.stages):
        if stage.kernel not in (None, 3):
            raise InvalidArgumentError(
                f"`stages[{i}].kernel` must be None or 3 for {family.block} blocks, but got "
                f"{stage.kernel}."
            )
        if stage.base_depth + min(stage.depths) < 1:
            raise InvalidArgumentError(
                f"`stages[{i}].depths` must be at least one block with `base_depth` for "
                f"{family.block} blocks, but got {stage.depths} with {stage.base_depth}."
            )
        if stage.use_se:
            raise InvalidArgumentError(
                f"`stages[{i}].use_se` must be False for {family.block} blocks, but got True."
            )
        if family.shortcut == "pad" and stage.out_channels < before.out_channels:
            raise InvalidArgumentError(
                f"`stages[{i}].out_channels` must be no less than those before it with `shortcut` "
                f"'pad', but got {stage.out_channels} after {before.out_channels}."
            )
        before = stage


def _check_resnet_stem(family: Any) -> None:
    stem = family.stem
    if stem.n_convs == 3 and len(stem.depths) != 2:
        raise InvalidArgumentError(
            f"`stem.depths` must be two for {family.block} blocks, without and with the layer that "
            f"can be skipped, but got {stem.depths}."
        )
    if stem.n_convs == 1 and stem.depths:
        raise InvalidArgumentError(
            f"`stem.depths` must be empty with one convolution, but got {stem.depths}."
        )
    if stem.n_convs == 1 and stem.conv_channels != stem.out_channels:
        raise InvalidArgumentError(
            f"`stem.conv_channels` must be `stem.out_channels` with one convolution, but got "
            f"{stem.conv_channels} and {stem.out_channels}."
        )
    if family.shortcut == "pad" and len(family.width_mults) > 1:
        raise InvalidArgumentError(
            f"`shortcut` must not be 'pad' with several `width_mults`, but got "
            f"{family.width_mults}."
        )


def _check_sizes(family: Any) -> None:
    if family.resolutions[0] < family.total_stride:
        raise InvalidArgumentError(
            f"`resolutions` must be {family.total_stride} pixels or more, the product of the "
            f"strides, but got {family.resolutions}."
        )


def _check_names(family: Any) -> None:
    rules.assign(
        family, aliases=tuple(rules.text(f"aliases[{i}]", a) for i, a in enumerate(family.aliases))
    )
    if not RESERVED.keys() & {family.name, *family.aliases}:
        return
    own = fingerprint(to_table(family))
    if not own.startswith(RESERVED.get(family.name, "")):
        raise InvalidArgumentError(
            f"`name` must not be that of a published family, which has another table, "
            f"but got {family.name!r}."
        )
    kept = tuple(a for a in family.aliases if own.startswith(RESERVED.get(a, "")))
    rules.assign(family, aliases=kept)
