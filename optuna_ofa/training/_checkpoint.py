"""Checkpoints of training runs, which are checked before anything is restored from them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch

from optuna_ofa._parsing import in_a_line
from optuna_ofa._tensors import read_tensors
from optuna_ofa._warnings import warn
from optuna_ofa._writing import discard_left_behind
from optuna_ofa.exceptions import FormatError, InvalidArgumentError, OptunaOFAError
from optuna_ofa.space import family_from_json, require_family
from optuna_ofa.supernet import check_weights, described, write_tensors
from optuna_ofa.training._batches import StreamPosition
from optuna_ofa.training._distributed import n_processes
from optuna_ofa.training._optimiser import Optimiser, different
from optuna_ofa.training._recipe import Phase
from optuna_ofa.training._schedule import Schedule
from optuna_ofa.training._state import TrainingState

FORMAT = "optuna_ofa.training/1"
WHAT = "a file written by training"


def write_checkpoint(path: Path, state: TrainingState, run: Mapping[str, str]) -> None:
    """Write a checkpoint, which `load_supernet` can read too.

    Args:
        path: The file to write, by one process only.
        state: The state.
        run: The recipe, settings and so on, which identify the run.
    """
    discard_left_behind(path)
    content = {"format": FORMAT, **described(state.supernet), "run": dict(run)}
    write_tensors(path, {**content, **state.to_dict()})


def read_checkpoint(path: Path, state: TrainingState, run: Mapping[str, str]) -> dict[str, Any]:
    """Read a checkpoint for `TrainingState.restore`.

    Args:
        path: The file.
        state: The state that will be restored; it is not changed.
        run: As in `write_checkpoint`.

    Raises:
        FormatError: If the file is damaged or not a training checkpoint.
        FamilyMismatchError: If it is of another family; with the differences.
        InvalidArgumentError: If it is of another run, or of a longer one.
    """
    data = read_tensors(path, "checkpoint", WHAT)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise FormatError(f"`checkpoint` must be {WHAT}, but {path} is not.")
    try:
        _check_run(data, path, state, run)
        written = written_schedule(data)
        _check_schedule(written, path, state.schedule)
        _check_counts(data, written.n_steps)
        _rehearse(data, path, state, written)
    except OptunaOFAError:
        raise
    except Exception as error:  # torch raises many kinds of errors
        raise FormatError(
            f"`checkpoint` must be {WHAT}, but {path} is damaged: {in_a_line(error)}."
        ) from error
    n = len(data["positions"])
    if n != n_processes():
        by = f"{n} process" + "es" * (n > 1)
        warn(
            f"{path} was written by {by} and training continues with {n_processes()}: the weights "
            "will not be those of an uninterrupted run, and the learning rate fits only if the "
            "batches of all processes together are as large as before."
        )
    elif data["threads"] != torch.get_num_threads():
        warn(
            f"{path} was written with {data['threads']} threads and training continues with "
            f"{torch.get_num_threads()}: weights will differ in their last bits from those of an "
            f"uninterrupted run. `torch.set_num_threads({data['threads']})` avoids this."
        )
    return data


def written_schedule(data: Mapping[str, Any]) -> Schedule:
    """Return the schedule of the run that wrote a checkpoint.

    Raises:
        ValueError: If the checkpoint is damaged.
    """
    try:
        return Schedule(Phase(*phase) for phase in data["phases"])
    except InvalidArgumentError as error:
        raise ValueError(f"`phases`: {error}") from error


def identified(value: object, *free: str) -> str:
    """Return the ``repr`` of a data class without some fields, or of another object."""
    if not is_dataclass(value):
        return repr(value)
    known = [f.name for f in fields(value) if f.repr and f.name not in free]
    values = [f"{name}={getattr(value, name)!r}" for name in known]
    return f"{type(value).__qualname__}({', '.join(values)})"


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


def _check_schedule(written: Schedule, path: Path, schedule: Schedule) -> None:
    old, new = (", ".join(p.name for p in s.phases) for s in (written, schedule))
    if old != new:
        raise InvalidArgumentError(
            f"`recipe` must have the phases that it had when {path} was written, {old}, but has "
            f"{new}."
        )
    if schedule.n_steps < written.n_steps:
        raise InvalidArgumentError(
            f"`recipe.n_steps` must be at least {written.n_steps}, as when {path} was written, but "
            f"got {schedule.n_steps}: a run can be made longer, not shorter."
        )


def _check_counts(data: Mapping[str, Any], n_steps: int) -> None:
    """Refuse numbers of steps, batches and losses that do not fit each other."""
    step = data["step"]
    positions = [StreamPosition(*position) for position in data["positions"]]
    limits = {
        "step": (step, n_steps),
        **{f"position {i}": (n, 10**12) for i, n in enumerate(itertools.chain(*positions))},
        "n_averaged": (data["n_averaged"], step),
        "losses": (len(data["losses"]), step),
        "threads": (data["threads"], 10**6),
    }
    for name, (value, most) in limits.items():
        if type(value) is not int or not 0 <= value <= most:
            raise ValueError(f"`{name}` is {value!r:.100}")
    if not positions or {position.n_processes for position in positions} != {len(positions)}:
        raise ValueError("`positions` are not those of all processes")
    if not all(isinstance(loss, float) for loss in data["losses"]):
        raise ValueError("`losses` are not numbers")


def _rehearse(data: dict[str, Any], path: Path, state: TrainingState, written: Schedule) -> None:
    """Restore a copy with the schedule of the file, and check that it is a state of the run."""
    copied = state.copy()
    copied.schedule = written
    copied.restore(data)
    _check_optimiser(data, path, copied.optimiser)
    if copied.history.subnets != state.history.subnets:
        raise ValueError("`history` is of other subnets")
    for entry in copied.history.entries:
        numbers = [entry.loss, *entry.top1]
        fits = isinstance(entry.phase, str) and all(isinstance(n, float | int) for n in numbers)
        if not fits or len(entry.top1) not in (0, len(state.history.subnets)):
            raise ValueError(f"`history` has {entry!r:.200}")
        if type(entry.step) is not int or not 0 < entry.step <= data["step"]:
            raise ValueError(f"`history` has step {entry.step!r:.100}")


def _check_optimiser(data: Mapping[str, Any], path: Path, optimiser: Optimiser) -> None:
    when = f"when {path} was written"
    for argument, was, now in zip(
        ("optimizer", "scheduler"), data["classes"], optimiser.names(), strict=True
    ):
        if was != now:
            raise InvalidArgumentError(
                f"`settings.{argument}` must be as it was {when}, {was}, but got {now}."
            )
    wrong = different(data["options"], optimiser.initial)
    wrong = wrong or different(data["optimiser"]["param_groups"], optimiser.torch.param_groups)
    if wrong is not None:
        raise InvalidArgumentError(
            f"`settings.optimizer` and `settings.scheduler` must be as they were {when}, {wrong}."
        )
    for parameter, kept in optimiser.torch.state.items():
        # others may keep something of another shape, such as the means of rows
        if isinstance(optimiser.torch, torch.optim.SGD) and any(
            v is not None and v.shape != parameter.shape for v in kept.values()
        ):
            raise ValueError("`optimiser` does not fit the weights")
