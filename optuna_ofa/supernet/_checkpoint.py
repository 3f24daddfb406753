"""Supernet checkpoints in the published format plus the family: ``{"state_dict": {...}, ...}``."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from optuna_ofa._arguments import AnyPath, OutputFile, Share, checked
from optuna_ofa._tensors import read_tensors
from optuna_ofa._writing import write_whole
from optuna_ofa.exceptions import FamilyMismatchError, FormatError, InvalidArgumentError
from optuna_ofa.space import (
    Family,
    family_from_json,
    family_named,
    find_family,
    known_families,
    require_family,
)
from optuna_ofa.supernet._batch_norm import ElasticBatchNorm2d
from optuna_ofa.supernet._elastic_layers import ElasticConv2d, ElasticDepthwiseConv2d, ElasticLinear
from optuna_ofa.supernet._own_weights import OWN
from optuna_ofa.supernet._published_weights import find_weights
from optuna_ofa.supernet._supernet import Supernet

# the ofa package wraps these torch layers, so their names occur twice in its keys
WRAPPED = (ElasticConv2d, ElasticDepthwiseConv2d, ElasticBatchNorm2d, ElasticLinear)
_ADVICE = (
    "the weights of a plain network become a supernet by `supernet_from`, on the command line "
    "by `optuna-ofa supernet-from`"
)


@checked
def load_supernet(
    family: AnyPath | Family | None = None,
    *,
    weights: AnyPath | None = None,
    dropout: Share | None = None,
) -> Supernet:
    """Build a supernet, and load its weights from a checkpoint.

    Accepts checkpoints of the ``ofa`` package, including the older released ones, checkpoints
    written by `save_supernet` and `optuna_ofa.training.train`, and state dicts of a `Supernet`.
    Files written by this package hold the family, so ``load_supernet("mine.pth")`` is enough.

    ``load_supernet("ofa_mbv3_w1.2", weights="published")`` takes the weights that the authors of
    Once-for-All have published, which are downloaded once and checked (`optuna_ofa.fetch`). The
    stages of their training have names: ``weights="ofa_D4_E6_K7"`` is the largest network alone.

    Smaller kernels of a checkpoint without any transform matrix are the centres of the larger
    ones, as at the beginning of training.

    Args:
        family: A custom family, the name of a published one, or a file that holds a family
            (`get_family`). If that file is a checkpoint, its weights are loaded too, unless
            ``weights`` is given. None takes the family stored in the checkpoint.
        weights: Path of the checkpoint; ``"published"`` for the published weights of the family;
            or the name of published weights (`optuna_ofa.published`), unless there is a file of
            that name. None leaves the weights random.
        dropout: Probability of dropping a feature before the classifier, in training mode; None
            takes that of the checkpoint, or 0.

    Returns:
        The supernet on the CPU, in training mode like any new module.

    Raises:
        InvalidArgumentError: If no family has that name, or it is None and the checkpoint does
            not hold one; if ``weights`` is ``"published"`` and the family has none, or there is a
            file called ``published`` (``"./published"`` means the file).
        FormatError: If the file is missing, damaged or not a checkpoint.
        FamilyMismatchError: If the weights belong to another family; with the differences.
        DownloadError: If published weights cannot be downloaded or are not the published ones.
    """
    if weights is None and _is_checkpoint(family):
        family, weights = None, family
    if weights is None:
        if family is None:
            raise InvalidArgumentError("`family` must be a family where `weights` is None.")
        return Supernet(find_family(family, "family"), dropout=dropout or 0.0)
    path, family = find_weights(weights, family)
    content = read_tensors(path, "weights", "a checkpoint of tensors")
    stored, settings = _described(content, path)
    wanted = None if family is None else find_family(family, "family")
    if stored is not None and wanted is not None:
        require_family(stored, wanted, "weights", str(path))
    found = wanted or stored
    if found is None:
        raise InvalidArgumentError(
            f"`family` must be a family where the checkpoint holds none, as {path}, but got None; "
            f"{_ADVICE}."
        )
    state = _state(content, path)
    if dropout is not None:
        settings["dropout"] = dropout
    settings.setdefault("own_projections", any(f".{OWN}" in key for key in state))
    with torch.device("meta"):  # nothing is allocated for weights that may not be there
        supernet = Supernet(found, **settings)
    state = _own_keys(supernet, state)
    check_weights(supernet, state, path)
    supernet.to_empty(device="cpu").load_state_dict(state)
    return supernet


def _is_checkpoint(name: object) -> TypeGuard[str | os.PathLike[str]]:
    """Return whether the name of a supernet is a file rather than the name of a family."""
    if not isinstance(name, str | os.PathLike):
        return False
    return family_named(str(name)) is None and Path(name).is_file()


def _described(content: Any, path: Path) -> tuple[Family | None, dict[str, Any]]:
    """Return the family of a checkpoint, None if it has none, and its arguments of `Supernet`."""
    if not isinstance(content, Mapping) or "family" not in content:
        return None, {}
    dropout = content.get("dropout", 0.0)
    if not isinstance(dropout, float | int) or not 0 <= dropout <= 1:
        raise FormatError(f"`dropout` of {path} must be from 0 to 1, but is {dropout!r:.100}.")
    own = content.get("own_projections", False)
    if not isinstance(own, bool):
        raise FormatError(
            f"`own_projections` of {path} must be True or False, but is {own!r:.100}."
        )
    family = family_from_json(content["family"], str(path))
    return family, {"dropout": float(dropout), "own_projections": own}


@checked
def save_supernet(supernet: Supernet, path: OutputFile) -> None:
    """Write a checkpoint that `load_supernet` and the ``ofa`` package can read.

    It also holds the table of the family, the dropout and whether projections are the own ones of
    each choice (which the ``ofa`` package cannot read), so that `load_supernet` needs no other
    argument and the weights cannot be loaded into another family. The file is written whole or not
    at all: an older one at that path stays until then.

    Args:
        supernet: The supernet.
        path: The file; its folder must exist.

    Raises:
        InvalidArgumentError: If the file cannot be written.
    """
    place = Path(path)
    own = supernet.state_dict()
    state = {published: own[key] for published, key in _published_keys(supernet).items()}
    write_tensors(place, {**described(supernet), "state_dict": state})


def described(supernet: Supernet) -> dict[str, Any]:
    """Return the content of a checkpoint other than the weights."""
    content = {"family": supernet.family.to_dict(), "dropout": supernet.dropout}
    if supernet.own_projections:  # other files stay readable by the ofa package
        content["own_projections"] = True
    return content


def write_tensors(path: Path, content: object) -> None:
    """Do what `torch.save` does, but write the file whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    memory = io.BytesIO()  # on a full disk, torch's own writer may abort the process
    torch.save(content, memory)
    write_whole({path: memory.getvalue()}, durable=True)


