"""Networks as graphs: ``torch.export``, ONNX and ExecuTorch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from optuna_ofa._files import replacing
from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.deployment._deployable import Deployable, Loaded, Metadata
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import fold_batch_norm, quantize, write_program

_onnxruntime = try_import("onnxruntime", extra="onnxruntime")
ONNX = (try_import("onnx", extra="onnx"), try_import("onnxscript", extra="onnx"))
ONNX_INT8 = (*ONNX, _onnxruntime)
_executorch = try_import("executorch.runtime", extra="executorch")
# images that the ranges of activations are taken from
N_QUANTIZED = 200


def write_torch_export(deployable: Deployable, path: Path) -> list[Path]:
    """Write the program of ``torch.export``, ATen operators with the weights in them."""
    program = _program(deployable)
    # a file, because the place to write to has no suffix that torch knows
    with replacing(path) as place, place.open("wb") as file:
        torch.export.save(program, file)
    return [path]


def load_torch_export(path: Path, metadata: Metadata) -> Loaded:
    """Load the program as a module."""
    return torch.export.load(path).module()


def export_onnx(deployable: Deployable, path: Path) -> list[Path]:
    """Write an ONNX graph from ``images`` to ``logits``, with the weights in it."""
    program = _program(deployable)
    with quiet():
        written = torch.onnx.export(
            program, dynamo=True, input_names=["images"], output_names=["logits"], verbose=False
        )
    assert written is not None
    with replacing(path) as place:
        place.write_bytes(written.model_proto.SerializeToString())
    return [path]


def export_onnx_int8(deployable: Deployable, path: Path) -> list[Path]:
    """Write an ONNX graph in eight-bit integers, ranges taken from the calibration images."""
    assert deployable.images is not None
    size = deployable.batch or min(N_QUANTIZED, len(deployable.images))
    n_batches = min(max(N_QUANTIZED, size), len(deployable.images)) // size
    if not n_batches:
        raise InvalidArgumentError(
            f"`calibration` must have at least the {size} images of a batch, but has "
            f"{len(deployable.images)}."
        )
    images = deployable.images[: n_batches * size]
    batches = (batch.numpy() for batch in torch.split(images, size))
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float.onnx"
        export_onnx(deployable, plain)
        with replacing(path) as place:
            quantize(plain, place, batches, name="images")
    return [path]


def load_onnx(path: Path, metadata: Metadata) -> Loaded:
    """Load the graph in ONNX Runtime, on the processor."""
    session = _onnxruntime.check().InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        return torch.from_numpy(logits)

    return run


def export_executorch(deployable: Deployable, path: Path) -> list[Path]:
    """Write a program that is lowered to XNNPACK."""
    fold_batch_norm(deployable.net)
    with replacing(path) as place:
        write_program(deployable.net, deployable.example(), place)
    return [path]


def load_executorch(path: Path, metadata: Metadata) -> Loaded:
    """Load the program in ExecuTorch's own runtime."""
    program = _executorch.check().Runtime.get().load_program(path)
    method = program.load_method("forward")

    def run(images: Tensor) -> Tensor:
        (logits,) = method.execute([images.contiguous()])
        return torch.clone(logits)  # the next call writes to the same memory

    run.program = program  # type: ignore[attr-defined]  # the method does not keep it alive
    return run


def _program(deployable: Deployable) -> Any:
    fold_batch_norm(deployable.net)
    free = {0: torch.export.Dim("batch", min=1)} if deployable.batch is None else None
    with quiet():
        return torch.export.export(deployable.net, (deployable.example(),), dynamic_shapes=(free,))
