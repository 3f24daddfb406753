"""Reading the published accuracy predictors, which are bare state dicts."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from optuna_ofa._errors import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.predictors._accuracy_models import PublishedMLP
from optuna_ofa.space import Family, SearchSpace, get_family
from optuna_ofa.space._onehot import (
    Encoding,
    mobilenet_encoding,
    resnet_encoding,
    tutorial_encoding,
)

_N_BLOCKS = {"MobileNetV3": 20, "ProxylessNASNets": 21}


def read_state_dict(
    path: Path, family: Family | None, resolutions: Sequence[int] | None
) -> tuple[SearchSpace, PublishedMLP]:
    """Read a predictor and find out which encoding it has.

    Raises:
        FormatError: If it is no state dict of linear layers, or of none of the encodings.
        FamilyMismatchError: If the encoding is for another architecture than ``family``.
        InvalidArgumentError: If ``resolutions`` is needed and missing or of the wrong length.
    """
    state = _load(path)
    sequential = "0.weight" in state
    layers = _linear_layers(state, path, "{}" if sequential else "layers.{}")
    n_inputs = layers[0][0].shape[1]
    if sequential:
        encoding = tutorial_encoding()
        default = "ofa_mbv3_w1.2"  # what it was published for
    elif n_inputs == resnet_encoding().n_inputs:
        encoding, default = resnet_encoding(), "ofa_resnet50"
    else:
        encoding, default = _resolution_first(n_inputs, family, resolutions, path), ""
    family = family or get_family(default)
    _require(encoding, n_inputs, family, path)
    space = SearchSpace(family, resolution=encoding.resolutions)
    base = float(state["base_acc"]) if "base_acc" in state else 0.0
    return space, PublishedMLP(encoding=encoding, space=space, layers=layers, base=base)


def _load(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        raise FormatError(f"`path` must be a PyTorch state dict, but {path} is not: "
                          f"{error}") from error  # fmt: skip
    if isinstance(state, dict):
        state = state.get("state_dict", state)
    if not isinstance(state, dict) or not all(torch.is_tensor(v) for v in state.values()):
        raise FormatError(f"`path` must hold a state dict, but {path} holds {type(state)}.")
    return state


def _linear_layers(
    state: Mapping[str, torch.Tensor], path: Path, prefix: str
) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    """Weights and biases in order: ``0, 2, 4, 6`` or ``layers.0.0 … layers.3``."""
    numbered = {
        key: int("".join(filter(str.isdigit, key.split(".weight")[0].split(".0")[0])) or 0)
        for key in state
        if key.endswith(".weight")
    }
    keys = sorted(numbered, key=numbered.__getitem__)
    shapes = {key: tuple(state[key].shape) for key in keys}
    chained = all(
        len(shapes[a]) == 2 and shapes[a][0] == shapes[b][-1]
        for a, b in itertools.pairwise(keys)
    )
    if len(keys) < 2 or not chained or shapes[keys[-1]][0] != 1 or not keys[0].startswith(
        prefix.format(0)
    ):
        raise FormatError(
            f"`path` must hold linear layers from one-hot inputs to one output, but {path} has "
            f"{shapes or sorted(state)[:5]}."
        )
    return [(state[k].float(), state.get(k.replace(".weight", ".bias"))) for k in keys]


def _resolution_first(
    n_inputs: int, family: Family | None, resolutions: Sequence[int] | None, path: Path
) -> Encoding:
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


def _require(encoding: Encoding, n_inputs: int, family: Family, path: Path) -> None:
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
