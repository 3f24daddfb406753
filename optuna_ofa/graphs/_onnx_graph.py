"""The ONNX graph of a network, generated from its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from optuna_ofa._imports import try_import
from optuna_ofa.costs import squeezed_channels
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs._weights import Array, NetWeights, RandomWeights, Weights
from optuna_ofa.space import Layer

_onnx = try_import("onnx", extra="onnxruntime")
# Used for measured graphs and exported models; supported by runtimes since 2022.
OPSET = 17
OLDEST_OPSET = 13  # the first with per-channel scales for 8-bit weights
_H_SWISH_SINCE = 14


def write_onnx(layers: Sequence[Layer], path: Path, *, batch: int = 1, seed: int = 0) -> None:
    """Write a network, or a run of its layers, with random weights.

    Args:
        layers: The layers in order; each takes the output of the previous one.
        path: The file to write.
        batch: Images at once.
        seed: Seed of the weights. Latency does not depend on them, as long as the activations
            neither vanish nor overflow.

    Raises:
        MissingDependencyError: If ``onnx`` is not installed.
    """
    path.write_bytes(_model(layers, RandomWeights(seed), "input", None, batch, OPSET))


def onnx_of_net(
    net: nn.Module, layers: Sequence[Layer], *, batch: int | None, opset: int = OPSET
) -> bytes:
    """Return the graph that `write_onnx` writes, from ``images`` to ``logits``, with weights.

    Args:
        net: A plain network of these layers whose batch normalisation is folded.
        layers: All its layers in order.
        batch: Images at once; None allows any number.
        opset: Version of ONNX's operators; the IR version is the first that has it.

    Raises:
        InvalidArgumentError: If the installed ``onnx`` does not support this opset.
        MissingDependencyError: If ``onnx`` is not installed.
    """
    return _model(layers, NetWeights(net), "images", "logits", batch, opset)


def require_opset(opset: int) -> None:
    """Refuse an opset that cannot be written.

    Raises:
        InvalidArgumentError: If it is too old, or newer than ``onnx`` knows.
        MissingDependencyError: If ``onnx`` is not installed.
    """
    newest = _onnx.check().defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise InvalidArgumentError(
            f"`opset` must be a whole number from {OLDEST_OPSET} to {newest}, but got {opset!r}."
        )


def _model(
    layers: Sequence[Layer],
    weights: Weights,
    x: str,
    output: str | None,
    batch: int | None,
    opset: int,
) -> bytes:
    """Return a model in ONNX's format.

    Batch normalisation is folded into the convolutions, as runtimes do. The name of every operator
    begins with the index of its layer, ``"07/depth"``, by which profiles are read.
    """
    onnx = _onnx.check()
    writer = _Writer(onnx, weights, opset)
    first, name = layers[0], x
    for i, layer in enumerate(layers):
        writer.prefix = f"{i:02d}"
        name = writer.layer(layer, name)
    out_shape = None
    if output is not None:
        writer.nodes[-1].output[0] = name = output
        out_shape = [batch or "batch", layers[-1].out_channels]
    value = onnx.helper.make_tensor_value_info
    shape = [batch or "batch", first.in_channels, first.in_size, first.in_size]
    graph = onnx.helper.make_graph(
        writer.nodes,
        "subnet",
        [value(x, onnx.TensorProto.FLOAT, shape)],
        [value(name, onnx.TensorProto.FLOAT, out_shape)],
        writer.weights,
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    ir_version = onnx.helper.find_min_ir_version_for(opsets)
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
    content: bytes = model.SerializeToString()
    return content


class _Writer:
    """A writer that collects the operators and weights of a graph.

    Args:
        onnx: The module.
        source: Source of the weights.
        opset: Version of the operators.
    """

    def __init__(self, onnx: ModuleType, source: Weights, opset: int) -> None:
        self._onnx, self._source, self._opset = onnx, source, opset
        self.prefix = ""
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def layer(self, layer: Layer, x: str) -> str:
        """Add a layer and return the name of its output."""
        match layer.kind:
            case "conv":
                y = self._conv(
                    "conv",
                    x,
                    layer.in_channels,
                    layer.out_channels,
                    layer.kernel,
                    layer.stride,
                    bias=layer.use_bn or layer.bias,
                    pads=layer.pads,
                )
                y = self._act(layer.act, y)
                return self._add("Add", "add", [y, x]) if layer.shortcut else y
            case "mbconv":
                return self._mbconv(layer, x)
            case "bottleneck" | "basic":
                return self._resnet_block(layer, x)
            case "max_pool":
                pad = layer.kernel // 2
                return self._add(
                    "MaxPool",
                    "pool",
                    [x],
                    kernel_shape=[layer.kernel] * 2,
                    strides=[layer.stride] * 2,
                    pads=[pad] * 4,
                )
            case "avg_pool":
                return self._add("GlobalAveragePool", "pool", [x])
            case "linear":
                return self._linear(layer, x)

    def _mbconv(self, layer: Layer, x: str) -> str:
        mid = layer.mid_channels
        y = x
        if layer.expands:
            y = self._act(layer.act, self._conv("expand", y, layer.in_channels, mid))
        y = self._conv("depth", y, mid, mid, layer.kernel, layer.stride, mid, pads=layer.pads)
        y = self._act(layer.act, y)
        if layer.use_se:
            y = self._squeeze_excite(layer, y)
        y = self._conv("point", y, mid, layer.out_channels)
        return self._add("Add", "add", [y, x]) if layer.shortcut else y

    def _squeeze_excite(self, layer: Layer, x: str) -> str:
        channels, squeezed = layer.mid_channels, squeezed_channels(layer)
        y = self._add("GlobalAveragePool", "se_pool", [x])
        y = self._conv("se_reduce", y, channels, squeezed)
        if layer.squeeze == "input":
            y = self._silu(y, "se_silu")
            y = self._conv("se_expand", y, squeezed, channels)
            y = self._add("Sigmoid", "se_gate", [y])
        else:
            y = self._add("Relu", "se_relu", [y])
            y = self._conv("se_expand", y, squeezed, channels)
            y = self._add("HardSigmoid", "se_gate", [y], alpha=1 / 6, beta=0.5)
        return self._add("Mul", "se_scale", [x, y])

    def _silu(self, x: str, name: str = "silu") -> str:
        gate = self._add("Sigmoid", f"{name}_gate", [x])
        return self._add("Mul", name, [x, gate])

    def _resnet_block(self, layer: Layer, x: str) -> str:
        mid, n_out, kernel = layer.mid_channels, layer.out_channels, layer.kernel
        if layer.kind == "basic":
            y = self._conv("conv1", x, layer.in_channels, mid, kernel, layer.stride)
            y = self._conv("conv2", self._act(layer.act, y), mid, n_out, kernel)
        else:
            y = self._act(layer.act, self._conv("conv1", x, layer.in_channels, mid))
            y = self._act(layer.act, self._conv("conv2", y, mid, mid, kernel, layer.stride))
            y = self._conv("conv3", y, mid, n_out)
        x = x if layer.shortcut else self._downsample(layer, x)
        return self._act(layer.act, self._add("Add", "add", [y, x]))

    def _downsample(self, layer: Layer, x: str) -> str:
        n_in, n_out, stride = layer.in_channels, layer.out_channels, layer.stride
        if layer.downsample == "pad":
            return self._pad(x, n_out - n_in, stride)
        if layer.downsample == "conv":
            return self._conv("down", x, n_in, n_out, stride=stride)
        if stride > 1:
            x = self._add(
                "AveragePool",
                "down_pool",
                [x],
                kernel_shape=[stride] * 2,
                strides=[stride] * 2,
                ceil_mode=1,
            )
        return self._conv("down", x, n_in, n_out)

    def _pad(self, x: str, n_more: int, stride: int) -> str:
        """Take every ``stride``-th pixel and add channels of zeros."""
        if stride > 1:
            ends = np.full(2, np.iinfo(np.int64).max)
            slices = [np.zeros(2, np.int64), ends, np.array([2, 3]), np.full(2, stride)]
            names = ("starts", "ends", "axes", "steps")
            given = [self._weight(n, v) for n, v in zip(names, slices, strict=True)]
            x = self._add("Slice", "down_slice", [x, *given])
        if n_more == 0:
            return x
        first = n_more // 2
        pads = np.array([0, first, 0, 0, 0, n_more - first, 0, 0])
        return self._add("Pad", "down_pad", [x, self._weight("pads", pads)])

    def _linear(self, layer: Layer, x: str) -> str:
        y = self._add("Flatten", "flatten", [x])
        weight, bias = self._source.linear(layer.in_channels, layer.out_channels)
        names = [self._weight("weight", weight), self._weight("bias", bias)]
        return self._add("Gemm", "linear", [y, *names], transB=1)

    def _act(self, act: str, x: str) -> str:
        # kernels are fused only if the activation directly follows its convolution
        match act:
            case "relu":
                return self._add("Relu", "relu", [x])
            case "h_swish" if self._opset < _H_SWISH_SINCE:
                gate = self._add("HardSigmoid", "h_swish_gate", [x], alpha=1 / 6, beta=0.5)
                return self._add("Mul", "h_swish", [x, gate])
            case "h_swish":
                return self._add("HardSwish", "h_swish", [x])
            case "silu":
                return self._silu(x)
            case "relu6":
                low = self._weight("low", np.float32(0))
                high = self._weight("high", np.float32(6))
                return self._add("Clip", "relu6", [x, low, high])
            case _:
                return x

    def _conv(
        self,
        name: str,
        x: str,
        n_in: int,
        n_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
        pads: tuple[int, int] | None = None,
    ) -> str:
        shape = (n_out, n_in // groups, kernel, kernel)
        weight, offset = self._source.conv(shape, bias=bias)
        before, after = pads or (kernel // 2, kernel // 2)
        inputs = [x, self._weight(f"{name}.weight", weight)]
        if offset is not None:
            inputs.append(self._weight(f"{name}.bias", offset))
        return self._add(
            "Conv",
            name,
            inputs,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[before, before, after, after],
            group=groups,
        )

    def _weight(self, name: str, values: Array | NDArray[np.int64] | np.float32) -> str:
        full = f"{self.prefix}/{name}.{len(self.nodes)}"
        self.weights.append(self._onnx.numpy_helper.from_array(np.asarray(values), full))
        return full

    def _add(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        full = f"{self.prefix}/{name}.{len(self.nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [full], full, **attributes)
        self.nodes.append(node)
        return full