def _published_keys(supernet: Supernet) -> dict[str, str]:
    """Return the key of this package for each key of the ``ofa`` package."""
    wrapped = {name for name, m in supernet.named_modules() if isinstance(m, WRAPPED)}
    keys = {}
    for own in supernet.state_dict():
        module, _, entry = own.rpartition(".")
        ours = _is_matrix(entry) or entry.startswith(OWN)
        inner = "" if ours else f"{module.rpartition('.')[2]}."
        keys[f"{module}.{inner}{entry}" if module in wrapped else own] = own
    return keys


def _own_keys(supernet: Supernet, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    published = _published_keys(supernet)
    own = {published.get(key, key): tensor for key, tensor in newer_keys(state).items()}
    return own if any(map(_is_matrix, own)) else {**_identities(supernet), **own}


def newer_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights with today's keys: released files have an older name of a block's branch."""
    return {key.replace(".mobile_inverted_conv.", ".conv."): t for key, t in state.items()}


def _is_matrix(key: str) -> bool:
    return key.endswith("_matrix")


def _identities(supernet: Supernet) -> dict[str, Tensor]:
    """Return the transform matrices with which training begins: they crop the larger kernel."""
    matrices = {key: value for key, value in supernet.state_dict().items() if _is_matrix(key)}
    return {key: torch.eye(len(value), device="cpu") for key, value in matrices.items()}


def _state(content: Any, path: Path) -> Mapping[str, Tensor]:
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not state:
        found = "no entry" if isinstance(state, Mapping) else type(state).__name__
        raise FormatError(f"`weights` must hold a state dict, but {path} holds {found}.")
    for key, value in state.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise FormatError(
                "`weights` must hold a state dict of tensors, but "
                f"{path} has {type(value).__name__} at {key!r}."
            )
    return state


def check_weights(
    supernet: Supernet, state: Mapping[str, Tensor], path: Path, argument: str = "weights"
) -> None:
    """Refuse weights that do not fit a supernet.

    Args:
        supernet: The supernet.
        state: A state dict with the keys of a `Supernet`.
        path: The file that it comes from.
        argument: Name of the caller's argument in the message.

    Raises:
        FamilyMismatchError: With the differences, and the family that the weights look like.
    """
    differences = _differences(supernet, state)
    if differences:
        kin = next((f.name for f in known_families() if _fits(f, state)), None)
        likeness = f"looks like {kin}" if kin else "is of no published family"
        raise FamilyMismatchError(
            f"`{argument}` must be of {supernet.family.name}, but {path} {likeness}: "
            f"{'; '.join(differences)}{'' if _is_own(supernet, state) else f'; {_ADVICE}'}."
        )


def _is_own(supernet: Supernet, state: Mapping[str, Tensor]) -> bool:
    """Whether any key is that of a supernet, not counting matrices, which may have been added."""
    own = supernet.state_dict()
    return any(key in own and not _is_matrix(key) for key in state)


def _fits(family: Family, state: Mapping[str, Tensor]) -> bool:
    with torch.device("meta"):
        supernet = Supernet(family)
    return not _differences(supernet, _own_keys(supernet, state))


def _differences(supernet: Supernet, state: Mapping[str, Tensor]) -> list[str]:
    own = supernet.state_dict()
    shapes = [
        f"`{key}` has shape {tuple(state[key].shape)} where "
        f"{supernet.family.name} needs {tuple(tensor.shape)}"
        for key, tensor in own.items()
        if key in state and state[key].shape != tensor.shape
    ]
    types = [
        f"`{key}` has {state[key].dtype} where {supernet.family.name} needs {tensor.dtype}"
        for key, tensor in own.items()
        if key in state and state[key].is_floating_point() != tensor.is_floating_point()
    ]
    missing = [f"`{key}`" for key in own if key not in state]
    unexpected = [f"`{key}`" for key in state if key not in own]
    kinds = {
        "of another shape": shapes,
        "of another type": types,
        "missing": missing,
        "unexpected": unexpected,
    }
    return [
        f"{len(found)} {kind} ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})"
        for kind, found in kinds.items()
        if found
    ]
