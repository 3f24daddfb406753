"""Networks as `export` writes them for a runtime, whose accuracy is evaluated."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa._imports import OptionalImport, try_import
from optuna_ofa.evaluation._computation import LITERT, LITERT_INT8, ONNXRUNTIME, Computation
from optuna_ofa.evaluation._converted import Converted
from optuna_ofa.evaluation._recalibrate import set_statistics
from optuna_ofa.graphs import (
    INT8_PACKAGES,
    LITERT as LITERT_PACKAGES,
    LITERT_INT8 as LITERT_INT8_PACKAGES,
    N_QUANTIZED,
    RUN_LITERT,
    fold_batch_norm,
    litert_of_net,
    onnx_of_net,
    quantized_litert_of_net,
    quantized_onnx_of_net,
    run_litert,
    run_onnx,
)
from optuna_ofa.space import Subnet, subnet_layers
from optuna_ofa.supernet import Supernet

_onnxruntime = try_import(ONNXRUNTIME, extra=ONNXRUNTIME)

_NEEDS: dict[Computation, tuple[OptionalImport, ...]] = {
    Computation(ONNXRUNTIME): (INT8_PACKAGES[0], _onnxruntime),
    Computation(ONNXRUNTIME, "int8"): INT8_PACKAGES,
    Computation(LITERT): (*LITERT_PACKAGES, *RUN_LITERT),
    LITERT_INT8: (*LITERT_INT8_PACKAGES, *RUN_LITERT),
}


def exported_network(
    supernet: Supernet,
    subnet: Subnet,
    images: Tensor | None,
    computation: Computation,
    converted: Converted | None = None,
) -> Callable[[Tensor], Tensor]:
    """Return the network that `export` writes, in its runtime.

    Args:
        supernet: The supernet.
        subnet: The subnet.
        images: The calibration images at its resolution; None keeps the statistics.
        computation: The runtime and the precision.
        converted: The files of LiteRT that are there already.

    Raises:
        MissingDependencyError: If a package is not installed.
    """
    threads = torch.get_num_threads()
    if computation.runtime == LITERT:
        run = run_litert(litert_file(supernet, subnet, images, computation, converted), threads)
    else:
        run = run_onnx(_onnx(supernet, subnet, images, computation), threads=threads)
    return lambda batch: run(batch.float())


def litert_file(
    supernet: Supernet,
    subnet: Subnet,
    images: Tensor | None,
    computation: Computation,
    converted: Converted | None = None,
) -> bytes:
    """Return the file of ``export(..., format="litert")`` or ``"litert_int8"``.

    Args:
        supernet: As in `exported_network`, like all further arguments.
        subnet: The subnet.
        images: The calibration images.
        computation: The runtime and the precision.
        converted: The files that are there already.
    """

    def make() -> bytes:
        net, layers = _folded(supernet, subnet, images), subnet_layers(subnet)
        if computation.is_int8:
            assert images is not None
            return quantized_litert_of_net(net, layers, images.float())
        return litert_of_net(net, layers)

    return make() if converted is None else converted.content(subnet, computation, make)


def _onnx(
    supernet: Supernet, subnet: Subnet, images: Tensor | None, computation: Computation
) -> bytes:
    net, layers = _folded(supernet, subnet, images), subnet_layers(subnet)
    if computation.is_int8:
        assert images is not None
        return quantized_onnx_of_net(net, layers, images.float(), batch=None)
    return onnx_of_net(net, layers, batch=None)


def _folded(supernet: Supernet, subnet: Subnet, images: Tensor | None) -> nn.Module:
    """Return the plain network as `export` makes it, recalibrated; formats differ by rounding."""
    net = supernet.extract(subnet).eval().cpu()
    if images is not None:
        set_statistics(net, images)
    net = net.float()
    fold_batch_norm(net)
    return net


def exported_setup(computation: Computation) -> dict[str, Any]:
    """Return the part of a setup that an accuracy in a runtime depends on.

    Raises:
        MissingDependencyError: If a package that writes or runs the network is not installed.
    """
    require_packages(computation)
    return {
        "runtime": computation.runtime,
        "precision": computation.precision,
        "versions": _versions(computation),
        **({"n_quantized": N_QUANTIZED} if computation.is_int8 else {}),
        "instructions": _instructions(),
    }


def require_packages(computation: Computation) -> None:
    """Refuse a runtime whose packages are not installed.

    Raises:
        MissingDependencyError: If one is not, that writes or runs the network.
    """
    for package in _NEEDS[computation]:
        package.require()


def _versions(computation: Computation) -> dict[str, str]:
    if computation.runtime == ONNXRUNTIME:
        return {ONNXRUNTIME: _onnxruntime.check().__version__}
    return {LITERT: version("ai-edge-litert"), **converter_versions(computation)}


def converter_versions(computation: Computation) -> dict[str, str]:
    """Return the versions of the packages that write a file of LiteRT."""
    packages = ["ai-edge-quantizer"] * computation.is_int8
    return {package: version(package) for package in packages}


def _instructions() -> str:
    """Return the kind of processor, ``x86_64 vnni``, that determines sums of 8-bit products.

    Without VNNI, x86 processors add two products in 16 bits, which may saturate.
    """
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    has_vnni = re.search(r"\bavx(512)?_vnni\b", text) is not None
    return platform.machine() + " vnni" * has_vnni
