"""The operators of a layer and the tensors that they read and write."""

from __future__ import annotations

from typing import NamedTuple

from optuna_ofa.costs._macs import se_channels
from optuna_ofa.space import Layer


class Operator(NamedTuple):
    """One operator, batch normalisation and activation folded into it; numbers for one image.

    Args:
        name: ``"pointwise"``, ``"depthwise"``, ``"conv"``, ``"squeeze"`` (all of
            squeeze-and-excitation but its scaling), ``"scale"``, ``"add"``, ``"pool"`` or
            ``"linear"``.
        n_read: Numbers of activations that it reads.
        n_written: Numbers of activations that it writes.
        n_weights: Weights and biases.
        n_kept: Numbers of activations that it does not touch, but that are needed later.
        in_place: Whether it can write over what it reads.
    """

    name: str
    n_read: int
    n_written: int
    n_weights: int = 0
    n_kept: int = 0
    in_place: bool = False


def layer_operators(layer: Layer) -> tuple[Operator, ...]:
    """The operators of a layer as a runtime with fused activations executes them."""
    n_in = layer.in_channels * layer.in_size**2
    n_out = layer.out_channels * layer.out_size**2
    match layer.kind:
        case "mbconv":
            return _mbconv(layer, n_in, n_out)
        case "bottleneck":
            return _bottleneck(layer, n_in, n_out)
        case "conv":
            name = "pointwise" if layer.kernel == 1 else "conv"
            weights = layer.in_channels * layer.out_channels * layer.kernel**2
            weights += layer.out_channels * layer.use_bn
            conv = Operator(name, n_in, n_out, weights, n_in * layer.shortcut)
            return (conv, _add(n_out)) if layer.shortcut else (conv,)
        case "linear":
            return (Operator("linear", n_in, n_out, (n_in + 1) * n_out),)
        case _:
            return (Operator("pool", n_in, n_out),)


def _mbconv(layer: Layer, n_in: int, n_out: int) -> tuple[Operator, ...]:
    mid = layer.mid_channels
    wide, narrow = mid * layer.in_size**2, mid * layer.out_size**2
    kept = n_in * layer.shortcut
    operators = []
    if layer.expand != 1:
        weights = (layer.in_channels + 1) * mid
        operators.append(Operator("pointwise", n_in, wide, weights))
    weights = (layer.kernel**2 + 1) * mid
    operators.append(Operator("depthwise", wide, narrow, weights, kept))
    if layer.use_se:
        s = se_channels(mid)
        operators += [
            Operator("squeeze", narrow, mid, 2 * mid * s + mid + s, kept + narrow),
            Operator("scale", narrow + mid, narrow, 0, kept, in_place=True),
        ]
    weights = (mid + 1) * layer.out_channels
    operators.append(Operator("pointwise", narrow, n_out, weights, kept))
    if layer.shortcut:
        operators.append(_add(n_out))
    return tuple(operators)


def _bottleneck(layer: Layer, n_in: int, n_out: int) -> tuple[Operator, ...]:
    mid, i, o = layer.mid_channels, layer.in_channels, layer.out_channels
    wide, narrow = mid * layer.in_size**2, mid * layer.out_size**2
    operators = [
        Operator("pointwise", n_in, wide, (i + 1) * mid, n_in),
        Operator("conv", wide, narrow, (mid * layer.kernel**2 + 1) * mid, n_in),
        Operator("pointwise", narrow, n_out, (mid + 1) * o, n_in),
    ]
    if not layer.shortcut:
        pooled = i * layer.out_size**2
        if layer.stride > 1:
            operators.append(Operator("pool", n_in, pooled, 0, n_out))
        operators.append(Operator("pointwise", pooled, n_out, (i + 1) * o, n_out))
    return (*operators, _add(n_out))


def _add(n_out: int) -> Operator:
    return Operator("add", 2 * n_out, n_out, in_place=True)
