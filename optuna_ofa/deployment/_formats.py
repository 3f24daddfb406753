"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from optuna_ofa._imports import OptionalImport
from optuna_ofa.deployment import _graph_format as graph, _torch_format as plain
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded, Metadata
from optuna_ofa.graphs import EXECUTORCH


class Format(NamedTuple):
    """A format of exported networks.

    Args:
        make: Makes the files of a network.
        load: Reads the files that ``make`` made.
        batch: The numbers of images that a file takes: ``"any"`` number, whatever is asked for,
            a ``"fixed"`` one, or ``"both"``, as it is asked for.
        needs: The modules that write it, besides torch.
        needs_images: Whether it cannot be written without calibration images.
        is_folder: Whether it is a folder of files.
        precision: Numbers that the network in it computes with.
        runtimes: The runtimes that run it.
    """

    make: Callable[[Deployable], Contents]
    load: Callable[[Path, Metadata], Loaded]
    batch: str
    needs: tuple[OptionalImport, ...] = ()
    needs_images: bool = False
    is_folder: bool = False
    precision: str = "float32"
    runtimes: tuple[str, ...] = ("torch",)


_OF_ONNX = ("onnxruntime", "openvino")
FORMATS = {
    "pytorch": Format(plain.make_safetensors, plain.load_safetensors, "any", plain.SAFETENSORS),
    "torch_export": Format(graph.make_torch_export, graph.load_torch_export, "both"),
    "onnx": Format(graph.make_onnx, graph.load_onnx, "both", graph.ONNX, runtimes=_OF_ONNX),
    "onnx_int8": Format(
        graph.make_onnx_int8,
        graph.load_onnx,
        "both",
        graph.ONNX_INT8,
        needs_images=True,
        precision="int8",
        runtimes=_OF_ONNX,
    ),
    "executorch": Format(
        graph.make_executorch, graph.load_executorch, "fixed", EXECUTORCH, runtimes=("executorch",)
    ),
    "ofa": Format(plain.make_ofa, plain.load_ofa, "any", is_folder=True),
}
