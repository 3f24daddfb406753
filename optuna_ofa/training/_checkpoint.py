"""Checkpoints of training runs, which are checked before anything is restored from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from optuna_ofa._parsing import in_a_line
from optuna_ofa._tensors import read_tensors
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.space import family_from_json, require_family
from optuna_ofa.supernet import check_weights, described, write_tensors
from optuna_ofa.training._state import TrainingState

FORMAT = "optuna_ofa.training/1"
WHAT = "a file written by training"


def write_checkpoint(path: Path, state: TrainingState, run: Mapping[str, str]) -> None:
    """Write a checkpoint, which `load_supernet` can read too.

    Args:
        path: The file to write.
        state: The state.
        run: The recipe, settings and so on, which identify the run.
    """
    content = {"format": FORMAT, **described(state.supernet), "run": dict(run)}
    write_tensors(path, {**content, **state.to_dict()})


def read_checkpoint(
    path: Path, state: TrainingState, run: Mapping[str, str], n_steps: int, n_batches: int
) -> dict[str, Any]:
    """Read a checkpoint for `TrainingState.restore`.

    Args:
        path: The file.
        state: The state that will be restored; it is not changed.
        run: As in `write_checkpoint`.
        n_steps: Steps of the whole run.
        n_batches: Batches of a step.

    Raises:
        FormatError: If the file is damaged or not a training checkpoint.
        FamilyMismatchError: If it is of another family; with the differences.
        InvalidArgumentError: If it is of another run.
    """
    data = read_tensors(path, "checkpoint", WHAT)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FormatError(f"`checkpoint` must be {WHAT}, but {path} is not.")
    try:
        _check_run(data, path, state, run)
        _check_counts(data, n_steps, n_batches)
        _rehearse(data, state)
    except OptunaOFAError:
        raise
    except Exception as error:  # torch raises many kinds of errors
        raise FormatError(
            f"`checkpoint` must be {WHAT}, but {path} is damaged: {in_a_line(error)}."
        ) from error
    if data["threads"] != torch.get_num_threads():
        warn(
            f"{path} was written with {data['threads']} threads and training continues with "
            f"{torch.get_num_threads()}: weights will differ in their last bits from those of an "
            f"uninterrupted run. `torch.set_num_threads({data['threads']})` avoids this."
        )
    return data


def _check_run(
    data: Mapping[str, Any], path: Path, state: TrainingState, run: Mapping[str, str]
) -> None:
    family = family_from_json(data["family"], str(path))
    require_family(family, state.supernet.family, "checkpoint", str(path))
    for weights in (data["state_dict"], data["unaveraged"]):
        if weights is not None:
            check_weights(state.supernet, weights, path, "checkpoint")
    for argument, value in run.items():
        written = data["run"].get(argument)
        if written != value:
            raise InvalidArgumentError(
                f"`{argument}` must be as it was when {path} was written, {written}, but got "
                f"{value}. Another run needs another `checkpoint`."
            )


def _check_counts(data: Mapping[str, Any], n_steps: int, n_batches: int) -> None:
    """Refuse numbers of steps, batches and losses that do not fit each other."""
    step = data["step"]
    epoch, n_given = data["position"]
    limits = {
        "step": (step, n_steps),
        "epoch": (epoch, step * n_batches),
        "n_given": (n_given, step * n_batches),
        "n_averaged": (data["n_averaged"], step),
        "losses": (len(data["losses"]), step),
        "threads": (data["threads"], 10**6),
    }
    for name, (value, most) in limits.items():
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"`{name}` is {value!r:.100}")
    if not all(isinstance(loss, float) for loss in data["losses"]):
        raise ValueError("`losses` are not numbers")


def _rehearse(data: dict[str, Any], state: TrainingState) -> None:
    """Restore a copy, and check that it is a state of the same run."""
    copied = state.copy()
    groups = copied.optimiser.state_dict()["param_groups"]
    copied.restore(data)
    for found, expected in zip(copied.optimiser.param_groups, groups, strict=True):
        wrong = [k for k in expected if k not in ("params", "lr") and found[k] != expected[k]]
        if wrong or not math.isfinite(found["lr"]):
            raise ValueError(f"`optimiser` has other settings: {wrong or 'lr'}")
    for parameter, kept in copied.optimiser.state.items():
        if any(v is not None and v.shape != parameter.shape for v in kept.values()):
            raise ValueError("`optimiser` does not fit the weights")
    if copied.history.subnets != state.history.subnets:
        raise ValueError("`history` is of other subnets")
    for entry in copied.history.entries:
        numbers = [entry.loss, *entry.top1]
        fits = isinstance(entry.phase, str) and all(isinstance(n, float | int) for n in numbers)
        if not fits or len(entry.top1) not in (0, len(state.history.subnets)):
            raise ValueError(f"`history` has {entry!r:.200}")
        if type(entry.step) is not int or not 0 < entry.step <= data["step"]:
            raise ValueError(f"`history` has step {entry.step!r:.100}")
