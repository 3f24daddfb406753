"""Multiply-adds and parameters of a layer in closed form, counted as in the ``ofa`` package."""

from __future__ import annotations

from optuna_ofa._arguments import checked
from optuna_ofa.space import Layer, make_divisible

_SE_REDUCTION = 4


@checked
def layer_macs(layer: Layer) -> int:
    """Multiply-adds of one layer; one multiply-add counts once.

    As in ``ofa/utils/flops_counter.py``, convolutions and linear layers count
    (squeeze-and-excitation included); batch normalisation, activations and pooling do not.
    """
    i, m, o = layer.in_channels, layer.mid_channels, layer.out_channels
    area_in, area_out = layer.in_size**2, layer.out_size**2
    if layer.kind == "conv":
        return i * o * layer.kernel**2 * area_out
    if layer.kind == "linear":
        return i * o
    if layer.kind == "mbconv":
        expand = i * m * area_in if layer.expands else 0
        squeeze = 2 * m * squeezed_channels(layer)
        return expand + m * layer.kernel**2 * area_out + squeeze + m * o * area_out
    downsample = i * o * area_out if has_downsample(layer) else 0
    if layer.kind == "bottleneck":
        return i * m * area_in + (m * m * layer.kernel**2 + m * o) * area_out + downsample
    if layer.kind == "basic":
        return (i + o) * m * layer.kernel**2 * area_out + downsample
    return 0


@checked
def layer_params(layer: Layer) -> int:
    """Return the number of trainable parameters of one layer of an extracted subnet.

    Weights, biases, and the two parameters per channel of each batch normalisation.
    """
    i, m, o = layer.in_channels, layer.mid_channels, layer.out_channels
    bn = 2 * o if layer.use_bn else 0
    if layer.kind == "conv":
        return i * o * layer.kernel**2 + bn + o * layer.bias
    if layer.kind == "linear":
        return (i + 1) * o
    if layer.kind == "mbconv":
        expand = i * m + 2 * m if layer.expands else 0
        s = squeezed_channels(layer)
        squeeze = (m + 1) * s + (s + 1) * m if s else 0
        return expand + m * layer.kernel**2 + 2 * m + squeeze + m * o + bn
    downsample = i * o + 2 * o if has_downsample(layer) else 0
    if layer.kind == "bottleneck":
        return i * m + 2 * m + m * m * layer.kernel**2 + 2 * m + m * o + bn + downsample
    if layer.kind == "basic":
        return (i + o) * m * layer.kernel**2 + 2 * m + bn + downsample
    return 0


def has_downsample(layer: Layer) -> bool:
    """Return whether the shortcut of a ResNet's block is a convolution."""
    return not layer.shortcut and layer.downsample != "pad"


def squeezed_channels(layer: Layer) -> int:
    """Return the channels between the two convolutions of squeeze-and-excitation; 0 without it."""
    if not layer.use_se:
        return 0
    of_input = layer.squeeze == "input"
    return max(1, layer.in_channels // 4) if of_input else se_channels(layer.mid_channels)


def se_channels(mid_channels: int) -> int:
    """Return the squeezed channels of MobileNetV3's squeeze-and-excitation."""
    return make_divisible(mid_channels // _SE_REDUCTION)
