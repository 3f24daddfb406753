"""Opening existing studies: `optuna_ofa.load_study`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage

from optuna_ofa._arguments import Seed, StorageUrl, Text, checked
from optuna_ofa._urls import shown_storage
from optuna_ofa.data import AccuracySource, Found, HardwareSource, find_accuracy, find_hardware
from optuna_ofa.exceptions import InvalidArgumentError, OptunaOFAError, StudyMismatchError
from optuna_ofa.problem import Keep, Metric, Parameters
from optuna_ofa.space import ChoiceTable, Family
from optuna_ofa.storage import open_existing, open_storage
from optuna_ofa.studies._making import (
    make_or_find,
    open_study,
    problem_of,
    require_one_source,
    samplers_of,
)
from optuna_ofa.studies._stored import (
    ARGUMENTS,
    Stored,
    existing_name,
    read_stored,
    remember_predictors,
    unknown_predictor,
)
from optuna_ofa.studies._study import SubnetStudy


@checked
def load_study(
    study_name: Text | None = None,
    storage: StorageUrl | BaseStorage | None = None,
    *,
    hardware: HardwareSource | None = None,
    accuracy: AccuracySource | None = None,
    predictors: Sequence[Metric] = (),
    sampler: BaseSampler | None = None,
    seed: Seed | None = None,
    learn: bool | None = None,
    keep: Keep = "all",
    parameters: Parameters = "all",
) -> SubnetStudy:
    """Open a study that `optuna_ofa.study` created; its name is enough.

    Space, objectives, constraints, board, caution and ``learn=True`` are read from the storage, as
    are predictors that were given by name or file; other predictors are not stored. Without them
    the study can still be read: `SubnetStudy.front`, `plot_front`, `report`, `publish` and
    everything else that shows results. Methods that need predictions, such as `search`, then name
    the missing argument.

    Args:
        study_name: Its name; None opens the only study in the storage.
        storage: An existing Optuna storage, or its URL. No database is created.
        hardware: The device, as in `optuna_ofa.study`, if the storage does not name it.
        accuracy: The accuracy predictor, as there.
        predictors: Custom metrics with their predictors, as there.
        sampler: As there, like all further arguments.
        seed: As there.
        learn: As there; None learns if the study was created with ``learn=True`` and no ``sampler``
            is given.
        keep: As there.
        parameters: As there.

    Raises:
        InvalidArgumentError: If there is no such storage or study, there are several studies and
            no name, or an argument breaks a rule.
        MissingDependencyError: If the driver of the storage's database is not installed.
        StorageError: If the database cannot be reached.
        StudyMismatchError: If the study was not created by `optuna_ofa.study`, or a given
            predictor differs from the one it was searched with.
    """
    require_one_source(sampler, seed, bool(learn))
    store = _existing(storage)
    name = existing_name(store, study_name, shown_storage(storage))
    stored = read_stored(store, name)
    given = {"top1": (find_accuracy, accuracy), "latency_ms": (find_hardware, hardware)}
    found = {
        metric: _found(metric, *of, stored)
        for metric, of in given.items()
        if metric in (*stored.objectives, *stored.constraints)
    }
    problem = problem_of(
        stored.space,
        stored.objectives,
        stored.constraints,
        found,
        _with_stored(predictors, stored),
        stored.caution,
        stored.board,
    )
    make_or_find(problem, store, name, load_if_exists=True)  # refuses other predictors
    if learn is None:
        learn = stored.learns and sampler is None
    samplers = samplers_of(problem, sampler, seed, learn)
    made = open_study(problem, store, name, samplers, keep, parameters, seed)
    remember_predictors(made, hardware=hardware, accuracy=accuracy)
    return made


def _existing(storage: str | BaseStorage | None) -> BaseStorage:
    if storage is None:
        raise InvalidArgumentError(
            "`storage` must be an existing Optuna storage or its URL, but got None."
        )
    return open_existing(storage) if isinstance(storage, str) else open_storage(storage)


def _found(
    metric: str, find: Callable[[Any, Family | ChoiceTable], Found], given: object, stored: Stored
) -> Found:
    """Return a predictor or table: the given one, or the stored one if it is unchanged.

    Raises:
        StudyMismatchError: If the given one predicts other values.
    """
    argument = ARGUMENTS[metric]
    if given is not None:
        found = find(given, stored.space.table)
        if not _is_same(metric, found, stored):
            raise StudyMismatchError(
                f"`{argument}` must be what the study was searched with, whose predictions of "
                f"{metric} for the smallest and the largest subnet are "
                f"{stored.predictions[metric]}, but those of {given!r:.100} differ."
            )
        return found
    source = stored.predictors.get(argument)
    reason = ""
    try:
        found = find(source, stored.space.table)
        if _is_same(metric, found, stored):
            return found
        if source is not None:
            reason = f"{source!r} has changed"
    except OptunaOFAError as error:  # it is missing, or for another family
        if source is not None:
            reason = f"{source!r} can no longer be read ({error})"
    return unknown_predictor(metric, stored.space, reason)


def _is_same(metric: str, found: Found, stored: Stored) -> bool:
    """Return whether predictions for the smallest and the largest subnet are those stored."""
    caution = stored.caution if metric == "top1" else 0.0
    described = problem_of(stored.space, [metric], {}, {metric: found}, (), caution).describe()
    return bool(described["predictions"][metric] == stored.predictions[metric])


def _with_stored(given: Sequence[Metric], stored: Stored) -> list[Metric]:
    """Return the custom metrics of a stored study, with the given predictors.

    Raises:
        InvalidArgumentError: If one is not a metric of the study.
    """
    by_name = {metric.name: metric for metric in given}
    own = {metric.name: metric for metric in stored.own}
    for name, metric in by_name.items():
        if metric != own.get(name):
            raise InvalidArgumentError(
                f"`predictors` must be metrics of the study, {[*own.values()]}, but got {metric}."
            )
    missing = own.keys() - by_name.keys() - stored.measured_only
    return [
        replace(of, predictor=unknown_predictor(m, stored.space))
        if m in missing
        else by_name.get(m, of)
        for m, of in own.items()
    ]
