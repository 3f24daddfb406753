"""How other packages name the layers of a network: a function for each, from places to paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from optuna_ofa.pretrained._places import Place
from optuna_ofa.space import Family

_UNITS = ("expand", "depthwise", "squeeze", "project")
_SQUEEZES = ("reduce", "excite")
# networks with the same keys and shapes, whose epsilons of batch normalisation differ
_OTHERS = {
    ("timm", "mobilenet_v3_large"): "mobilenetv3_large_100",
    ("torchvision", "mobilenetv3_large_100"): "mobilenet_v3_large",
}


class Source(NamedTuple):
    """A package, or one of its model classes, with names of its own for the layers.

    Args:
        package: The package.
        name: Its name in messages.
        path: Takes a place and the family, and returns the path of the layer in that package;
            None where its networks have no such layer.
    """

    package: str
    name: str
    path: Callable[[Place, Family], str | None]

    def other_family(self, family: Family) -> str | None:
        """Return the family of the package's network, if its epsilon is not that of ``family``."""
        return _OTHERS.get((self.package, family.name))


def number(place: Place, *, counts_se: bool) -> int:
    """Return the position of a unit in its block, from 0."""
    has = {"expand": place.expands, "squeeze": place.use_se and counts_se}
    units = [unit for unit in _UNITS if has.get(unit, True)]
    return units.index("squeeze" if place.unit in _SQUEEZES else place.unit)


def torchvision_mobilenet_v2(place: Place, family: Family) -> str | None:
    """``MobileNetV2``: all blocks in one sequence, ``features.3.conv.1.0``."""
    match place.role:
        case "stem":
            return f"features.0.{place.is_bn:d}"
        case "block" if place.unit == "project":
            last = number(place, counts_se=False)
            return f"features.{place.block + 1}.conv.{last + place.is_bn}"
        case "block" if place.unit in _UNITS:
            n = number(place, counts_se=False)
            return f"features.{place.block + 1}.conv.{n}.{place.is_bn:d}"
        case "feature_mix":
            return f"features.{family.n_blocks + 2}.{place.is_bn:d}"
        case "classifier":
            return "classifier.1"
    return None


def torchvision_mobilenet_v3(place: Place, family: Family) -> str | None:
    """``MobileNetV3``: all blocks in one sequence, two linear layers at the end."""
    match place.role:
        case "stem":
            return f"features.0.{place.is_bn:d}"
        case "block":
            return f"features.{place.block + 1}.{_numbered(place)}"
        case "final_expand":
            return f"features.{family.n_blocks + 2}.{place.is_bn:d}"
        case "feature_mix":
            return "classifier.0"
        case "classifier":
            return "classifier.3"
    return None


def torchvision_efficientnet(place: Place, family: Family) -> str | None:
    """``EfficientNet``: a sequence of stages, ``features.3.1.block.0.0``."""
    match place.role:
        case "stem":
            return f"features.0.{place.is_bn:d}"
        case "block":
            return f"features.{place.stage + 1}.{place.position}.{_numbered(place)}"
        case "feature_mix":
            return f"features.{len(family.stages) + 2}.{place.is_bn:d}"
        case "classifier":
            return "classifier.1"
    return None


def _numbered(place: Place) -> str:
    inner = {"reduce": "fc1", "excite": "fc2"}.get(place.unit, f"{place.is_bn:d}")
    return f"block.{number(place, counts_se=True)}.{inner}"


def torchvision_mnasnet(place: Place, family: Family) -> str | None:
    """``MNASNet``: the stem's block spread over the outer sequence, ``layers.8.0.layers.3``."""
    after = 7 + len(family.stages)
    match place.role:
        case "stem":
            return f"layers.{place.is_bn:d}"
        case "block" if place.unit not in _UNITS:
            return None
        case "block" if place.stage == 0:
            return f"layers.{3 + 3 * number(place, counts_se=False) + place.is_bn}"
        case "block":
            n = 3 * number(place, counts_se=False) + place.is_bn
            return f"layers.{7 + place.stage}.{place.position}.layers.{n}"
        case "feature_mix":
            return f"layers.{after + 1 + place.is_bn}"
        case "classifier":
            return "classifier.1"
    return None


