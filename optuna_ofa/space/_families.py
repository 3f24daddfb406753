"""The tables and names of the published families and of those of this package."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from optuna_ofa.space import _rules as rules
from optuna_ofa.space._family import Family
from optuna_ofa.space._microcontroller_families import microcontroller_families
from optuna_ofa.space._parts import Head, Stage, Stem, make_divisible
from optuna_ofa.space._pretrained_families import pretrained_families
from optuna_ofa.space._resnet_families import resnet20_cifar10, resnet50


def mobilenet_v3(name: str, aliases: tuple[str, ...], width: float, resolutions: range) -> Family:
    """Return an OFA-MobileNetV3 (``ofa_mbv3.py``): 20 elastic blocks, three stages with SE."""
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
    """Return an OFA-ProxylessNAS (``ofa_proxyless.py``): 21 elastic blocks."""
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
    """Return an OFA-ResNet50D (``ofa_resnets.py``): 18 bottlenecks of elastic width."""
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
        stem=Stem(tuple(make_divisible(c // 2) for c in stem), stem, act="relu", depths=(0, 2)),
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


def mobilenet_v3_small_images(
    name: str,
    *,
    width: float = 1.0,
    n_classes: int = 10,
    in_channels: int = 3,
    resolutions: Iterable[int] = (20, 24, 28),
) -> Family:
    """Return a MobileNetV3-like family for images of 20 to 64 pixels that a CPU can train.

    The stem keeps the image size; stages of 24, 32 and 48 channels of 2, 3 or 4 blocks each, the
    last two with squeeze-and-excitation, work at a half and a quarter of it. With width 1 and 28
    pixels the largest subnet has 24 million multiply-adds and 0.56 million parameters, the
    smallest (at 20 pixels) 2.4 and 0.13.

    Args:
        name: Name of the family, which is stored in its files.
        width: Multiplier of all numbers of channels, which stay multiples of 8.
        n_classes: Outputs of the classifier.
        in_channels: Channels of the images.
        resolutions: Input sizes in pixels, in any order.

    Raises:
        InvalidArgumentError: If a number is not positive, or a resolution is below 4 pixels, the
            product of the strides.
    """
    width = rules.number("width", width)
    sizes = rules.integers("resolutions", resolutions, least=4)
    stem, *stages, expand, mix = (make_divisible(c * width) for c in (16, 24, 32, 48, 192, 256))
    return Family(
        name=name,
        aliases=(),
        architecture="MobileNetV3",
        block="mbconv",
        resolutions=tuple(set(sizes)),
        kernels=(3, 5, 7),
        expands=(3, 4, 6),
        width_mults=(width,),
        stem=Stem((stem,), (stem,), act="h_swish", stride=1, block_act="relu"),
        stages=tuple(
            Stage((channels,), stride, act, use_se)
            for channels, stride, act, use_se in zip(
                stages, (2, 2, 1), ("relu", "h_swish", "h_swish"), (False, True, True), strict=True
            )
        ),
        head=Head(expand, mix, act="h_swish", n_classes=n_classes),
        in_channels=in_channels,
    )


@cache
def families() -> tuple[Family, ...]:
    """Return all published families, in the order in which users see them."""
    every_fourth = range(128, 225, 4)
    return (
        mobilenet_v3("ofa_mbv3_w1.0", ("ofa_mbv3_d234_e346_k357_w1.0",), 1.0, every_fourth),
        mobilenet_v3("ofa_mbv3_w1.2", ("ofa_mbv3_d234_e346_k357_w1.2",), 1.2, range(160, 225, 4)),
        proxylessnas(
            "ofa_proxyless_w1.3", ("ofa_proxyless_d234_e346_k357_w1.3",), 1.3, every_fourth
        ),
        resnet50d(
            "ofa_resnet50",
            ("ofa_resnet50_d=0+1+2_e=0.2+0.25+0.35_w=0.65+0.8+1.0", "ofa_resnet50d"),
            every_fourth,
        ),
    )


@cache
def known_families() -> tuple[Family, ...]:
    """Return the published families and those defined by this package."""
    small = mobilenet_v3_small_images("ofa_mbv3_fashion", in_channels=1)
    own = (*pretrained_families(), resnet50(), resnet20_cifar10())
    return (*families(), small, *microcontroller_families(), *own)


def family_named(name: str) -> Family | None:
    """Return the known family of a name or an alias, if there is one."""
    known = known_families()
    return next((family for family in known if name in (family.name, *family.aliases)), None)
