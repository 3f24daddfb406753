"""The tables of families whose largest subnet is a network with published weights.

Each table follows the code that the weights are published with, which is cited at each of them.
"""

from __future__ import annotations

from optuna_ofa.space._family import Family
from optuna_ofa.space._parts import Head, Stage, Stem, make_divisible

# output channels, stride of the first block, kernel and blocks of each stage
_Rows = tuple[tuple[int, int, int, int], ...]
_SIZES = (128, 160, 192, 224)
_SHARES = (0.5, 0.67, 0.83, 1)
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
            Stage((channels,), stride, "relu6", depths=_up_to(n), kernel=kernel)
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
    return _sixfold("mobilenet_v2", "MobileNetV2", _MOBILENET_V2, _SIZES, bn_eps=1e-5)


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


def efficientnet_b0() -> Family:
    """Return EfficientNet-B0 as in torchvision and timm, padded by half the kernel.

    ``torchvision/models/efficientnet.py``.
    """
    return Family(
        name="efficientnet_b0",
        architecture="EfficientNet",
        block="mbconv",
        resolutions=_SIZES,
        kernels=(3, 5),
        expands=(3, 4, 5, 6),
        width_mults=(1,),
        stem=Stem((32,), (16,), act="silu", block_act="silu", block_use_se=True),
        stages=tuple(
            Stage((channels,), stride, "silu", use_se=True, depths=_up_to(n), kernel=kernel)
            for channels, stride, kernel, n in _EFFICIENTNET
        ),
        head=Head(0, 1280, act="silu"),
        squeeze="input",
    )


def mnasnet1_0() -> Family:
    """Return MNASNet-B1 of width 1: ``mnasnet1_0`` of torchvision, ``mnasnet_100`` of timm.

    ``torchvision/models/mnasnet.py``. The first two stages expand threefold, the others sixfold.
    """
    rows: tuple[tuple[int, int, int, tuple[int, ...]], ...] = (
        (24, 2, 3, (48, 72, 72)),
        (40, 2, 5, (72, 120, 120)),
        (80, 2, 5, (240, 480, 480)),
        (96, 1, 3, (480, 576)),
        (192, 2, 5, (576, 1152, 1152, 1152)),
        (320, 1, 3, (1152,)),
    )
    return Family(
        name="mnasnet1_0",
        architecture="MnasNet",
        block="mbconv",
        resolutions=_SIZES,
        kernels=(3, 5),
        expands=_SHARES,
        width_mults=(1,),
        stem=Stem((32,), (16,), act="relu", block_act="relu"),
        stages=tuple(_of_channels(mid, channels, k, s, "relu") for channels, s, k, mid in rows),
        head=Head(0, 1280, act="relu"),
    )


def mobilenet_v3_large(name: str = "mobilenet_v3_large", bn_eps: float = 1e-3) -> Family:
    """Return MobileNetV3-Large of torchvision, or of timm, which has another epsilon.

    ``torchvision/models/mobilenetv3.py``.
    """
    stages = (
        _of_channels((64, 72), 24, 3, 2, "relu"),
        _of_channels((72, 120, 120), 40, 5, 2, "relu", use_se=True),
        _of_channels((240, 200, 184, 184), 80, 3, 2, "h_swish"),
        _of_channels((480, 672), 112, 3, 1, "h_swish", use_se=True),
        _of_channels((672, 960, 960), 160, 5, 2, "h_swish", use_se=True),
    )
    return Family(
        name=name,
        architecture="MobileNetV3",
        block="mbconv",
        resolutions=_SIZES,
        kernels=(3, 5),
        expands=_SHARES,
        width_mults=(1,),
        stem=Stem((16,), (16,), act="h_swish", block_act="relu"),
        stages=stages,
        head=Head(960, 1280, act="h_swish", mix_bias=True),
        bn_eps=bn_eps,
    )


def _of_channels(
    mid: tuple[int, ...], out: int, kernel: int, stride: int, act: str, use_se: bool = False
) -> Stage:
    """Return a stage of blocks with these middle channels."""
    depths = _up_to(len(mid))
    return Stage((out,), stride, act, use_se, depths=depths, kernel=kernel, mid_channels=mid)


def _up_to(n: int) -> tuple[int, ...]:
    return tuple(range(1, n + 1))


def pretrained_families() -> tuple[Family, ...]:
    """Return all of them, in the order in which users see them."""
    return (
        *map(efficientnet_lite, range(3)),
        mobilenet_v2(),
        mnasnet1_0(),
        mobilenet_v3_large(),
        mobilenet_v3_large("mobilenetv3_large_100", bn_eps=1e-5),
        efficientnet_b0(),
    )