def timm(place: Place, family: Family) -> str | None:
    """The ``EfficientNet`` and ``MobileNetV3`` classes of timm: ``blocks.2.0.conv_dw``."""
    match place.role:
        case "stem":
            return "bn1" if place.is_bn else "conv_stem"
        case "block":
            return f"blocks.{place.stage}.{place.position}.{_timm_unit(place)}"
        case "final_expand":
            return f"blocks.{len(family.stages) + 1}.0.{'bn1' if place.is_bn else 'conv'}"
        case "feature_mix":
            return "bn2" if place.is_bn else "conv_head"
        case "classifier":
            return "classifier"
    return None


def _timm_unit(place: Place) -> str:
    if place.is_bn:
        return f"bn{number(place, counts_se=False) + 1}"
    return {
        "expand": "conv_pw",
        "depthwise": "conv_dw",
        "reduce": "se.conv_reduce",
        "excite": "se.conv_expand",
        "project": "conv_pwl" if place.expands else "conv_pw",
    }[place.unit]


def lukemelas(place: Place, family: Family) -> str | None:
    """``efficientnet_pytorch`` and ``efficientnet_lite_pytorch``: ``_blocks.3._depthwise_conv``."""
    match place.role:
        case "stem":
            return "_bn0" if place.is_bn else "_conv_stem"
        case "block":
            return f"_blocks.{place.block}.{_lukemelas_unit(place)}"
        case "feature_mix":
            return "_bn1" if place.is_bn else "_conv_head"
        case "classifier":
            return "_fc"
    return None


def _lukemelas_unit(place: Place) -> str:
    unit = {"reduce": "se_reduce", "excite": "se_expand"}.get(place.unit, f"{place.unit}_conv")
    norm = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    return norm[place.unit] if place.is_bn else f"_{unit}"


def resnet(place: Place, family: Family, classifier: str = "fc") -> str | None:
    """``ResNet`` of torchvision and timm: ``layer1.0.conv1``, ``layer1.0.bn1``."""
    match place.role:
        case "stem":
            return "bn1" if place.is_bn else "conv1"
        case "block":
            return f"layer{place.stage + 1}.{place.position}.{_resnet_unit(place)}"
        case "classifier":
            return classifier
    return None


def _resnet_unit(place: Place) -> str:
    if place.unit == "downsample":
        return f"downsample.{place.is_bn:d}"
    return place.unit.replace("conv", "bn") if place.is_bn else place.unit


def resnet_cifar(place: Place, family: Family) -> str | None:
    """ResNets of akamaster's ``pytorch_resnet_cifar10``: as `resnet`, with another classifier."""
    return resnet(place, family, "linear")


def own(place: Place, family: Family) -> str | None:
    """This package, and the static networks of the ``ofa`` package."""
    return place.own


def ofa_elastic(place: Place, family: Family) -> str | None:
    """The elastic networks of the ``ofa`` package, whose layers wrap those of torch."""
    return f"{place.own}.{place.own.rpartition('.')[2]}" if place.elastic else place.own


_OWN = (Source("optuna_ofa", "optuna_ofa", own), Source("ofa", "the ofa package", ofa_elastic))
MBCONV = (
    Source("torchvision", "torchvision's MobileNetV2", torchvision_mobilenet_v2),
    Source("torchvision", "torchvision's MobileNetV3", torchvision_mobilenet_v3),
    Source("torchvision", "torchvision's EfficientNet", torchvision_efficientnet),
    Source("torchvision", "torchvision's MNASNet", torchvision_mnasnet),
    Source("timm", "timm", timm),
    Source("efficientnet_pytorch", "efficientnet_pytorch", lukemelas),
    *_OWN,
)
RESNETS = (
    Source("torchvision", "torchvision and timm", resnet),
    Source("pytorch_resnet_cifar10", "pytorch_resnet_cifar10", resnet_cifar),
    *_OWN,
)


def sources(family: Family) -> tuple[Source, ...]:
    """Return the sources of a family's networks."""
    return MBCONV if family.block == "mbconv" else RESNETS
