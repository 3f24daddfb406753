"""Checkpoints of training: written whole or not at all, and checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from optuna_ofa._errors import FormatError, InvalidArgumentError
from optuna_ofa._files import replacing
from optuna_ofa.supernet import Supernet, check_weights, read_tensors
from optuna_ofa.training._state import TrainingState

FORMAT = "optuna_ofa.training/1"


def write_checkpoint(path: Path, state: TrainingState, run: Mapping[str, str]) -> None:
    """Write a checkpoint, which `load_supernet` reads too.

    Args:
        path: Where to.
        state: The state.
        run: What makes the run another one where it differs: recipe, settings and so on.
    """
    with replacing(path) as place:
        torch.save({"format": FORMAT, "run": dict(run), **state.to_dict()}, place)


def read_checkpoint(path: Path, supernet: Supernet, run: Mapping[str, str]) -> dict[str, Any]:
    """Read a checkpoint for `TrainingState.restore`.

    Raises:
        FormatError: If the file is damaged or no checkpoint of training.
        FamilyMismatchError: If its weights are those of another family.
        InvalidArgumentError: If it is of another run.
    """
    rule = "`checkpoint` must be a file that training wrote"
    data = read_tensors(path, rule)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FormatError(f"{rule}, but {path} is none.")
    check_weights(supernet, data["state_dict"], path, "checkpoint")
    for argument, value in run.items():
        written = data["run"].get(argument)
        if written != value:
            raise InvalidArgumentError(
                f"`{argument}` must be as it was when {path} was written, {written}, but got "
                f"{value}. Another run needs another `checkpoint`."
            )
    return data
