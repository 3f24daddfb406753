"""The published accuracy predictors, which are bare state dicts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from optuna_ofa._tensors import read_tensors
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.predictors.accuracy._onehot_mlp import OneHotMLP
from optuna_ofa.space import (
    Family,
    OneHotEncoding,
    SearchSpace,
    get_family,
    mobilenet_encoding,
    resnet_encoding,
    tutorial_encoding,
)

_N_BLOCKS = {"MobileNetV3": 20, "ProxylessNASNets": 21}


def read_state_dict(
    path: Path, family: Family | None, resolutions: Sequence[int] | None, max_mb: float
) -> tuple[SearchSpace, OneHotMLP]:
    """Read a predictor and recognise its encoding; the arguments are those of `load`.

    Raises:
        FormatError: If it is not a state dict of linear layers, or not in any of the encodings.
        FamilyMismatchError: If the encoding is for another architecture than ``family``.
        InvalidArgumentError: If ``resolutions`` is needed and missing or of the wrong length.
    """
    state = _load(path, max_mb)
    sequential = "0.weight" in state
    pattern = r"(\d+)\.weight" if sequential else r"layers\.(\d+)\.(?:0\.)?weight"
    layers = _linear_layers(state, path, pattern)
    n_inputs = layers[0][0].shape[1]
    if sequential:
        encoding = tutorial_encoding()
        default = "ofa_mbv3_w1.2"  # the family for which it was published
    elif n_inputs == resnet_encoding().n_inputs:
        encoding, default = resnet_encoding(), "ofa_resnet50"
    else:
        encoding, default = _resolution_first(n_inputs, family, resolutions, path), ""
    family = family or get_family(default)
    _require(encoding, n_inputs, family, path)
    space = SearchSpace(family, resolution=encoding.resolutions)
    base = _base(state, path)
    return space, OneHotMLP(encoding=encoding, space=space, layers=layers, base=base)


def _load(path: Path, max_mb: float) -> Mapping[str, torch.Tensor]:
    state = read_tensors(path, "path", "a PyTorch state dict", max_mb=max_mb)
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and torch.is_tensor(value) for key, value in state.items()
    ):
        raise FormatError(f"`path` must hold a state dict, but {path} holds {type(state)}.")
    return state


def _linear_layers(
    state: Mapping[str, torch.Tensor], path: Path, pattern: str
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Return weights and biases in the order of the layers' numbers."""
    matches = [match for key in state if (match := re.fullmatch(pattern, key))]
    names = [match[0].removesuffix("weight") for match in sorted(matches, key=lambda m: int(m[1]))]
    layers = [(state[f"{n}weight"], state.get(f"{n}bias")) for n in names]
    shapes = [tuple(weight.shape) for weight, _ in layers]
    chained = all(len(shape) == 2 for shape in shapes) and all(
        before[0] == after[1] for before, after in itertools.pairwise([*shapes, (0, 1)])
    )
    if (
        len(layers) < 2
        or not chained
        or not all(tensor.is_floating_point() for tensor in state.values())
        or any(bias is not None and bias.shape != weight.shape[:1] for weight, bias in layers)
    ):
        raise FormatError(
            f"`path` must hold linear layers from one-hot inputs to one output, but {path} has "
            f"{ {key: tuple(value.shape) for key, value in list(state.items())[:10]} }."
        )
    return [(weight.float(), None if bias is None else bias.float()) for weight, bias in layers]


def _base(state: Mapping[str, torch.Tensor], path: Path) -> float:
    """Return the number that a network's outputs are relative to, 0 where it has none."""
    base = state.get("base_acc", torch.zeros(1))
    if base.numel() != 1:
        raise FormatError(f"`base_acc` of {path} must be one number, but has {base.numel()}.")
    return float(base)


def _resolution_first(
    n_inputs: int, family: Family | None, resolutions: Sequence[int] | None, path: Path
) -> OneHotEncoding:
    if family is None or family.architecture not in _N_BLOCKS:
        raise InvalidArgumentError(
            f"`family` must be given, a MobileNetV3 or ProxylessNAS one, because {path} has the "
            f"resolution-first encoding of these ({n_inputs} inputs), but got {family!r}."
        )
    n_blocks = _N_BLOCKS[family.architecture]
    n_resolutions = n_inputs - 6 * n_blocks
    if resolutions is None or len(resolutions) != n_resolutions:
        raise InvalidArgumentError(
            f"`resolutions` must be the {n_resolutions} input sizes that {path} was trained "
            f"with ({n_inputs} inputs, of which {6 * n_blocks} are kernels and expand ratios; "
            f"the encoding has the resolution first), but got {resolutions!r}."
        )
    return mobilenet_encoding(resolutions, n_blocks=20 if n_blocks == 20 else 21)


def _require(encoding: OneHotEncoding, n_inputs: int, family: Family, path: Path) -> None:
    if family.architecture not in encoding.architectures:
        raise FamilyMismatchError(
            f"`family` must be a {' or '.join(encoding.architectures)} one for {path}, which has "
            f"the encoding {encoding.name!r}, but got {family.name}."
        )
    if n_inputs != encoding.n_inputs:
        raise FormatError(
            f"`path` must have {encoding.n_inputs} inputs for the encoding {encoding.name!r} "
            f"that its names say, but {path} has {n_inputs}."
        )
