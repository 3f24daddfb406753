"""Create or load a fleet: `optuna_ofa.fleet`."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage

from optuna_ofa._arguments import AnyPath, Seed, StorageUrl, Text, argument_called, checked
from optuna_ofa.data import (
    AccuracySource,
    HardwareSource,
    choices_of,
    covered_space,
    find_accuracy,
    find_board,
    find_hardware,
    predictor_on,
)
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fleets._fleet import Fleet
from optuna_ofa.predictors import LatencyTable, Predictor, SharedPredictor
from optuna_ofa.problem import Keep, Metric, Parameters, known_metrics
from optuna_ofa.space import Family, SearchSpace
from optuna_ofa.storage import open_storage
from optuna_ofa.studies import problem_of, remember_predictors, study

if TYPE_CHECKING:
    from optuna_ofa.supernet import Supernet

Bound = float | Mapping[str, float]


@checked
def fleet(
    space: AnyPath | Family | SearchSpace | Supernet,
    *,
    hardware: Sequence[HardwareSource] | Mapping[str, HardwareSource] | None = None,
    boards: Sequence[str] | Mapping[str, str] | None = None,
    accuracy: AccuracySource | None = None,
    predictors: Sequence[Metric] | Mapping[str, Sequence[Metric]] = (),
    objectives: Sequence[str | Metric] | None = None,
    constraints: Mapping[str, Bound] | None = None,
    storage: StorageUrl | BaseStorage | None = None,
    study_name: Text | None = None,
    load_if_exists: bool = False,
    seed: Seed | None = None,
    keep: Keep = "all",
    parameters: Parameters = "all",
) -> Fleet:
    """Create or continue one study for each of several devices, all of one supernet.

    The accuracy of a subnet is predicted once for all devices, its latency for each device.

    Args:
        space: As in `optuna_ofa.study`, or a supernet. The resolutions of a family are cut down to
            those that the accuracy predictor and all devices cover.
        hardware: The devices by name, each as in `optuna_ofa.study`; or a sequence of names and
            paths, which then also serve as the names of the devices (files without extension).
            None takes the devices from ``boards``, for studies without latencies.
        boards: The microcontroller of each device, as ``board`` in `optuna_ofa.study`: by device,
            or a sequence of names, which then also serve as the names of the devices.
        accuracy: As in `optuna_ofa.study`.
        predictors: Custom metrics as in `optuna_ofa.study`, the same for all devices, or by device:
            the same metrics with different predictors.
        objectives: As in `optuna_ofa.study`.
        constraints: As in `optuna_ofa.study`; instead of a number, a bound may be a mapping with
            numbers for some devices: ``{"latency_ms": {"note10": 30, "laptop": 12}}``.
        storage: As in `optuna_ofa.study`.
        study_name: Name of the fleet; None generates one. Its studies are named
            ``study_name/device``.
        load_if_exists: Continue the studies that exist. Devices may be added to a fleet, unless
            they reduce the resolutions that all devices cover.
        seed: Seed of the search.
        keep: As in `optuna_ofa.study`.
        parameters: As in `optuna_ofa.study`.

    Returns:
        A mapping from the name of each device to its study.

    Raises:
        InvalidArgumentError: If an argument breaks a rule.
        optuna.exceptions.DuplicatedStudyError: If a study exists and ``load_if_exists`` is False;
            no study is created then.
        InfeasibleConstraintError: If no subnet of the space fits a board; no study is created then.
        FamilyMismatchError, MissingEntryError, MissingDependencyError, StorageError,
        StudyMismatchError: As `optuna_ofa.study`.
    """
    if not isinstance(space, str | os.PathLike | Family | SearchSpace):
        space = space.family
    table = choices_of(space)
    if objectives is None:
        objectives = ("top1", "n_macs" if hardware is None and boards else "latency_ms")
    metrics = {*(of.name if isinstance(of, Metric) else of for of in objectives)}
    metrics |= {*(constraints or {})}
    on = _boards(boards)
    given = _given(hardware, on, metrics)
    devices = {
        device: find_hardware(of, table) if "latency_ms" in metrics else of
        for device, of in given.items()
    }
    bounds = _bounds(list(devices), constraints or {})
    own = _of_devices(list(devices), predictors)
    found = find_accuracy(accuracy, table) if "top1" in metrics else None
    if not isinstance(space, SearchSpace):
        sources = [of for of in devices.values() if not isinstance(of, str | Path | None)]
        sources += [] if found is None else [found]
        sources += [of.predictor for some in own.values() for of in some if of.predictor]
        space = covered_space(space, sources)
    shared = None if found is None else SharedPredictor(predictor_on(space, "top1", found))
    _require_fits(space, on)
    name = f"no-name-{uuid.uuid4()}" if study_name is None else study_name
    store = open_storage(storage)
    if not load_if_exists:
        _require_new(store, [f"{name}/{device}" for device in devices])
    studies = {
        device: study(
            space,
            hardware=of,
            accuracy=shared,
            predictors=own[device],
            objectives=objectives,
            constraints=bounds[device],
            board=on.get(device),
            storage=store,
            study_name=f"{name}/{device}",
            load_if_exists=load_if_exists,
            seed=None if seed is None else seed + i,
            keep=keep,
            parameters=parameters,
        )
        for i, (device, of) in enumerate(devices.items())
    }
    for device, of in given.items():  # as given, not as found
        remember_predictors(studies[device], hardware=of, accuracy=accuracy)
    return Fleet(study_name=name, studies=studies)


def _boards(boards: Sequence[str] | Mapping[str, str] | None) -> dict[str, str]:
    """Return the names of boards by device.

    Raises:
        InvalidArgumentError: If one is unknown, or a sequence names one twice.
    """
    if boards is None:
        return {}
    if isinstance(boards, Mapping):
        named = dict(boards)
    else:
        named = {name: name for name in boards}
        if len(named) < len(boards):
            raise InvalidArgumentError(
                f"`boards` must have different names, but got {list(boards)}; use a mapping."
            )
    for name in named.values():
        find_board(name, "boards")
    return named


def _given(
    hardware: Sequence[HardwareSource] | Mapping[str, HardwareSource] | None,
    boards: Mapping[str, str],
    metrics: Collection[str],
) -> dict[str, HardwareSource | None]:
    """Return the devices by name; those that are only boards have no hardware.

    Raises:
        InvalidArgumentError: If there is no device, a latency without hardware, or a board of
            another device.
    """
    if hardware is None:
        if not boards:
            raise InvalidArgumentError(
                "`hardware` must be a sequence or mapping of devices unless `boards` has some, "
                "but got None."
            )
        if "latency_ms" in metrics:
            raise InvalidArgumentError(
                "`hardware` must have the latencies of the boards if latency_ms is an objective or "
                "constrained, but got None."
            )
        return dict.fromkeys(boards)
    named = _named(hardware)
    other = [device for device in boards if device not in named]
    if other:
        raise InvalidArgumentError(
            f"`boards` must name only the devices {', '.join(named)}, but got {other[0]!r}."
        )
    return {**named}


def _require_fits(space: SearchSpace, boards: Mapping[str, str]) -> None:
    """Refuse boards that no subnet fits, before a study is created.

    Raises:
        InfeasibleConstraintError: If there is one.
    """
    for name in dict.fromkeys(boards.values()):
        board = find_board(name)
        with argument_called("boards", "board"):
            problem_of(space, list(board.limits), {}, {}, (), 0.0, board).require_fits()


def _named(
    hardware: Sequence[HardwareSource] | Mapping[str, HardwareSource],
) -> dict[str, HardwareSource]:
    """Return the devices by name."""
    if isinstance(hardware, str | Path | LatencyTable | Predictor) or not len(hardware):
        raise InvalidArgumentError(
            f"`hardware` must be a sequence or mapping of devices, at least one, but got "
            f"{hardware!r}."
        )
    if isinstance(hardware, Mapping):
        named = dict(hardware)
    else:
        names = [_name(of) for of in hardware]
        named = dict(zip(names, hardware, strict=True))
        if len(named) < len(names):
            raise InvalidArgumentError(
                f"`hardware` must have different names, but got {names}; use a mapping."
            )
    bad = [name for name in named if not isinstance(name, str) or not name]
    if bad:
        raise InvalidArgumentError(
            f"`hardware` must have non-empty strings as names, but got {bad[0]!r}."
        )
    return named


def _name(hardware: HardwareSource) -> str:
    if not isinstance(hardware, str | Path):
        raise InvalidArgumentError(
            f"`hardware` must be a mapping from names to devices if one of them is a "
            f"{type(hardware).__name__}."
        )
    path = Path(hardware)
    is_file, is_folder = os.path.isfile(path), os.path.isdir(path)
    return path.stem if is_file else path.name if is_folder else str(hardware)


def _of_devices(
    devices: Sequence[str], predictors: Sequence[Metric] | Mapping[str, Sequence[Metric]]
) -> dict[str, list[Metric]]:
    """Return the custom metrics of each device.

    Raises:
        InvalidArgumentError: If they are not given for exactly the devices, or differ.
    """
    if not isinstance(predictors, Mapping):
        return {device: list(predictors) for device in devices}
    if set(predictors) != set(devices):
        raise InvalidArgumentError(
            f"`predictors` must be given for the devices {', '.join(devices)}, but got "
            f"{', '.join(predictors) or 'none'}."
        )
    own = {device: list(predictors[device]) for device in devices}
    known_metrics([metric for some in own.values() for metric in some])
    return own


def _bounds(
    devices: Sequence[str], constraints: Mapping[str, Bound]
) -> dict[str, dict[str, float]]:
    """Return the constraints of each device."""
    bounds: dict[str, dict[str, float]] = {device: {} for device in devices}
    for metric, bound in constraints.items():
        of_device = bound if isinstance(bound, Mapping) else dict.fromkeys(devices, bound)
        for device, number in of_device.items():
            if device not in bounds:
                raise InvalidArgumentError(
                    f"`constraints[{metric!r}]` must name only the devices {', '.join(devices)}, "
                    f"but got {device!r}."
                )
            bounds[device][metric] = number
    return bounds


def _require_new(store: BaseStorage, names: Sequence[str]) -> None:
    existing = set(optuna.get_all_study_names(store))
    there = [name for name in names if name in existing]
    if there:
        raise DuplicatedStudyError(
            f"A study {there[0]!r} already exists; use `load_if_exists=True` to continue it, or "
            f"another name."
        )
