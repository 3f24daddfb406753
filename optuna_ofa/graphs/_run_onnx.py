"""Running an ONNX graph of a whole network in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from torch import Tensor

from optuna_ofa._imports import try_import

_onnxruntime = try_import("onnxruntime", extra="onnxruntime")
# where ONNX Runtime looks for weights outside of a file: nowhere
_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"


def run_onnx(content: bytes, *, threads: int = 0) -> Callable[[Tensor], Tensor]:
    """Load a graph from ``images`` to ``logits`` on the CPU, and return it as a function.

    Args:
        content: The graph.
        threads: Threads of the runtime; 0 lets it choose.

    Raises:
        MissingDependencyError: If ``onnxruntime`` is not installed.
    """
    runtime = _onnxruntime.check()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.add_session_config_entry(_EXTERNAL_FOLDER, f"{os.devnull}/none")
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        return torch.from_numpy(logits)

    return run
