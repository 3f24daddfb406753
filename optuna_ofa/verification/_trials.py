"""Measured subnets as trials of a study: written, and read back with what was predicted."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from optuna.trial import TrialState

from optuna_ofa.problem import MEASURED, Problem, system_attributes
from optuna_ofa.space import Matrix, SearchSpace
from optuna_ofa.storage import templates

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

# user attributes of a trial
_PREDICTED, _PREDICTED_STD, _MEASURED_STD = "predicted", "predicted_std", "measured_std"
Numbers = Mapping[str, float]


class Known(NamedTuple):
    """What is known of one subnet.

    Args:
        predicted: Predictions by metric.
        predicted_std: Their standard deviations, of those that have one.
        measured: Measurements and exact costs by metric.
        measured_std: Standard deviations, of those that have one.
    """

    predicted: Numbers
    predicted_std: Numbers
    measured: Numbers
    measured_std: Numbers


def predictions(problem: Problem, matrix: Matrix) -> list[tuple[Numbers, Numbers]]:
    """What is predicted of each subnet, and the standard deviations, by metric.

    Raises:
        PredictionError: If a predictor returns something that is no number.
    """
    result = problem.evaluate(matrix)
    values = dict(zip(problem.objectives, result.values.T, strict=True))
    for metric, excess in zip(problem.constraints, result.constraints.T, strict=True):
        values.setdefault(metric, problem.from_excess(metric, excess))
    found = {m: problem.predictors[m].predict_std(matrix) for m in problem.metrics}
    std = {m: s for m, s in found.items() if s is not None}
    return [(_row(values, i), _row(std, i)) for i in range(len(matrix))]


def _row(columns: Mapping[str, NDArray[np.float64]], i: int) -> dict[str, float]:
    """Row ``i`` of several columns, without those that are NaN there."""
    return {m: float(c[i]) for m, c in columns.items() if np.isfinite(c[i])}


def write(study: SubnetStudy, matrix: Matrix, rows: Sequence[Known]) -> None:
    """Add finished trials of subnets whose objectives are all measured or exact.

    Of constrained metrics that are not measured the predictions count.
    """
    problem = study.problem
    attributes = [
        {
            "kind": MEASURED,
            _PREDICTED: row.predicted,
            _PREDICTED_STD: row.predicted_std,
            _MEASURED_STD: row.measured_std,
        }
        for row in rows
    ]
    now = datetime.datetime.now()
    trials = templates(problem.space, matrix, TrialState.COMPLETE, attributes, now)
    for trial, row in zip(trials, rows, strict=True):
        trial.values = [row.measured[m] for m in problem.objectives]
        metrics = {**row.predicted, **row.measured}
        trial.system_attrs = system_attributes(
            {m: float(problem.excess(m, np.array(metrics[m]))) for m in problem.constraints}
        )
    study.add_trials(trials)


def numbers_of_measured(study: SubnetStudy) -> dict[bytes, int]:
    """Number of the last measured trial of each subnet, by `key`."""
    found = study.results(kind=MEASURED)
    return {
        key(row): number for row, number in zip(found.matrix, found.numbers.tolist(), strict=True)
    }


def key(row: NDArray[np.int16]) -> bytes:
    """What a genotype is found by."""
    return row.tobytes()


def read(study: SubnetStudy, space: SearchSpace, number: int, exact: Sequence[str]) -> Known:
    """What a measured trial says; what it has no predictions for is predicted now.

    Args:
        study: The study.
        space: Its space.
        number: The trial's number.
        exact: Metrics that are computed.
    """
    storage = study._storage
    trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    trial = storage.get_trial(trial_id)
    attributes = trial.user_attrs
    matrix = space.from_params([trial.params])
    now, now_std = predictions(study.problem, matrix)[0]
    then = attributes.get(_PREDICTED)
    std = now_std if then is None else attributes.get(_PREDICTED_STD, {})
    assert trial.values is not None
    measured = dict(zip(study.problem.objectives, trial.values, strict=True))
    return Known(
        {**now, **(then or {})},
        std,
        {**{m: now[m] for m in exact}, **measured},
        attributes.get(_MEASURED_STD, {}),
    )
