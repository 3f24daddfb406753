"""Pretrained weights as a plain state dict: out of a file, a mapping or a module."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa._files import read_bytes
from optuna_ofa._imports import try_import
from optuna_ofa._tensors import MAX_MB, flaw, read_tensors
from optuna_ofa.exceptions import FormatError
from optuna_ofa.supernet import newer_keys

_safetensors = try_import("safetensors.torch", extra="safetensors")

Weights = str | os.PathLike[str] | Mapping[str, Any] | nn.Module
# where training scripts keep the weights, the average of them (EMA) first
INSIDE = (
    *("state_dict_ema", "ema_state_dict", "model_ema", "ema"),
    *("state_dict", "model_state_dict", "model", "net"),
)
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
_ADVICE = "`torch.save(model.state_dict(), 'weights.pth')` writes a state dict"


def read_state(weights: Weights) -> tuple[dict[str, Tensor], str]:
    """Return floating-point weights by their keys, and what they come from, for messages.

    Keys lose prefixes that all of them have, such as ``module.``. Half precision becomes float32;
    float64 stays if all weights have it.

    Raises:
        FormatError: If it is no state dict of finite numbers; with the key.
    """
    content: Any
    if isinstance(weights, nn.Module):
        content, where = weights.state_dict(), f"the {type(weights).__name__}"
    elif isinstance(weights, Mapping):
        content, where = weights, "the state dict"
    else:
        content, where = _read(Path(weights)), str(weights)
    state = _without_prefixes(_tensors(content, where))
    for key, tensor in state.items():
        _require_numbers(key, tensor, where)
    return _converted(state), where


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        return read_tensors(path, "weights", "a state dict")
    except FormatError as error:
        if _is_torchscript(path):
            text = f"`weights` must be a state dict, but {path} is a TorchScript archive"
        elif "holds objects of the class" in str(error):
            text = str(error).rstrip(".")  # a whole model, or one beside its settings
        else:
            raise
        raise FormatError(f"{text}; {_ADVICE}.") from error


def _read_safetensors(path: Path) -> Any:
    content = read_bytes(path, "weights", max_mb=MAX_MB)
    try:
        return _safetensors.check().load(content)
    except Exception as error:  # of a class of the package's own
        if isinstance(error, ImportError):
            raise
        raise FormatError(
            f"`weights` must be a state dict, but {path} is cut off, damaged or of another format."
        ) from error


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


def _tensors(content: Any, where: str) -> dict[str, Tensor]:
    """Return the state dict, which may be an entry of the content."""
    for name in INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        found = "no entry" if isinstance(content, Mapping) else f"a {type(content).__name__}"
        raise FormatError(f"`weights` must be a state dict, but {where} holds {found}; {_ADVICE}.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FormatError(
                f"`weights` must be a state dict of tensors, but {where} has "
                f"{type(value).__name__} at `{key!s:.100}`; {_ADVICE}."
            )
    return dict(content)


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # an average of weights counts its updates beside the module that it averages
    state = {key: value for key, value in state.items() if key != "n_averaged"} or state
    state = newer_keys(state)
    prefix = next((p for p in PREFIXES if all(key.startswith(p) for key in state)), "")
    if not prefix:
        return state
    return _without_prefixes({key.removeprefix(prefix): value for key, value in state.items()})


def _require_numbers(key: str, tensor: Tensor, where: str) -> None:
    """Refuse a tensor that is no array of finite real numbers."""
    is_count = key.endswith("num_batches_tracked")
    plain = tensor.layout is torch.strided and not tensor.is_meta
    if not plain or not (tensor.is_floating_point() or is_count) or tensor.dtype.itemsize < 2:
        kind = str(tensor.dtype).removeprefix("torch.")
        kind = f"{kind} without data" if tensor.is_meta else kind
        raise FormatError(
            f"`weights` must be floating-point numbers, but {where} has {kind} at `{key}`."
        )
    found = flaw(key, tensor)
    if found is not None:
        raise FormatError(f"`weights` must be finite, but {where} has {found}.")


def _converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    floats = {tensor.dtype for tensor in state.values() if tensor.is_floating_point()}
    dtype = torch.float64 if floats == {torch.float64} else torch.float32
    return {
        key: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        for key, tensor in state.items()
    }
