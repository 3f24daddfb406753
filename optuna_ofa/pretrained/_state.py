"""Pretrained weights as a plain state dict: out of a file, a mapping or a module."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optuna_ofa._tensors import flaw, read_tensors
from optuna_ofa.exceptions import FormatError

Weights = str | os.PathLike[str] | Mapping[str, Any] | nn.Module
# where training scripts keep the weights, the average of them (EMA) first
_INSIDE = ("state_dict_ema", "model_ema", "ema", "state_dict", "model_state_dict", "model", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.")
ADVICE = "save what `torch.save(model.state_dict(), ...)` writes instead"


def read_state(weights: Weights) -> tuple[dict[str, Tensor], str]:
    """Return floating-point weights by their keys, and what they come from, for messages.

    Keys lose prefixes that all of them have, such as ``module.``. Half precision becomes float32;
    float64 stays if all weights have it.

    Raises:
        FormatError: If it is no state dict of finite numbers; with the key.
    """
    content: Any
    if isinstance(weights, nn.Module):
        content, source = weights.state_dict(), f"the {type(weights).__name__}"
    elif isinstance(weights, Mapping):
        content, source = weights, "the state dict"
    else:
        content, source = _read(Path(weights)), str(weights)
    state = _without_prefixes(_tensors(content, source))
    _check(state, source)
    return _converted(state), source


def _read(path: Path) -> Any:
    try:
        return read_tensors(path, "weights", "a state dict")
    except FormatError as error:
        if "holds objects of the class" not in str(error):
            raise
        raise FormatError(f"{str(error).rstrip('.')}; {ADVICE}.") from error


def _tensors(content: Any, source: str) -> dict[str, Tensor]:
    """Return the state dict, which may be an entry of the content."""
    for name in _INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not content:
        found = "no entry" if isinstance(content, Mapping) else type(content).__name__
        raise FormatError(f"`weights` must hold a state dict, but {source} holds {found}.")
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FormatError(
                f"`weights` must hold a state dict of tensors, but {source} has "
                f"{type(value).__name__} at {key!r:.100}; {ADVICE}."
            )
    return dict(content)


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # an EMA counts its updates beside the module that it averages
    state = {key: value for key, value in state.items() if key != "n_averaged"} or state
    prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in state)), "")
    if not prefix:
        return state
    return _without_prefixes({key.removeprefix(prefix): value for key, value in state.items()})


def _check(state: Mapping[str, Tensor], source: str) -> None:
    for key, tensor in state.items():
        found = flaw(key, tensor) if tensor.layout is torch.strided else None
        if tensor.is_quantized or tensor.is_complex() or tensor.layout is not torch.strided:
            kind = f"{tensor.dtype} ({tensor.layout})".replace("torch.", "")
            raise FormatError(
                f"`weights` must be floating-point numbers, but {source} has {kind} at `{key}`."
            )
        if found is not None:
            raise FormatError(f"`weights` must be finite, but {source} has {found}.")


def _converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    floats = {tensor.dtype for tensor in state.values() if tensor.is_floating_point()}
    dtype = torch.float64 if floats == {torch.float64} else torch.float32
    return {
        key: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype)
        for key, tensor in state.items()
    }
