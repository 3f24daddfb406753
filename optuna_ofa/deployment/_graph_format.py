"""Networks as graphs: ``torch.export``, ONNX and ExecuTorch."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from optuna_ofa._imports import try_import
from optuna_ofa._quiet import quiet
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded
from optuna_ofa.deployment._torch_archive import plain_archive
from optuna_ofa.graphs import (
    INT8_PACKAGES,
    fold_batch_norm,
    onnx_of_net,
    program_of,
    quantized_onnx_of_net,
    run_onnx,
)
from optuna_ofa.space import Subnet, subnet_layers

ONNX = INT8_PACKAGES[:1]
ONNX_INT8 = INT8_PACKAGES
_executorch = try_import("executorch.runtime", extra="executorch")


def make_torch_export(deployable: Deployable) -> Contents:
    """Return the program of ``torch.export``: ATen operators with the weights included."""
    fold_batch_norm(deployable.net)
    free = {0: torch.export.Dim("batch", min=1)} if deployable.batch is None else None
    content = io.BytesIO()
    with quiet():
        # not strict: TorchDynamo, the default until torch 2.7, stops after eight networks
        program = torch.export.export(
            deployable.net, (deployable.example(),), dynamic_shapes=(free,), strict=False
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
    fold_batch_norm(deployable.net)
    layers, opset = subnet_layers(deployable.subnet), deployable.opset
    images, batch = deployable.images, deployable.batch
    content = quantized_onnx_of_net(deployable.net, layers, images, batch=batch, opset=opset)
    return {"": content}


def load_onnx(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the graph in ONNX Runtime, on the CPU."""
    return run_onnx(contents[""])


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
