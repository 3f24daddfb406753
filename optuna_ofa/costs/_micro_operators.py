"""The operators of an INT8 TFLite file, as the converter writes them for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from optuna_ofa._arguments import not_empty
from optuna_ofa.costs._macs import squeezed_channels
from optuna_ofa.space import Layer, padding

Layers = Annotated[Sequence[Layer], not_empty("one or more layers")]
_FUSED = ("", "relu", "relu6")  # into convolutions and additions


class MicroOperator(NamedTuple):
    """One operator of an INT8 file, for one image.

    Args:
        name: The builtin operator of TFLite, such as ``"CONV_2D"``.
        reads: The activations that it reads: 0 is the input of the layer, ``i`` the output of the
            layer's ``i``-th operator, counted from 1.
        n_written: Bytes of its output.
        channels: Channels of its output.
        n_weights: Its weights; each of its channels then has a scale and a bias.
        shared: Names of constants that it reads, such as the padding of a 3x3 kernel. The operators
            of a network share those of the same name.
    """

    name: str
    reads: tuple[int, ...]
    n_written: int
    channels: int
    n_weights: int = 0
    shared: tuple[str, ...] = ()


def micro_operators(layer: Layer) -> tuple[MicroOperator, ...]:
    """Return the operators of a layer in an INT8 file.

    ReLU and ReLU6 are fused into convolutions and additions, the other activations are operators
    of their own. A padding that TFLite's ``SAME`` does not express is a ``PAD`` before the
    convolution, with a larger copy of the map.
    """
    writer = _Writer()
    match layer.kind:
        case "mbconv":
            writer.mbconv(layer)
        case "bottleneck" | "basic":
            writer.resnet_block(layer)
        case "conv":
            y = writer.conv(0, layer.in_channels, layer.out_channels, layer)
            if layer.shortcut:
                writer.add("ADD", (0, y), layer.out_size**2, layer.out_channels)
        case "linear":
            n_in, n_out = layer.in_channels, layer.out_channels
            writer.add("FULLY_CONNECTED", (0,), 1, n_out, n_in * n_out)
        case "max_pool":
            writer.max_pool(layer)
        case "avg_pool":
            writer.add("MEAN", (0,), 1, layer.out_channels, shared=("axes",))
    return tuple(writer.operators)


class _Writer:
    """The operators of one layer in their order."""

    def __init__(self) -> None:
        self.operators: list[MicroOperator] = []

    def add(
        self,
        name: str,
        reads: tuple[int, ...],
        area: int,
        channels: int,
        n_weights: int = 0,
        shared: tuple[str, ...] = (),
    ) -> int:
        """Add an operator whose output has this area, and return the number of its output."""
        n_written = area * channels
        self.operators.append(MicroOperator(name, reads, n_written, channels, n_weights, shared))
        return len(self.operators)

    def conv(self, x: int, n_in: int, n_out: int, layer: Layer, *, depthwise: bool = False) -> int:
        """Add the convolution of a layer that has its kernel and stride."""
        x = self.padded("PAD", x, n_in, layer)
        # a convolution of one channel becomes a depthwise one that multiplies channels
        name = "DEPTHWISE_CONV_2D" if (depthwise or n_in == 1) and n_out > 1 else "CONV_2D"
        n_weights = layer.kernel**2 * n_out * (1 if depthwise else n_in)
        return self.act(layer.act, self.add(name, (x,), layer.out_size**2, n_out, n_weights))

    def point(self, x: int, n_in: int, n_out: int, size: int, act: str = "") -> int:
        """Add a 1x1 convolution."""
        name = "DEPTHWISE_CONV_2D" if n_in == 1 < n_out else "CONV_2D"
        return self.act(act, self.add(name, (x,), size**2, n_out, n_in * n_out))

    def act(self, act: str, x: int) -> int:
        """Add an activation that is not fused."""
        if act in _FUSED:
            return x
        channels = self.operators[x - 1].channels
        area = self.operators[x - 1].n_written // channels
        if act == "h_swish":
            return self.add("HARD_SWISH", (x,), area, channels)
        gate = self.add("LOGISTIC", (x,), area, channels)
        return self.add("MUL", (x, gate), area, channels)

    def mbconv(self, layer: Layer) -> None:
        """Add an inverted residual block."""
        mid, x = layer.mid_channels, 0
        if layer.expands:
            x = self.point(x, layer.in_channels, mid, layer.in_size, layer.act)
        x = self.conv(x, mid, mid, layer, depthwise=True)
        if layer.use_se:
            x = self.squeeze_excite(layer, x)
        x = self.point(x, mid, layer.out_channels, layer.out_size)
        if layer.shortcut:
            self.add("ADD", (0, x), layer.out_size**2, layer.out_channels)

    def squeeze_excite(self, layer: Layer, x: int) -> int:
        """Add squeeze-and-excitation; a hard sigmoid is a fused ReLU6 and a ``MUL`` by 1/6."""
        mid, squeezed = layer.mid_channels, squeezed_channels(layer)
        y = self.add("MEAN", (x,), 1, mid, shared=("axes",))
        of_input = layer.squeeze == "input"
        y = self.point(y, mid, squeezed, 1, "silu" if of_input else "relu")
        y = self.point(y, squeezed, mid, 1)
        if of_input:
            y = self.add("LOGISTIC", (y,), 1, mid)
        else:
            y = self.add("MUL", (y,), 1, mid, shared=("sixth",))
        return self.add("MUL", (x, y), layer.out_size**2, mid)

    def resnet_block(self, layer: Layer) -> None:
        """Add a block of a ResNet."""
        mid, n_in, n_out = layer.mid_channels, layer.in_channels, layer.out_channels
        if layer.kind == "basic":
            x = self.conv(0, n_in, mid, layer)
            size = layer.kernel**2 * mid * n_out
            x = self.add("CONV_2D", (x,), layer.out_size**2, n_out, size)
        else:
            x = self.point(0, n_in, mid, layer.in_size)
            x = self.conv(x, mid, mid, layer)
            x = self.point(x, mid, n_out, layer.out_size)
        shortcut = 0 if layer.shortcut else self.downsample(layer)
        self.add("ADD", (x, shortcut), layer.out_size**2, n_out)

    def downsample(self, layer: Layer) -> int:
        """Add what carries the input of a ResNet's block on."""
        n_in, n_out, size = layer.in_channels, layer.out_channels, layer.out_size
        if layer.downsample != "pad":
            x = 0
            if layer.downsample == "avg_pool" and layer.stride > 1:
                x = self.add("AVERAGE_POOL_2D", (0,), size**2, n_in)
            return self.point(x, n_in, n_out, size)
        x = 0
        if layer.stride > 1:  # the part of the map that the shortcut keeps
            names = ("begin", f"end {layer.in_size} {n_in}", f"strides {layer.stride}")
            x = self.add("STRIDED_SLICE", (x,), size**2, n_in, shared=names)
        if n_in == n_out:
            return x
        return self.add("PAD", (x,), size**2, n_out, shared=(f"channels {n_out - n_in}",))

    def max_pool(self, layer: Layer) -> None:
        """Add a pooling; the numbers around the map are the smallest there are."""
        x = self.padded("PADV2", 0, layer.in_channels, layer, ("least",))
        self.add("MAX_POOL_2D", (x,), layer.out_size**2, layer.out_channels)

    def padded(
        self, name: str, x: int, channels: int, layer: Layer, shared: tuple[str, ...] = ()
    ) -> int:
        """Add the padding of a layer, unless it is what TFLite's ``SAME`` means."""
        before, after = layer.pads
        if layer.pads == padding(layer.in_size, layer.kernel, layer.stride, "same"):
            return x
        area = (layer.in_size + before + after) ** 2
        return self.add(name, (x,), area, channels, shared=(f"pads {before} {after}", *shared))
