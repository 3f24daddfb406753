"""The tables of the published families, and how to find one by name."""

from __future__ import annotations

from functools import cache

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.space._family import Family, Head, Stage, Stem, make_divisible


def mobilenet_v3(name: str, aliases: tuple[str, ...], width: float, resolutions: range) -> Family:
    """OFA-MobileNetV3 (``ofa_mbv3.py``): 20 elastic blocks, squeeze-excite in stages 2, 4 and 5."""
    stem, block0, *stages, expand, mix = (
        make_divisible(c * width) for c in (16, 16, 24, 40, 80, 112, 160, 960, 1280)
    )
    acts = ("relu", "relu", "h_swish", "h_swish", "h_swish")
    squeeze = (False, True, False, True, True)
    return Family(
        name=name,
        aliases=aliases,
        architecture="MobileNetV3",
        block="mbconv",
        resolutions=tuple(resolutions),
        kernels=(3, 5, 7),
        expands=(3, 4, 6),
        width_mults=(width,),
        stem=Stem((stem,), (block0,), act="h_swish", block_act="relu"),
        stages=tuple(
            Stage((channels,), stride, act, use_se)
            for channels, stride, act, use_se in zip(
                stages, (2, 2, 2, 1, 2), acts, squeeze, strict=True
            )
        ),
        head=Head(expand, mix, act="h_swish"),
    )


def proxylessnas(
    name: str,
    aliases: tuple[str, ...],
    width: float,
    resolutions: range,
    expands: tuple[int, ...] = (3, 4, 6),
) -> Family:
    """OFA-ProxylessNAS (``ofa_proxyless.py``): 21 elastic blocks, the last stage has one."""
    stem, block0, *stages, mix = (
        make_divisible(c * width) for c in (32, 16, 24, 40, 80, 96, 192, 320, 1280)
    )
    return Family(
        name=name,
        aliases=aliases,
        architecture="ProxylessNASNets",
        block="mbconv",
        resolutions=tuple(resolutions),
        kernels=(3, 5, 7),
        expands=expands,
        width_mults=(width,),
        stem=Stem((stem,), (block0,), act="relu6", block_act="relu6"),
        stages=tuple(
            Stage((channels,), stride, "relu6", depths=(1,) if s == 5 else (2, 3, 4))
            for s, (channels, stride) in enumerate(zip(stages, (2, 2, 2, 1, 2, 1), strict=True))
        ),
        head=Head(0, mix, act="relu6"),
        bn_eps=1e-3,
    )


def resnet50d(name: str, aliases: tuple[str, ...], resolutions: range) -> Family:
    """OFA-ResNet50D (``ofa_resnets.py``): 18 bottlenecks, elastic depth, expand ratio and width."""
    widths = (0.65, 0.8, 1.0)
    stem = tuple(make_divisible(64 * w) for w in widths)
    return Family(
        name=name,
        aliases=aliases,
        architecture="ResNets",
        block="bottleneck",
        resolutions=tuple(resolutions),
        kernels=(3,),
        expands=(0.2, 0.25, 0.35),
        width_mults=widths,
        stem=Stem(
            tuple(make_divisible(c // 2) for c in stem), stem, act="relu", depths=(0, 2)
        ),
        stages=tuple(
            Stage(
                tuple(make_divisible(channels * w) for w in widths),
                stride,
                "relu",
                base_depth=base_depth,
                depths=(0, 1, 2),
            )
            for channels, stride, base_depth in zip(
                (256, 512, 1024, 2048), (1, 2, 2, 2), (2, 2, 4, 2), strict=True
            )
        ),
        head=Head(0, 0, act="relu"),
    )


@cache
def families() -> tuple[Family, ...]:
    """All published families, in the order in which they are listed to users."""
    every_fourth = range(128, 225, 4)
    return (
        mobilenet_v3(
            "ofa_mbv3_w1.0", ("ofa_mbv3_d234_e346_k357_w1.0",), 1.0, every_fourth
        ),
        mobilenet_v3(
            "ofa_mbv3_w1.2", ("ofa_mbv3_d234_e346_k357_w1.2",), 1.2, range(160, 225, 4)
        ),
        proxylessnas(
            "ofa_proxyless_w1.3", ("ofa_proxyless_d234_e346_k357_w1.3",), 1.3, every_fourth
        ),
        resnet50d(
            "ofa_resnet50",
            ("ofa_resnet50_d=0+1+2_e=0.2+0.25+0.35_w=0.65+0.8+1.0", "ofa_resnet50d"),
            every_fourth,
        ),
    )


def get_family(name: str) -> Family:
    """Look a family up by its short or its published name.

    Raises:
        InvalidArgumentError: If no family has that name.
    """
    for family in families():
        if name == family.name or name in family.aliases:
            return family
    known = ", ".join(family.name for family in families())
    raise InvalidArgumentError(f"`family` must be one of {known}, but got {name!r}.")
