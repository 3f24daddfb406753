"""The tables of ResNets whose largest subnet is a network with published weights."""

from __future__ import annotations

from optuna_ofa.space._family import Family
from optuna_ofa.space._parts import Head, Stage, Stem


def resnet50() -> Family:
    """Return ResNet-50, as ``resnet50`` of torchvision and of timm.

    ``torchvision/models/resnet.py``: the stride is in the 3x3 convolution.
    """
    middle = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
    return Family(
        name="resnet50",
        architecture="ResNets",
        block="bottleneck",
        resolutions=(128, 160, 192, 224),
        kernels=(3,),
        expands=(0.5, 0.75, 1),
        width_mults=(1,),
        stem=Stem((64,), (64,), act="relu", kernel=7, n_convs=1),
        stages=tuple(
            Stage(
                (4 * channels,),
                stride,
                "relu",
                depths=tuple(range(1, n + 1)),
                mid_channels=(channels,) * n,
            )
            for channels, n, stride in middle
        ),
        head=Head(0, 0, act="relu"),
        shortcut="conv",
    )


def resnet20_cifar10() -> Family:
    """Return ResNet-20 for CIFAR-10, whose shortcuts have no weights.

    ``resnet.py`` of ``akamaster/pytorch_resnet_cifar10``, option A of the paper
    (arXiv:1512.03385, section 4.2).
    """
    return Family(
        name="resnet20_cifar10",
        architecture="ResNets",
        block="basic",
        resolutions=(24, 28, 32),
        kernels=(3,),
        expands=(0.25, 0.5, 0.75, 1),
        width_mults=(1,),
        stem=Stem((16,), (16,), act="relu", stride=1, n_convs=1, pool=False),
        stages=tuple(
            Stage((channels,), stride, "relu", depths=(1, 2, 3))
            for channels, stride in ((16, 1), (32, 2), (64, 2))
        ),
        head=Head(0, 0, act="relu", n_classes=10),
        divisor=4,
        shortcut="pad",
    )
