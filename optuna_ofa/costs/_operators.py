"""The operators of a layer and the tensors that they read and write."""

from __future__ import annotations

from typing import NamedTuple

from optuna_ofa.costs._macs import squeezed_channels
from optuna_ofa.space import Layer

FLOAT32 = 4


class Operator(NamedTuple):
    """One operator with batch normalisation and activation folded in; numbers for one image.

    Args:
        name: ``"pointwise"``, ``"depthwise"``, ``"conv"``, ``"squeeze"``
            (squeeze-and-excitation without its scaling), ``"scale"``, ``"add"``, ``"pool"``,
            ``"slice"``, ``"pad"`` (with zeros) or ``"linear"``.
        n_read: Number of activations that it reads.
        n_written: Number of activations that it writes.
        n_macs: Multiply-adds, counted as in `layer_macs`.
        n_weights: Weights and biases.
        n_kept: Number of activations that it does not touch, but that are needed later.
        in_place: Whether it can overwrite its input.
    """

    name: str
    n_read: int
    n_written: int
    n_macs: int = 0
    n_weights: int = 0
    n_kept: int = 0
    in_place: bool = False


def layer_operators(layer: Layer) -> tuple[Operator, ...]:
    """Return the operators of a layer as a runtime with fused activations executes them."""
    n_in = layer.in_channels * layer.in_size**2
    n_out = layer.out_channels * layer.out_size**2
    match layer.kind:
        case "mbconv":
            return _mbconv(layer, n_in, n_out)
        case "bottleneck" | "basic":
            return _resnet_block(layer, n_in, n_out)
        case "conv":
            name = "pointwise" if layer.kernel == 1 else "conv"
            conv = _conv(
                name,
                layer.in_channels,
                layer.out_channels,
                layer.in_size,
                layer.out_size,
                layer.kernel,
                bias=layer.use_bn or layer.bias,
            )
            return (conv, _add(n_out)) if layer.shortcut else (conv,)
        case "linear":
            return (Operator("linear", n_in, n_out, n_in * n_out, (n_in + 1) * n_out),)
        case _:
            return (Operator("pool", n_in, n_out),)


def _conv(
    name: str,
    n_in: int,
    n_out: int,
    in_size: int,
    out_size: int,
    kernel: int = 1,
    *,
    kept: int = 0,
    bias: bool = True,
) -> Operator:
    filters = n_in * n_out * kernel**2
    return Operator(
        name,
        n_in * in_size**2,
        n_out * out_size**2,
        filters * out_size**2,
        filters + n_out * bias,
        kept,
    )


def _mbconv(layer: Layer, n_in: int, n_out: int) -> tuple[Operator, ...]:
    mid, size, out_size = layer.mid_channels, layer.in_size, layer.out_size
    wide, narrow = mid * size**2, mid * out_size**2
    kept = n_in * layer.shortcut  # by all operators except the first, which reads it
    operators = []
    if layer.expands:
        operators.append(_conv("pointwise", layer.in_channels, mid, size, size))
    taps = layer.kernel**2
    operators.append(
        Operator(
            "depthwise", wide, narrow, narrow * taps, mid * (taps + 1), kept if operators else 0
        )
    )
    if layer.use_se:
        s = squeezed_channels(layer)
        weights = 2 * mid * s
        operators += [
            Operator("squeeze", narrow, mid, weights, weights + mid + s, kept + narrow),
            Operator("scale", narrow + mid, narrow, n_kept=kept, in_place=True),
        ]
    operators.append(_conv("pointwise", mid, layer.out_channels, out_size, out_size, kept=kept))
    if layer.shortcut:
        operators.append(_add(n_out))
    return tuple(operators)


def _resnet_block(layer: Layer, n_in: int, n_out: int) -> tuple[Operator, ...]:
    mid, i, o, kernel = layer.mid_channels, layer.in_channels, layer.out_channels, layer.kernel
    size, out_size = layer.in_size, layer.out_size
    if layer.kind == "basic":
        operators = [
            _conv("conv", i, mid, size, out_size, kernel),
            _conv("conv", mid, o, out_size, out_size, kernel, kept=n_in),
        ]
    else:
        operators = [
            _conv("pointwise", i, mid, size, size),
            _conv("conv", mid, mid, size, out_size, kernel, kept=n_in),
            _conv("pointwise", mid, o, out_size, out_size, kept=n_in),
        ]
    return (*operators, *_downsample(layer, n_in, n_out), _add(n_out))


def _downsample(layer: Layer, n_in: int, n_out: int) -> list[Operator]:
    i, o, out_size = layer.in_channels, layer.out_channels, layer.out_size
    if layer.shortcut:
        return []
    if layer.downsample == "pad":
        n_left = i * out_size**2
        return [
            Operator("slice", n_in, n_left, n_kept=n_out),
            Operator("pad", n_left, n_out, n_kept=n_out),
        ]
    if layer.downsample == "conv":
        return [_conv("pointwise", i, o, layer.in_size, out_size, kept=n_out)]
    pool = [Operator("pool", n_in, i * out_size**2, n_kept=n_out)] if layer.stride > 1 else []
    return [*pool, _conv("pointwise", i, o, out_size, out_size, kept=n_out)]


def _add(n_out: int) -> Operator:
    return Operator("add", 2 * n_out, n_out, in_place=True)


def layer_bytes_moved(layer: Layer, *, batch: int = 1, item_bytes: int = FLOAT32) -> int:
    """Return the bytes that a layer's operators read and write, with weights, without caches.

    Args:
        layer: The layer.
        batch: Images at once; the weights are read once.
        item_bytes: Bytes per number, 4 for float32.
    """
    numbers = sum(
        batch * (op.n_read + op.n_written) + op.n_weights for op in layer_operators(layer)
    )
    return numbers * item_bytes


def layer_peak_bytes(layer: Layer, *, batch: int = 1, item_bytes: int = FLOAT32) -> int:
    """Return the largest number of bytes of activations alive while a layer is computed.

    These are the inputs and outputs of an operator and what a shortcut keeps for later; weights do
    not count. The peak of a network is the largest peak of its layers.
    """
    return max(map(_n_alive, layer_operators(layer))) * batch * item_bytes


def _n_alive(op: Operator) -> int:
    return op.n_read + op.n_kept + (0 if op.in_place else op.n_written)
