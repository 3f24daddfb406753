"""The ONNX graph of a network, written from its layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._imports import try_import
from optuna_ofa.costs import se_channels
from optuna_ofa.space import Layer

_onnx = try_import("onnx", extra="onnxruntime")
# HardSwish is an operator of its own from 14 on; runtimes of 2021 and later read this one
OPSET = 17


def write_onnx(layers: Sequence[Layer], path: Path, *, batch: int = 1, seed: int = 0) -> None:
    """Write a network, or a run of its layers, with random weights.

    Batch normalisation is folded into the convolutions, as runtimes do it. The name of every
    operator begins with the index of its layer, ``"07/depth"``: profiles are read by it.

    Args:
        layers: The layers in order; each takes the output of the one before.
        path: The file to write.
        batch: Images at once.
        seed: Seed of the weights. Latency does not depend on them, as long as the activations
            neither vanish nor overflow.

    Raises:
        MissingDependencyError: If ``onnx`` is not installed.
    """
    onnx = _onnx.check()
    writer = _Writer(onnx, np.random.default_rng(seed))
    first = layers[0]
    name = "input"
    for i, layer in enumerate(layers):
        writer.prefix = f"{i:02d}"
        name = writer.layer(layer, name)
    value = onnx.helper.make_tensor_value_info
    shape = [batch, first.in_channels, first.in_size, first.in_size]
    graph = onnx.helper.make_graph(
        writer.nodes,
        "subnet",
        [value("input", onnx.TensorProto.FLOAT, shape)],
        [value(name, onnx.TensorProto.FLOAT, None)],
        writer.weights,
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    model = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8)
    path.write_bytes(model.SerializeToString())


class _Writer:
    """A writer that collects the operators and weights of a graph.

    Args:
        onnx: The module.
        rng: Source of the weights.
    """

    def __init__(self, onnx: ModuleType, rng: np.random.Generator) -> None:
        self._onnx = onnx
        self._rng = rng
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
                    bias=layer.use_bn,
                )
                y = self._act(layer.act, y)
                return self._add("Add", "add", [y, x]) if layer.shortcut else y
            case "mbconv":
                return self._mbconv(layer, x)
            case "bottleneck":
                return self._bottleneck(layer, x)
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
        if layer.expand != 1:
            y = self._act(layer.act, self._conv("expand", y, layer.in_channels, mid))
        y = self._conv("depth", y, mid, mid, layer.kernel, layer.stride, groups=mid)
        y = self._act(layer.act, y)
        if layer.use_se:
            y = self._squeeze_excite(y, mid)
        y = self._conv("point", y, mid, layer.out_channels)
        return self._add("Add", "add", [y, x]) if layer.shortcut else y

    def _squeeze_excite(self, x: str, channels: int) -> str:
        squeezed = se_channels(channels)
        y = self._add("GlobalAveragePool", "se_pool", [x])
        y = self._conv("se_reduce", y, channels, squeezed)
        y = self._add("Relu", "se_relu", [y])
        y = self._conv("se_expand", y, squeezed, channels)
        y = self._add("HardSigmoid", "se_gate", [y], alpha=1 / 6, beta=0.5)
        return self._add("Mul", "se_scale", [x, y])

    def _bottleneck(self, layer: Layer, x: str) -> str:
        mid, n_out = layer.mid_channels, layer.out_channels
        y = self._act(layer.act, self._conv("conv1", x, layer.in_channels, mid))
        y = self._act(layer.act, self._conv("conv2", y, mid, mid, layer.kernel, layer.stride))
        y = self._conv("conv3", y, mid, n_out)
        if not layer.shortcut:
            if layer.stride > 1:
                x = self._add(
                    "AveragePool",
                    "down_pool",
                    [x],
                    kernel_shape=[layer.stride] * 2,
                    strides=[layer.stride] * 2,
                    ceil_mode=1,
                )
            x = self._conv("down", x, layer.in_channels, n_out)
        return self._act(layer.act, self._add("Add", "add", [y, x]))

    def _linear(self, layer: Layer, x: str) -> str:
        n_in, n_out = layer.in_channels, layer.out_channels
        y = self._add("Flatten", "flatten", [x])
        weight = self._weight("weight", self._normal((n_out, n_in), n_in))
        bias = self._weight("bias", np.zeros(n_out, np.float32))
        return self._add("Gemm", "linear", [y, weight, bias], transB=1)

    def _act(self, act: str, x: str) -> str:
        # fused kernels find the activation right behind its convolution
        match act:
            case "relu":
                return self._add("Relu", "relu", [x])
            case "h_swish":
                return self._add("HardSwish", "h_swish", [x])
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
    ) -> str:
        fan_in = n_in // groups * kernel**2
        shape = (n_out, n_in // groups, kernel, kernel)
        inputs = [x, self._weight(f"{name}.weight", self._normal(shape, fan_in))]
        if bias:
            inputs.append(self._weight(f"{name}.bias", self._normal((n_out,), 100)))
        return self._add(
            "Conv",
            name,
            inputs,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def _normal(self, shape: tuple[int, ...], fan_in: int) -> NDArray[np.float32]:
        scale = np.float32((2 / fan_in) ** 0.5)  # He: activations keep their size
        return self._rng.standard_normal(shape, dtype=np.float32) * scale

    def _weight(self, name: str, values: NDArray[np.float32] | np.float32) -> str:
        full = f"{self.prefix}/{name}.{len(self.nodes)}"
        self.weights.append(self._onnx.numpy_helper.from_array(np.asarray(values), full))
        return full

    def _add(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        full = f"{self.prefix}/{name}.{len(self.nodes)}"
        node = self._onnx.helper.make_node(operator, inputs, [full], full, **attributes)
        self.nodes.append(node)
        return full
