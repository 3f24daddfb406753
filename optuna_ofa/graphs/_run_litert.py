"""Running a file of a whole network in LiteRT, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import silent

_interpreter = try_import("ai_edge_litert.interpreter", extra="litert")
# the package that runs such files
RUN_LITERT = (_interpreter,)


def run_litert(content: bytes, threads: int = 1) -> Callable[[Tensor], Tensor]:
    """Load a file of one input in NHWC and one output, and return it as a function.

    Args:
        content: The file, in float32 or with 8-bit integers as input and output. A damaged one
            may crash the process.
        threads: Threads of the runtime.

    Returns:
        A function from float images ``(n, channels, size, size)`` to float logits ``(n,
        n_classes)``. Any number of images is run in batches of the size of the file, so the
        logits of an image do not depend on the others.

    Raises:
        MissingDependencyError: If ``ai-edge-litert`` is not installed.
    """
    runtime = _interpreter.check()
    with silent():
        interpreter = runtime.Interpreter(model_content=content, num_threads=threads)
        interpreter.allocate_tensors()
    (given,), (found,) = interpreter.get_input_details(), interpreter.get_output_details()
    batch = int(given["shape"][0])

    def run_batch(images: NDArray[np.float32]) -> NDArray[np.float32]:
        interpreter.set_tensor(given["index"], _to_stored(images, given))
        interpreter.invoke()
        return _from_stored(interpreter.get_tensor(found["index"]), found)

    def run(images: Tensor) -> Tensor:
        n = len(images)
        pixels = images.detach().permute(0, 2, 3, 1).float().contiguous().numpy()
        missing = -n % batch
        if missing:  # the last image once more, to fill the last batch
            pixels = np.concatenate([pixels, pixels[-1:].repeat(missing, axis=0)])
        parts = [run_batch(pixels[i : i + batch]) for i in range(0, len(pixels), batch)]
        logits = torch.from_numpy(np.concatenate(parts)[:n])
        return logits.permute(0, 3, 1, 2) if logits.ndim == 4 else logits

    return run


def _to_stored(values: NDArray[np.float32], tensor: dict[str, Any]) -> NDArray[Any]:
    """Return values as a tensor stores them: quantised, unless it is in float32."""
    scale, zero = tensor["quantization"]
    if not scale:
        return values
    info = np.iinfo(tensor["dtype"])
    stored = np.round(values / np.float32(scale)) + zero
    quantized: NDArray[Any] = np.clip(stored, info.min, info.max).astype(tensor["dtype"])
    return quantized


def _from_stored(values: NDArray[Any], tensor: dict[str, Any]) -> NDArray[np.float32]:
    """Return the values of a tensor in float32."""
    scale, zero = tensor["quantization"]
    if not scale:
        return np.asarray(values, np.float32)
    return np.asarray((values.astype(np.float32) - zero) * np.float32(scale), np.float32)
