"""The tables of families whose largest subnet is a network with published weights.

Each table follows the code that the weights are published with, which is cited at each of them.
"""

from __future__ import annotations

from optuna_ofa.space._family import Family
from optuna_ofa.space._parts import Head, Stage, Stem, make_divisible

# output channels, stride of the first block, kernel and blocks of each stage
_Rows = tuple[tuple[int, int, int, int], ...]
_MOBILENET_V2: _Rows = (
    (24, 2, 3, 2),
    (32, 2, 3, 3),
    (64, 2, 3, 4),
    (96, 1, 3, 3),
    (160, 2, 3, 3),
    (320, 1, 3, 1),
)
_EFFICIENTNET: _Rows = (
    (24, 2, 3, 2),
    (40, 2, 5, 2),
    (80, 2, 3, 3),
    (112, 1, 5, 3),
    (192, 2, 5, 4),
    (320, 1, 3, 1),
)


def _sixfold(
    name: str,
    architecture: str,
    rows: _Rows,
    resolutions: tuple[int, ...],
    *,
    bn_eps: float,
    same: bool = False,
) -> Family:
    """Return a family of inverted residuals without squeeze-and-excitation, of ratio 6 at most."""
    kernels = tuple(sorted({3} | {kernel for _, _, kernel, _ in rows}))
    return Family(
        name=name,
        architecture=architecture,
        block="mbconv",
        resolutions=resolutions,
        kernels=kernels,
        expands=(3, 4, 5, 6),
        width_mults=(1,),
        stem=Stem((32,), (16,), act="relu6", block_act="relu6"),
        stages=tuple(
            Stage((channels,), stride, "relu6", depths=tuple(range(1, n + 1)), kernel=kernel)
            for channels, stride, kernel, n in rows
        ),
        head=Head(0, 1280, act="relu6"),
        bn_eps=bn_eps,
        padding="same" if same else "half",
    )


def mobilenet_v2() -> Family:
    """Return MobileNetV2 of width 1: ``mobilenet_v2`` of torchvision, ``mobilenetv2_100`` of timm.

    ``torchvision/models/mobilenetv2.py``.
    """
    sizes = (128, 160, 192, 224)
    return _sixfold("mobilenet_v2", "MobileNetV2", _MOBILENET_V2, sizes, bn_eps=1e-5)


def efficientnet_lite(number: int) -> Family:
    """Return EfficientNet-Lite0, 1 or 2.

    ``efficientnet_lite_builder.py`` of TensorFlow's TPU models: the width of stem and head, and
    the blocks of the first and of the last stage, are the same in all.
    """
    width, depths, own = (
        (1.0, (2, 2, 3, 3, 4, 1), 224),
        (1.0, (3, 3, 4, 4, 5, 1), 240),
        (1.1, (3, 3, 4, 4, 5, 1), 260),
    )[number]
    rows = tuple(
        (make_divisible(channels * width), stride, kernel, depth)
        for (channels, stride, kernel, _), depth in zip(_EFFICIENTNET, depths, strict=True)
    )
    sizes = tuple(sorted({*range(128, own + 1, 32), own}))
    name = f"efficientnet_lite{number}"
    return _sixfold(name, "EfficientNet", rows, sizes, bn_eps=1e-3, same=True)


def pretrained_families() -> tuple[Family, ...]:
    """Return all of them, in the order in which users see them."""
    return (*map(efficientnet_lite, range(3)), mobilenet_v2())
