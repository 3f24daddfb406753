"""Convolution, normalisation and activation as one unit, and the units of each layer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import nn

from optuna_ofa.costs import squeezed_channels
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import Layer
from optuna_ofa.supernet._batch_norm import ElasticBatchNorm2d
from optuna_ofa.supernet._elastic import Size
from optuna_ofa.supernet._elastic_layers import ElasticConv2d, ElasticDepthwiseConv2d, ElasticLinear
from optuna_ofa.supernet._own_weights import OwnDepthwiseConv2d, OwnProjection, projection_name
from optuna_ofa.supernet._padding import ElasticSamePad2d
from optuna_ofa.supernet._squeeze_excite import ElasticSqueezeExcite

ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6, "h_swish": nn.Hardswish, "silu": nn.SiLU}


class Unit(NamedTuple):
    """One weight layer with its normalisation, activation and other parts.

    Args:
        size: Channels and kernel.
        kind: The weight layer.
        stride: Stride of the convolution.
        act: Activation; empty means none.
        use_se: Whether squeeze-and-excitation follows the activation.
        use_bn: Whether batch normalisation follows the convolution.
        pool: Kernel and stride of an average pooling before the convolution; 1 means none.
        squeezed: As in `SqueezeExcite`.
        same: Whether the convolution pads as `ElasticSamePad2d` does.
        bias: Whether the convolution has a bias.
    """

    size: Size
    kind: str = "conv"
    stride: int = 1
    act: str = ""
    use_se: bool = False
    use_bn: bool = True
    pool: int = 1
    squeezed: int = 0
    same: bool = False
    bias: bool = False


def units_of(layer: Layer) -> dict[str, Unit]:
    """Return the units of a layer, by the names that they have in the ``ofa`` package."""
    n_in, mid, n_out = layer.in_channels, layer.mid_channels, layer.out_channels
    act, stride = layer.act, layer.stride
    same = layer.padding == "same"
    of_kernel = (layer.kernel, layer.in_size if same else 0)
    size = Size(n_in, n_out, *of_kernel)
    own = projection_name(layer.kernel, mid)
    match layer.kind:
        case "conv":
            # the name is a path: a convolution that can be skipped is inside a residual block
            path = "conv" if layer.shortcut else ""
            return {
                path: Unit(
                    size, "conv", stride, act, use_bn=layer.use_bn, same=same, bias=layer.bias
                )
            }
        case "linear":
            return {"linear": Unit(size, "linear")}
        case "mbconv":
            squeezed = squeezed_channels(layer) if layer.squeeze == "input" else 0
            units = {
                "conv.inverted_bottleneck": Unit(Size(n_in, mid), act=act),
                "conv.depth_conv": Unit(
                    Size(mid, mid, *of_kernel),
                    "depthwise",
                    stride,
                    act,
                    layer.use_se,
                    squeezed=squeezed,
                    same=same,
                ),
                "conv.point_linear": Unit(Size(mid, n_out, own=own)),
            }
            if not layer.expands:
                del units["conv.inverted_bottleneck"]
            return units
        case "bottleneck":
            units = {
                "conv1": Unit(Size(n_in, mid), act=act),
                "conv2": Unit(Size(mid, mid, layer.kernel), "conv", stride, act),
                "conv3": Unit(Size(mid, n_out, own=own)),
            }
            return units | _downsample(layer)
        case "basic":
            units = {
                "conv1": Unit(Size(n_in, mid, layer.kernel), "conv", stride, act),
                "conv2": Unit(Size(mid, n_out, layer.kernel, own=own)),
            }
            return units | _downsample(layer)
        case _:
            return {}


def _downsample(layer: Layer) -> dict[str, Unit]:
    """Return the unit of a shortcut that changes the shape, if it has weights."""
    if layer.shortcut or layer.downsample == "pad":
        return {}
    size = Size(layer.in_channels, layer.out_channels)
    pooled = layer.downsample == "avg_pool"
    unit = Unit(size, pool=layer.stride) if pooled else Unit(size, stride=layer.stride)
    return {"downsample": unit}


def build_unit(
    unit: Unit, kernels: Iterable[int], bn_eps: float, own: Mapping[str, int] | None = None
) -> nn.Module:
    """Build the elastic modules of a unit.

    Args:
        unit: The unit at its largest.
        kernels: Kernel sizes of a depthwise convolution.
        bn_eps: Epsilon of the batch normalisation.
        own: Input channels of each weight of its own, by name; None means that smaller sizes use
            parts of the largest one.
    """
    n_in, n_out, kernel = unit.size[:3]
    if unit.kind == "linear":
        return ElasticLinear(n_in, n_out)
    modules: dict[str, nn.Module] = {}
    if unit.pool > 1:
        modules["avg_pool"] = nn.AvgPool2d(unit.pool, unit.pool, ceil_mode=True)
    if unit.same:
        modules["pad"] = ElasticSamePad2d(kernel, unit.stride)
    if unit.kind == "depthwise":
        depthwise = ElasticDepthwiseConv2d if own is None else OwnDepthwiseConv2d
        modules["conv"] = depthwise(n_out, kernels, unit.stride, pads=not unit.same)
    elif own:
        modules["conv"] = OwnProjection(n_in, n_out, kernel, unit.stride, own=own)
    else:
        modules["conv"] = ElasticConv2d(
            n_in, n_out, kernel, unit.stride, pads=not unit.same, bias=unit.bias
        )
    if unit.use_bn:
        modules["bn"] = ElasticBatchNorm2d(n_out, bn_eps)
    if unit.act:
        modules["act"] = activation(unit.act)
    if unit.use_se:
        modules["se"] = ElasticSqueezeExcite(n_out, unit.squeezed)
    return nn.Sequential(OrderedDict(modules))


def activation(name: str) -> nn.Module:
    """Return the activation of that name.

    Raises:
        InvalidArgumentError: If there is no such activation.
    """
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise InvalidArgumentError(f"`act` must be one of {known}, but got {name!r}.")
    return ACTIVATIONS[name](inplace=True)
