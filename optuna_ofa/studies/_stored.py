"""What a study in a database says of itself, so that its name is enough to open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import BaseStorage

from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import MissingPredictor
from optuna_ofa.problem import DESCRIPTION, Metric
from optuna_ofa.space import SearchSpace, family_from_json, space_of_choices
from optuna_ofa.storage import study_names

# User attribute of a study: the names or files of its predictors, for the next process.
PREDICTORS = "optuna_ofa:predictors"
ARGUMENTS = {"top1": "accuracy", "latency_ms": "hardware"}


def unknown_predictor(metric: str, space: SearchSpace, reason: str = "") -> MissingPredictor:
    """Return the predictor of a study whose storage does not have it.

    The study's trials can be read; to search on, the predictor has to be given. Its error says
    which argument of `optuna_ofa.load_study` to give.

    Args:
        metric: What it would predict.
        space: The study's space.
        reason: Why it is not known; empty where the storage does not say where it is.
    """
    argument = ARGUMENTS.get(metric)
    if argument is None:
        must = f"`predictors` must have the Metric {metric!r} with its predictor"
    else:
        must = f"`{argument}` must be given"
    reason = reason or "the storage does not say where its predictor is"
    return MissingPredictor(
        metric, space, f"{must} to predict {metric}, because {reason}, but got None."
    )


class Stored(NamedTuple):
    """The description of a study in a database.

    Args:
        space: Its space.
        objectives: Its objectives.
        constraints: Its constraints.
        own: The metrics of the user's own, without predictors.
        measured_only: The names of those that are only measured.
        caution: The standard deviations that predicted accuracies were lowered by.
        predictions: What its predictors say of the smallest and the largest subnet, by metric.
        predictors: Names or paths of predictors, by ``"hardware"`` and ``"accuracy"``.
    """

    space: SearchSpace
    objectives: list[str]
    constraints: dict[str, float]
    own: list[Metric]
    measured_only: frozenset[str]
    caution: float
    predictions: Mapping[str, Sequence[float | None]]
    predictors: Mapping[str, str]


def existing_name(store: BaseStorage, study_name: str | None, shown: str) -> str:
    """Return the name of a study that exists: the one that is given, or the only one.

    Args:
        store: The storage.
        study_name: The name; None takes the only study.
        shown: The storage in words, for messages.

    Raises:
        InvalidArgumentError: If there is no such study, or several and no name.
    """
    names = study_names(store)
    if not names:
        raise InvalidArgumentError(f"`storage` must have a study, but {shown} is empty.")
    if study_name is None and len(names) > 1:
        raise InvalidArgumentError(
            f"`study_name` must be given, because {shown} has several: {', '.join(names)}."
        )
    if study_name is not None and study_name not in optuna.get_all_study_names(store):
        raise InvalidArgumentError(
            f"`study_name` must be one of {', '.join(names)}, but got {study_name!r}"
            f"{did_you_mean(study_name, names)}"
        )
    return study_name or names[0]


def read_stored(store: BaseStorage, study_name: str) -> Stored:
    """Read what a study says of itself.

    Raises:
        StudyMismatchError: If `optuna_ofa.study` did not make it.
    """
    attributes = optuna.load_study(study_name=study_name, storage=store).user_attrs
    if DESCRIPTION not in attributes:
        raise StudyMismatchError(
            f"`study_name` must be of a study that optuna_ofa made, but {study_name!r} was not "
            f"made by it."
        )
    described: Mapping[str, Any] = attributes[DESCRIPTION]
    family = family_from_json(described["family"], f"the study {study_name!r}")
    return Stored(
        space=space_of_choices(family, described["choices"]),
        objectives=list(described["objectives"]),
        constraints=dict(described["constraints"]),
        own=[Metric(name, **of) for name, of in described.get("metrics", {}).items()],
        measured_only=unpredicted(described) & set(described.get("metrics", ())),
        caution=float(described.get("caution", {}).get("top1", 0.0)),
        predictions=dict(described["predictions"]),
        predictors=attributes.get(PREDICTORS, {}),
    )


def unpredicted(described: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the metrics that a study was described without predictions of."""
    predictions = described["predictions"].items()
    return frozenset(name for name, ends in predictions if all(end is None for end in ends))


def remember_predictors(study: optuna.Study, **sources: object) -> None:
    """Write the names of predictors to a study; files by their whole paths."""
    given = {name: of for name, of in sources.items() if isinstance(of, str | Path)}
    whole = {
        n: str(Path(of).resolve()) if Path(of).exists() else str(of) for n, of in given.items()
    }
    known = study.user_attrs.get(PREDICTORS, {})
    if known != {**known, **whole}:
        study.set_user_attr(PREDICTORS, {**known, **whole})
