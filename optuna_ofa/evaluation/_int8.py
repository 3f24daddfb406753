"""Networks quantised to 8-bit integers, as `export` writes them, whose accuracy is evaluated."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa._imports import try_import
from optuna_ofa.graphs import (
    INT8_PACKAGES,
    N_QUANTIZED,
    fold_batch_norm,
    quantized_onnx_of_net,
    run_onnx,
)
from optuna_ofa.space import Subnet, subnet_layers

INT8 = "int8"
_RUNTIME = "onnxruntime"
_onnxruntime = try_import(_RUNTIME, extra=_RUNTIME)


def int8_network(net: nn.Module, subnet: Subnet, images: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the network of ``export(..., format="onnx_int8")`` in its runtime.

    Args:
        net: The plain network of the subnet, recalibrated; its batch normalisation is folded.
        subnet: The subnet.
        images: The calibration images at the resolution of the subnet.

    Raises:
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed.
    """
    net = net.cpu().float()
    fold_batch_norm(net)
    content = quantized_onnx_of_net(net, subnet_layers(subnet), images.float(), batch=None)
    run = run_onnx(content, threads=torch.get_num_threads())
    return lambda batch: run(batch.float())


def int8_setup() -> dict[str, Any]:
    """Return the part of a setup that an accuracy in 8-bit integers depends on.

    Raises:
        MissingDependencyError: If ``onnx`` or ``onnxruntime`` is not installed.
    """
    for package in INT8_PACKAGES:
        package.check()
    return {
        "runtime": _RUNTIME,
        "precision": INT8,
        "versions": {_RUNTIME: _onnxruntime.check().__version__},
        "n_quantized": N_QUANTIZED,
        "instructions": _instructions(),
    }


def _instructions() -> str:
    """Return the kind of processor, ``x86_64 vnni``, that determines sums of 8-bit products.

    Without VNNI, x86 processors add two products in 16 bits, which may saturate.
    """
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    has_vnni = re.search(r"\bavx(512)?_vnni\b", text) is not None
    return platform.machine() + " vnni" * has_vnni
