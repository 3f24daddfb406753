"""Opening studies that exist: `optuna_ofa.load_study`."""

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
from optuna_ofa.problem import Keep, Metric
from optuna_ofa.space import Family
from optuna_ofa.storage import open_existing, open_storage, storage_errors
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
    learn: bool = False,
    keep: Keep = "all",
) -> SubnetStudy:
    """Open a study that `optuna_ofa.study` made, by its name alone.

    Space, objectives, constraints and caution are those of the study. So are the predictors that
    were given by name or file; others are not in the storage. Without them the study can be read:
    `SubnetStudy.front`, `plot_front`, `report`, `publish` and all else that shows what was found.
    What has to predict, such as `search`, then says which argument is missing here.

    Args:
        study_name: Its name; None takes the only study of the storage.
        storage: An Optuna storage that exists, or its URL. No database is made.
        hardware: The device, as in `optuna_ofa.study`, where the storage does not say it.
        accuracy: The accuracy predictor, as there.
        predictors: The metrics of your own with their predictors, as there.
        sampler: As there, like all that follow.
        seed: As there.
        learn: As there.
        keep: As there.

    Raises:
        InvalidArgumentError: If there is no such storage or study, or several studies and no
            name; or an argument breaks a rule.
        MissingDependencyError: If the driver of the storage's database is not installed.
        StorageError: If the database cannot be reached.
        StudyMismatchError: If the study was not made by `optuna_ofa.study`, or a predictor that is
            given is another one than it was searched with.
    """
    require_one_source(sampler, seed, learn)
    store = _existing(storage)
    with storage_errors(storage):
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
        )
        make_or_find(problem, store, name, load_if_exists=True)  # refuses other predictors
        made = open_study(
            problem, store, name, samplers_of(problem, sampler, seed, learn), keep, seed
        )
        remember_predictors(made, hardware=hardware, accuracy=accuracy)
        return made


def _existing(storage: str | BaseStorage | None) -> BaseStorage:
    if storage is None:
        raise InvalidArgumentError(
            "`storage` must be an Optuna storage that exists or its URL, but got None."
        )
    return open_existing(storage) if isinstance(storage, str) else open_storage(storage)


def _found(
    metric: str, find: Callable[[Any, Family], Found], given: object, stored: Stored
) -> Found:
    """Return a predictor or table: as given, or as the storage says, if it is still the same.

    Raises:
        StudyMismatchError: If one that is given predicts something else.
    """
    argument = ARGUMENTS[metric]
    if given is not None:
        found = find(given, stored.space.family)
        if not _is_same(metric, found, stored):
            raise StudyMismatchError(
                f"`{argument}` must be what the study was searched with, whose predictions of "
                f"{metric} for the smallest and the largest subnet are "
                f"{stored.predictions[metric]}, but those of {given!r:.100} are others."
            )
        return found
    source = stored.predictors.get(argument)
    reason = ""
    try:
        found = find(source, stored.space.family)
        if _is_same(metric, found, stored):
            return found
        if source is not None:
            reason = f"{source!r} is another one now"
    except OptunaOFAError as error:  # it is not there any more, or of something else
        if source is not None:
            reason = f"{source!r} cannot be read any more ({error})"
    return unknown_predictor(metric, stored.space, reason)


def _is_same(metric: str, found: Found, stored: Stored) -> bool:
    """Return whether a predictor says the same of the smallest and the largest subnet."""
    caution = stored.caution if metric == "top1" else 0.0
    described = problem_of(stored.space, [metric], {}, {metric: found}, (), caution).describe()
    return bool(described["predictions"][metric] == stored.predictions[metric])


def _with_stored(given: Sequence[Metric], stored: Stored) -> list[Metric]:
    """Return the own metrics of a stored study, with the predictors that are given.

    Raises:
        InvalidArgumentError: If one is not of the study.
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
