"""The formats by name."""

from __future__ import annotations

from optuna_ofa.deployment import _graph_format as graph, _torch_format as torch_format
from optuna_ofa.deployment._deployable import Format
from optuna_ofa.graphs import check_executorch


def _nothing_to_check() -> None:
    """What is written with torch alone."""


FORMATS = {
    "pytorch": Format(
        torch_format.check_safetensors,
        torch_format.write_safetensors,
        torch_format.load_safetensors,
        ("safetensors",),
        "any",
    ),
    "torch_export": Format(
        _nothing_to_check, graph.write_torch_export, graph.load_torch_export, (), "both"
    ),
    "onnx": Format(
        graph.check_onnx, graph.write_onnx, graph.load_onnx, ("onnx", "onnxscript"), "both"
    ),
    "onnx_int8": Format(
        graph.check_onnx_int8,
        graph.write_onnx_int8,
        graph.load_onnx,
        ("onnx", "onnxscript", "onnxruntime"),
        "both",
        needs_images=True,
    ),
    "executorch": Format(
        check_executorch, graph.write_executorch, graph.load_executorch, ("executorch",), "fixed"
    ),
    "ofa": Format(_nothing_to_check, torch_format.write_ofa, torch_format.load_ofa, (), "any"),
}
