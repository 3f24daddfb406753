"""The ONNX graph of a network quantised to 8-bit integers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.graphs._onnx_graph import OPSET, onnx_of_net, write_onnx
from optuna_ofa.space import Layer

_onnx = try_import("onnx", extra="onnx")
_quantization = try_import("onnxruntime.quantization", extra="onnxruntime")
INT8_PACKAGES = (_onnx, _quantization)
_N_CALIBRATION = 2  # ranges do not matter for latency
# number of images that determine the ranges of activations of a trained network
N_QUANTIZED = 200
_AT_ONCE = 50


def write_quantized_onnx(layers: Sequence[Layer], path: Path, *, batch: int = 1) -> None:
    """Write a network like `write_onnx`, statically quantised by ONNX Runtime's own tool.

    Activations are unsigned and weights signed integers with a scale per channel, expressed as
    pairs of ``QuantizeLinear`` and ``DequantizeLinear``, which ONNX Runtime and OpenVINO fuse.

    Args:
        layers: As in `write_onnx`.
        path: The file to write.
        batch: Images at once.

    Raises:
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed.
    """
    _quantization.check()
    first = layers[0]
    rng = np.random.default_rng(0)
    shape = (batch, first.in_channels, first.in_size, first.in_size)
    images = (rng.standard_normal(shape, dtype=np.float32) for _ in range(_N_CALIBRATION))
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float.onnx"
        write_onnx(layers, plain, batch=batch)
        _quantize(plain, path, images, name="input")


def quantized_onnx_of_net(
    net: nn.Module,
    layers: Sequence[Layer],
    images: Tensor,
    *,
    batch: int | None,
    opset: int = OPSET,
) -> bytes:
    """Return the graph of `onnx_of_net`, quantised as described in `write_quantized_onnx`.

    The weights and scales are the same for every batch size.

    Args:
        net: As in `onnx_of_net`.
        layers: As in `onnx_of_net`.
        images: ``(n, channels, size, size)`` training images in float32, the first `N_QUANTIZED`
            of which determine the ranges of activations.
        batch: As in `onnx_of_net`.
        opset: As in `onnx_of_net`.

    Raises:
        InvalidArgumentError: If the installed ``onnx`` does not support this opset.
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed.
    """
    _quantization.check()
    shown = (part.numpy() for part in torch.split(images[:N_QUANTIZED], _AT_ONCE))
    with tempfile.TemporaryDirectory() as folder:
        plain, quantized = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        plain.write_bytes(onnx_of_net(net, layers, batch=None, opset=opset))
        _quantize(plain, quantized, shown, name="images")
        content = quantized.read_bytes()
    return content if batch is None else _with_batch(content, batch)


def _with_batch(content: bytes, batch: int) -> bytes:
    """Return a graph for any number of images as one for a fixed number."""
    model = _onnx.check().load_from_string(content)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]
    fixed: bytes = model.SerializeToString()
    return fixed


def _quantize(plain: Path, path: Path, images: Iterable[NDArray[np.float32]], *, name: str) -> None:
    """Quantise a graph statically, as described in `write_quantized_onnx`.

    Args:
        plain: The graph in float32.
        path: The file to write.
        images: Batches from which the ranges of activations are determined.
        name: Name of the graph's input.

    Raises:
        MissingDependencyError: If ``onnxruntime`` is not installed.
    """
    tool = _quantization.check()
    with quiet():  # it recommends optimisations that are already done
        tool.quantize_static(
            plain,
            path,
            _Reader(images, name),
            quant_format=tool.QuantFormat.QDQ,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            per_channel=True,
        )


class _Reader:
    """A reader of the images that determine the ranges of activations.

    Args:
        images: Batches.
        name: Name of the input.
    """

    def __init__(self, images: Iterable[NDArray[np.float32]], name: str) -> None:
        self._inputs = ({name: batch} for batch in images)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next input, None after the last."""
        return next(self._inputs, None)
