"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from optuna_ofa._imports import OptionalImport
from optuna_ofa.deployment import (
    _graph_format as graph,
    _litert_format as litert,
    _torch_format as plain,
)
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded, Metadata
from optuna_ofa.deployment._program_trial import try_executorch, try_litert
from optuna_ofa.graphs import EXECUTORCH, LITERT, LITERT_INT8, RUN_LITERT
from optuna_ofa.space import Subnet


class Format(NamedTuple):
    """A format of exported networks.

    Args:
        make: Makes the files of a network.
        load: Reads the files that ``make`` made.
        ending: Extension of the file's name; None for a folder.
        batch: The batch sizes that a file accepts: always ``"any"``, always a ``"fixed"`` one,
            always ``"one"`` image, or ``"both"`` of the first, whichever is requested.
        needs: The modules that write it, besides torch.
        needs_images: Whether it cannot be written without calibration images.
        parts: The files of a folder; empty for a single file.
        precision: Number format that the network computes with.
        runtimes: The runtimes that can run it.
        runs: What loading it executes, which may be any code; None if it only reads numbers.
        lacks: Returns what a subnet has that the format cannot hold, if anything.
        tries: Tries a file with a subnet and a batch size in another process, for formats whose
            damaged files may crash the process that loads them.
        channels_last: Whether the file accepts images in NHWC.
        describe: Returns what the metadata say of the files besides: their ``input``, ``output``,
            ``operators``.
    """

    make: Callable[[Deployable], Contents]
    load: Callable[[Contents, Subnet], Loaded]
    ending: str | None
    batch: str
    needs: tuple[OptionalImport, ...] = ()
    needs_images: bool = False
    parts: tuple[str, ...] = ()
    precision: str = "float32"
    runtimes: tuple[str, ...] = ("torch",)
    runs: str | None = None
    lacks: Callable[[Subnet], str | None] = lambda _: None
    tries: Callable[[bytes, Subnet, int], None] | None = None
    channels_last: bool = False
    describe: Callable[[Contents], Metadata] = lambda _: {}

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of files."""
        return bool(self.parts)

    def wrong_ending(self, path: Path) -> str | None:
        """Return the rule that the extension of a name breaks; a name without one breaks none.

        A suffix that begins with a digit, as in ``w1.2``, is not an extension.
        """
        ending = path.suffix.lower()
        if self.is_folder or not ending[1:2].isalpha() or ending == self.ending:
            return None
        return f"end in {self.ending}, or have no ending"


_OF_ONNX = ("onnxruntime", "openvino")
_MICRO = ("litert", "tflite-micro")
_WRITES_LITERT = (*LITERT, *RUN_LITERT)
_WRITES_LITERT_INT8 = (*LITERT_INT8, *RUN_LITERT)
FORMATS = {
    "pytorch": Format(
        plain.make_safetensors, plain.load_safetensors, ".safetensors", "any", plain.SAFETENSORS
    ),
    "torch_export": Format(
        graph.make_torch_export,
        graph.load_torch_export,
        ".pt2",
        "both",
        runs="torch.export.load, which runs Python code that a file may hold",
    ),
    "onnx": Format(
        graph.make_onnx, graph.load_onnx, ".onnx", "both", graph.ONNX, runtimes=_OF_ONNX
    ),
    "onnx_int8": Format(
        graph.make_onnx_int8,
        graph.load_onnx,
        ".onnx",
        "both",
        graph.ONNX_INT8,
        needs_images=True,
        precision="int8",
        runtimes=_OF_ONNX,
    ),
    "executorch": Format(
        graph.make_executorch,
        graph.load_executorch,
        ".pte",
        "fixed",
        EXECUTORCH,
        runtimes=("executorch",),
        tries=try_executorch,
    ),
    "litert": Format(
        litert.make_litert,
        litert.load_litert,
        ".tflite",
        "fixed",
        _WRITES_LITERT,
        runtimes=("litert",),
        tries=try_litert,
        channels_last=True,
        describe=litert.describe_litert,
    ),
    "litert_int8": Format(
        litert.make_litert_int8,
        litert.load_litert,
        ".tflite",
        "fixed",
        _WRITES_LITERT_INT8,
        needs_images=True,
        precision="int8",
        runtimes=_MICRO,
        tries=try_litert,
        channels_last=True,
        describe=litert.describe_litert,
    ),
    "c_array": Format(
        litert.make_c_array,
        litert.load_c_array,
        ".h",
        "one",
        _WRITES_LITERT_INT8,
        needs_images=True,
        precision="int8",
        runtimes=_MICRO,
        tries=litert.try_c_array,
        channels_last=True,
        describe=litert.describe_c_array,
    ),
    "ofa": Format(
        plain.make_ofa, plain.load_ofa, None, "any", parts=plain.OFA_FILES, lacks=plain.ofa_lacks
    ),
}
