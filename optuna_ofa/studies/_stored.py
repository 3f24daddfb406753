"""The stored description of a study, with which its name is enough to open it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import BaseStorage

from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.data import Board, known_boards
from optuna_ofa.exceptions import InvalidArgumentError, StudyMismatchError
from optuna_ofa.predictors import MissingPredictor
from optuna_ofa.problem import DESCRIPTION, Metric, is_number, shown
from optuna_ofa.space import SearchSpace, restored_space, table_from_json
from optuna_ofa.storage import storage_errors, study_names

# User attribute of a study: the names or files of its predictors, for the next process.
PREDICTORS = "optuna_ofa:predictors"
_LEARNS = "optuna_ofa:learn"  # as such an attribute: whether it was created to learn
ARGUMENTS = {"top1": "accuracy", "latency_ms": "hardware"}


def unknown_predictor(metric: str, space: SearchSpace, reason: str = "") -> MissingPredictor:
    """Return a stand-in for a predictor that is not in the study's storage.

    The study's trials can be read; to continue the search, the predictor must be given. The error
    of the stand-in names the argument of `optuna_ofa.load_study`.

    Args:
        metric: The metric that it would predict.
        space: The study's space.
        reason: Why it is unknown; empty if the storage has no name or file of it.
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
        own: The custom metrics, without predictors.
        measured_only: The names of custom metrics that are only measured.
        caution: Number of standard deviations by which predicted accuracies are lowered.
        predictions: Predictions for the smallest and the largest subnet, by metric.
        predictors: Names or paths of predictors, by ``"hardware"`` and ``"accuracy"``.
        board: The microcontroller whose memories are among the constraints.
        learns: Whether it was created to learn from measurements.
    """

    space: SearchSpace
    objectives: list[str]
    constraints: dict[str, float]
    own: list[Metric]
    measured_only: frozenset[str]
    caution: float
    predictions: Mapping[str, Sequence[float | None]]
    predictors: Mapping[str, str]
    board: Board | None
    learns: bool


def existing_name(store: BaseStorage, study_name: str | None, shown: str) -> str:
    """Return the name of an existing study: the given one, or the only one.

    Args:
        store: The storage.
        study_name: The name; None for the only study.
        shown: The storage as text, for messages.

    Raises:
        InvalidArgumentError: If there is no such study, or there are several and no name.
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
    """Read the description of a study.

    Raises:
        StorageError: If the description was damaged.
        StudyMismatchError: If the study was not created by `optuna_ofa.study`.
    """
    attributes = optuna.load_study(study_name=study_name, storage=store).user_attrs
    if DESCRIPTION not in attributes:
        raise StudyMismatchError(
            f"`study_name` must be the name of a study created by optuna_ofa, but {study_name!r} "
            f"is not."
        )
    with storage_errors(store):
        return parse(attributes, study_name)


def parse(attributes: Mapping[str, Any], study_name: str) -> Stored:
    """Return the description of a study among its user attributes.

    Raises:
        Exception: Of any kind, if it was damaged.
    """
    described: Mapping[str, Any] = attributes[DESCRIPTION]
    table = table_from_json(described["family"], f"the study {study_name!r}")
    objectives, constraints = list(described["objectives"]), dict(described["constraints"])
    predictions = dict(described["predictions"])
    predictors = dict(attributes.get(PREDICTORS, {}))
    boards, board = {of.name: of for of in known_boards()}, described.get("board")
    _require("board" not in described or board in boards, "board", board)
    _require(all(map(is_number, constraints.values())), "constraints", constraints)
    _require({*objectives, *constraints} == predictions.keys(), "predictions", predictions)
    for name, ends in predictions.items():
        numbers = all(end is None or is_number(end) for end in ends)
        _require(isinstance(ends, list) and numbers and len(ends) == 2, name, ends)
    for argument, source in predictors.items():
        _require(isinstance(source, str) and source != "", argument, source)
    return Stored(
        space=restored_space(table, described["choices"]),
        objectives=objectives,
        constraints=constraints,
        own=[Metric(name, **of) for name, of in described.get("metrics", {}).items()],
        measured_only=unpredicted(described) & set(described.get("metrics", ())),
        caution=float(described.get("caution", {}).get("top1", 0.0)),
        predictions=predictions,
        predictors=predictors,
        board=boards[board] if board else None,
        learns=attributes.get(_LEARNS) is True,
    )


def _require(is_sound: bool, name: str, value: object) -> None:
    """Refuse a part of a description that `Problem.describe` would not write."""
    if not is_sound:
        raise ValueError(f"{name!r} of its description is {shown(value)}")


def unpredicted(described: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the metrics without predictions in a description."""
    predictions = described["predictions"].items()
    return frozenset(name for name, ends in predictions if all(end is None for end in ends))


def remember_learning(study: optuna.Study) -> None:
    """Write to a study that it learns from measurements."""
    if study.user_attrs.get(_LEARNS) is not True:
        study.set_user_attr(_LEARNS, True)


def remember_predictors(study: optuna.Study, **sources: object) -> None:
    """Write the names of predictors to a study; files by their absolute paths."""
    given = {name: of for name, of in sources.items() if isinstance(of, str | Path)}
    whole = {
        n: str(Path(of).resolve()) if Path(of).exists() else str(of) for n, of in given.items()
    }
    known = study.user_attrs.get(PREDICTORS)
    known = known if isinstance(known, dict) else {}
    if known != {**known, **whole}:
        study.set_user_attr(PREDICTORS, {**known, **whole})
