"""The tables of families for microcontrollers: little memory, and operators that all of them have.

Inverted residuals with ReLU6, without squeeze-and-excitation or hard swish, whose activations
compress badly to eight bits.
"""

from __future__ import annotations

from optuna_ofa.space._family import Family
from optuna_ofa.space._parts import Head, Stage, Stem, make_divisible

_WIDTHS = (0.35, 0.5, 0.75, 1.0)
_STRIDES = (2, 2, 2, 1, 2)


def microcontroller(
    name: str,
    width: float,
    resolutions: tuple[int, ...] = tuple(range(48, 161, 16)),
    *,
    n_classes: int = 1000,
    in_channels: int = 3,
) -> Family:
    """Return ProxylessNAS without its widest stage: five stages of one to three blocks.

    The last 1x1 convolution makes the 320 channels (times the width) of the dropped stage rather
    than MobileNetV2's 1,280, which would have more weights than all other layers of width 0.35.
    With 10 classes, width 0.35 has 0.03 to 0.30 million parameters; its subnets have 0.6 to 4
    million multiply-adds at 48 pixels, 7 to 44 at 160.
    """
    stem, block0, *stages, mix = (
        make_divisible(c * width) for c in (32, 16, 24, 40, 80, 96, 160, 320)
    )
    return Family(
        name=name,
        architecture="ProxylessNASNets",
        block="mbconv",
        resolutions=resolutions,
        kernels=(3, 5, 7),
        expands=(3, 4, 6),
        width_mults=(width,),
        stem=Stem((stem,), (block0,), act="relu6", block_act="relu6"),
        stages=tuple(
            Stage((channels,), stride, "relu6", depths=(1, 2, 3))
            for channels, stride in zip(stages, _STRIDES, strict=True)
        ),
        head=Head(0, mix, act="relu6", n_classes=n_classes),
        bn_eps=1e-3,
        in_channels=in_channels,
    )


def microcontroller_families() -> tuple[Family, ...]:
    """Return the one of the packaged supernet, then those for colour images of every width."""
    trained = microcontroller(
        "microcontroller_fashion", 0.35, (48, 64, 80), n_classes=10, in_channels=1
    )
    return (trained, *(microcontroller(f"microcontroller_w{width}", width) for width in _WIDTHS))
