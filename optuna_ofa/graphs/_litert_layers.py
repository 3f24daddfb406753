"""Files of LiteRT (``.tflite``) generated from layers.

LiteRT's own converter, ``litert-torch``, takes seconds a network and a gigabyte of packages. These
files have the operators that it writes, and take milliseconds. Where a block adds channels of
zeros to its input, the converter also changes the order of dimensions, which these do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa.costs import squeezed_channels
from optuna_ofa.graphs._litert_operators import Map, Operators
from optuna_ofa.graphs._tflite_file import TFLiteFile
from optuna_ofa.graphs._weights import NetWeights, RandomWeights, Weights
from optuna_ofa.space import Layer, padding

# packages that write such files
LITERT = (try_import("ai_edge_litert", extra="litert"), try_import("flatbuffers", extra="litert"))


def write_litert(layers: Sequence[Layer], path: Path, batch: int) -> None:
    """Write a network, or a run of its layers, with random weights.

    Activations are in NHWC. The name of every operator's output begins with the index of its
    layer, ``"07/depth"``, by which profiles are read.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    path.write_bytes(_content(layers, RandomWeights(0), batch))


def write_quantized_litert(layers: Sequence[Layer], path: Path, batch: int) -> None:
    """Write a network like `write_litert` in 8-bit integers, weights with a scale a channel.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    path.write_bytes(_content(layers, RandomWeights(0), batch, quantized=True))


def litert_of_net(net: nn.Module, layers: Sequence[Layer], *, batch: int = 1) -> bytes:
    """Return the file that `write_litert` writes, with weights.

    It accepts images ``(batch, size, size, channels)`` by the name ``args_0``, and returns
    ``output_0``.

    Args:
        net: A plain network of these layers whose batch normalisation is folded.
        layers: All its layers in order.
        batch: Images at once.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    return _content(layers, NetWeights(net), batch)


def _content(
    layers: Sequence[Layer], source: Weights, batch: int, *, quantized: bool = False
) -> bytes:
    writer = _Writer(TFLiteFile(quantized=quantized), source)
    first = layers[0]
    shape = (batch, first.in_size, first.in_size, first.in_channels)
    x = images = Map(writer.file.activation(shape, "images"), shape)
    for i, layer in enumerate(layers):
        writer.prefix = f"{i:02d}"
        writer.is_before_linear = i + 1 < len(layers) and layers[i + 1].kind == "linear"
        x = writer.layer(layer, x)
    return writer.file.content(images.number, x.number)


class _Writer(Operators):
    """A writer of layers.

    Args:
        file: The file.
        source: Source of the weights.
    """

    def __init__(self, file: TFLiteFile, source: Weights) -> None:
        super().__init__(file, source)
        self.is_before_linear = False

    def layer(self, layer: Layer, x: Map) -> Map:
        """Add a layer and return its output."""
        kernel, stride = layer.kernel, layer.stride
        match layer.kind:
            case "conv":
                bias, n_out = layer.use_bn or layer.bias, layer.out_channels
                y = self.conv("conv", x, n_out, kernel, stride, layer.act, layer.pads, bias)
                return self.sum(x, y) if layer.shortcut else y
            case "mbconv":
                return self._mbconv(layer, x)
            case "bottleneck" | "basic":
                return self._resnet_block(layer, x)
            case "max_pool":
                return self.pool("MAX_POOL_2D", "pool", x, kernel, stride, (kernel // 2,) * 2)
            case "avg_pool":
                return self.mean("pool", x, keep=not self.is_before_linear)
            case "linear":
                return self.linear("linear", x, layer.out_channels)

    def _mbconv(self, layer: Layer, x: Map) -> Map:
        y = self.conv("expand", x, layer.mid_channels, act=layer.act) if layer.expands else x
        y = self.depthwise("depth", y, layer.kernel, layer.stride, layer.act, layer.pads)
        if layer.use_se:
            y = self._squeeze_excite(layer, y)
        y = self.conv("point", y, layer.out_channels)
        return self.sum(x, y) if layer.shortcut else y

    def _squeeze_excite(self, layer: Layer, x: Map) -> Map:
        y, squeezed = self.mean("se_pool", x, keep=True), squeezed_channels(layer)
        if layer.squeeze == "input":
            y = self.conv("se_reduce", y, squeezed, act="silu")
            gate = self.sigmoid("se_gate", self.conv("se_expand", y, x.channels))
        else:  # a hard sigmoid is relu6(x + 3) / 6, of which the bias has the 3
            y = self.conv("se_reduce", y, squeezed, act="relu")
            y = self.conv("se_expand", y, x.channels, act="relu6", plus=3)
            gate = self.product("se_gate", y, 1 / 6)
        return self.product("se_scale", x, gate)

    def _resnet_block(self, layer: Layer, x: Map) -> Map:
        mid, n_out, kernel, act = layer.mid_channels, layer.out_channels, layer.kernel, layer.act
        if layer.kind == "basic":
            y = self.conv("conv1", x, mid, kernel, layer.stride, act)
            y = self.conv("conv2", y, n_out, kernel)
        else:
            y = self.conv("conv1", x, mid, act=act)
            y = self.conv("conv2", y, mid, kernel, layer.stride, act)
            y = self.conv("conv3", y, n_out)
        return self.sum(y, x if layer.shortcut else self._downsample(layer, x), act)

    def _downsample(self, layer: Layer, x: Map) -> Map:
        stride = layer.stride
        if layer.downsample == "conv":
            return self.conv("down", x, layer.out_channels, stride=stride)
        if layer.downsample == "pad":
            return self.add_channels("down", x, layer.out_channels - x.channels, stride)
        if stride > 1:  # a window that reaches beyond the map is averaged within it
            pads = padding(layer.in_size, stride, stride, "same")
            x = self.pool("AVERAGE_POOL_2D", "down_pool", x, stride, stride, pads)
        return self.conv("down", x, layer.out_channels)
