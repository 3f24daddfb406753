"""Networks as files of LiteRT, and as arrays of C for microcontrollers."""

from __future__ import annotations

from typing import Any

from optuna_ofa.costs import arena_bytes
from optuna_ofa.deployment._c_array import arena_in, c_name, content_of, header_of
from optuna_ofa.deployment._deployable import Contents, Deployable, Loaded, Metadata
from optuna_ofa.deployment._program_trial import try_litert
from optuna_ofa.exceptions import MissingDependencyError
from optuna_ofa.graphs import (
    TFLITE_MICRO,
    LiteRTTensor,
    arena_of,
    fold_batch_norm,
    litert_of_net,
    quantized_litert_of_net,
    read_litert,
    require_micro_operators,
    run_litert,
    tflite_micro_version,
)
from optuna_ofa.space import Subnet, subnet_layers


def make_litert(deployable: Deployable) -> Contents:
    """Return a file in float32 that accepts images in NHWC."""
    fold_batch_norm(deployable.net)
    assert deployable.batch is not None
    layers = subnet_layers(deployable.subnet)
    return {"": litert_of_net(deployable.net, layers, batch=deployable.batch)}


def make_litert_int8(deployable: Deployable) -> Contents:
    """Return a file in 8-bit integers, images and logits too, with ranges from the calibration."""
    assert deployable.images is not None
    assert deployable.batch is not None
    fold_batch_norm(deployable.net)
    layers = subnet_layers(deployable.subnet)
    images, batch = deployable.images, deployable.batch
    return {"": quantized_litert_of_net(deployable.net, layers, images, batch=batch)}


def load_litert(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the file in LiteRT, on the CPU."""
    return run_litert(contents[""])


def describe_litert(contents: Contents) -> Metadata:
    """Return what the file accepts and returns, and its operators."""
    file = read_litert(contents[""])
    return {
        "input": {**_tensor(file.inputs[0]), "layout": "NHWC"},
        "output": _tensor(file.outputs[0]),
        "operators": file.operators,
    }


def make_c_array(deployable: Deployable) -> Contents:
    """Return a header with the file in 8-bit integers.

    Raises:
        InvalidArgumentError: If TFLite Micro lacks one of its operators.
    """
    content = make_litert_int8(deployable)[""]
    require_micro_operators(read_litert(content).operators, "net")
    arena, source = _arena(content, deployable.subnet)
    name = c_name(deployable.name)
    return {"": header_of(content, name, deployable.subnet, arena, source)}


def load_c_array(contents: Contents, subnet: Subnet) -> Loaded:
    """Load the file in the header in LiteRT, on the CPU."""
    return run_litert(content_of(contents[""]))


def describe_c_array(contents: Contents) -> Metadata:
    """Return what is known of the file in the header, and its arena."""
    header = contents[""]
    return {**describe_litert({"": content_of(header)}), "arena_bytes": arena_in(header)}


def try_c_array(content: bytes, subnet: Subnet, batch: int) -> None:
    """Try the file in a header in another process, as `try_litert`."""
    try_litert(content_of(content), subnet, batch)


def _arena(content: bytes, subnet: Subnet) -> tuple[int, str]:
    """Return the bytes of the arena, and what they are."""
    try:
        TFLITE_MICRO.require()
    except MissingDependencyError:
        return arena_bytes(subnet_layers(subnet)), "predicted for tflite-micro on a 64-bit machine"
    source = f"as tflite-micro {tflite_micro_version()} allocates them on a 64-bit machine"
    return arena_of(content).total, source


def _tensor(tensor: LiteRTTensor) -> dict[str, Any]:
    known = tensor._asdict()
    return known if tensor.scale is not None else {k: known[k] for k in ("shape", "dtype")}
