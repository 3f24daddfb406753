"""Networks as graphs: ``torch.export``, ONNX and ExecuTorch."""

from __future__ import annotations

import io
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded
from optuna_ofa.deployment._torch_archive import plain_archive
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.graphs import fold_batch_norm, onnx_of_net, program_of, quantize
from optuna_ofa.space import Subnet, subnet_layers

_onnxruntime = try_import("onnxruntime", extra="onnxruntime")
ONNX = (try_import("onnx", extra="onnx"),)
ONNX_INT8 = (*ONNX, _onnxruntime)
_executorch = try_import("executorch.runtime", extra="executorch")
# number of images used to determine the ranges of activations
N_QUANTIZED = 200
# where ONNX Runtime looks for weights outside of a file: nowhere
_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"


def make_torch_export(deployable: Deployable) -> Contents:
    """Return the program of ``torch.export``: ATen operators with the weights included."""
    fold_batch_norm(deployable.net)
    free = {0: torch.export.Dim("batch", min=1)} if deployable.batch is None else None
    content = io.BytesIO()
    with quiet():
        program = torch.export.export(
            deployable.net, (deployable.example(),), dynamic_shapes=(free,)
        )
        torch.export.save(program, content)
    return {"": content.getvalue()}


def load_torch_export(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the program as a module."""
    archive = plain_archive(contents[""])
    with quiet():
        return torch.export.load(io.BytesIO(archive)).module()


def make_onnx(deployable: Deployable) -> Contents:
    """Return an ONNX graph from ``images`` to ``logits``, like measured graphs, with weights."""
    fold_batch_norm(deployable.net)
    layers, opset = subnet_layers(deployable.subnet), deployable.opset
    return {"": onnx_of_net(deployable.net, layers, batch=deployable.batch, opset=opset)}


def make_onnx_int8(deployable: Deployable) -> Contents:
    """Return an 8-bit ONNX graph, with ranges from the calibration images."""
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
        plain, quantized = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        plain.write_bytes(make_onnx(deployable)[""])
        quantize(plain, quantized, batches, name="images")
        return {"": quantized.read_bytes()}


def load_onnx(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the graph in ONNX Runtime, on the CPU."""
    runtime = _onnxruntime.check()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry(_EXTERNAL_FOLDER, f"{os.devnull}/none")
    session = runtime.InferenceSession(contents[""], options, providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        return torch.from_numpy(logits)

    return run


def make_executorch(deployable: Deployable) -> Contents:
    """Return a program lowered to XNNPACK."""
    fold_batch_norm(deployable.net)
    return {"": program_of(deployable.net, deployable.example())}


def load_executorch(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the program in ExecuTorch's own runtime."""
    program = _executorch.check().Runtime.get().load_program(contents[""])
    method = program.load_method("forward")

    def run(images: Tensor) -> Tensor:
        (logits,) = method.execute([images.contiguous()])
        return torch.clone(logits)  # the next call reuses the memory

    run.program = program  # type: ignore[attr-defined]  # the method alone does not keep it alive
    return run
