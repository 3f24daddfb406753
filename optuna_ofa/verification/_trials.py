"""Measured subnets as trials of a study: written, and read back with their predictions."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from optuna_ofa.fronts import Findings
from optuna_ofa.problem import (
    MEASURED,
    MEASURED_BY,
    MEASURED_IMAGES,
    MEASURED_STD,
    PREDICTION,
    PREDICTION_STD,
    Evaluated,
    Problem,
    numbers_by_name,
)
from optuna_ofa.space import Matrix, keys_of
from optuna_ofa.storage import Store

_ON_FITTED = "measured_on_fitted"  # user attribute of a trial
Numbers = Mapping[str, float]


class Known(NamedTuple):
    """The known numbers of one subnet.

    Args:
        predicted: Predictions by metric.
        predicted_std: Their standard deviations, of those that have one.
        measured: Measurements and exact costs by metric.
        measured_std: Standard deviations, of those that have one.
        measured_by: Everything except the subnet that a measurement depends on, by metric.
        on_fitted: Measurements on the images that a predictor was fitted on, by metric.
        n_images: Number of images of those metrics that were measured on images.
    """

    predicted: Numbers
    predicted_std: Numbers
    measured: Numbers
    measured_std: Numbers
    measured_by: Mapping[str, Mapping[str, Any]]
    on_fitted: Numbers
    n_images: Mapping[str, int]


def write(
    problem: Problem,
    store: Store,
    matrix: Matrix,
    rows: Sequence[Known],
    began: datetime.datetime,
    attributes: Mapping[str, Any],
) -> None:
    """Add finished trials of subnets whose objectives are all measured or exact.

    For constrained metrics that are not measured, the predictions are used.

    Args:
        problem: The problem.
        store: The trials of the study.
        matrix: ``(n, n_genes)`` the subnets.
        rows: The numbers of each.
        began: When their measurement began, in local time.
        attributes: More user attributes of all of them.
    """
    metrics = [{**row.predicted, **row.measured} for row in rows]
    excess = [
        [float(problem.excess(m, np.array(of[m]))) for m in problem.constraints] for of in metrics
    ]
    measured = Evaluated.of(
        matrix,
        np.array([[row.measured[m] for m in problem.objectives] for row in rows]),
        np.array(excess).reshape(len(rows), len(problem.constraints)),
        kind=MEASURED,
    )
    notes = [
        {
            **attributes,
            PREDICTION: row.predicted,
            PREDICTION_STD: row.predicted_std,
            MEASURED_STD: row.measured_std,
            MEASURED_BY: {metric: dict(setup) for metric, setup in row.measured_by.items()},
            **({_ON_FITTED: row.on_fitted} if row.on_fitted else {}),
            **({MEASURED_IMAGES: row.n_images} if row.n_images else {}),
        }
        for row in rows
    ]
    store.add_complete(measured, notes, (began, datetime.datetime.now()))


def numbers_of_measured(found: Findings) -> dict[int, int]:
    """Return the number of the last measured trial of each subnet, by its key."""
    measured = found.results(kind=MEASURED)
    return dict(zip(measured.keys.tolist(), measured.numbers.tolist(), strict=True))


def read(problem: Problem, store: Store, one: Evaluated, exact: Sequence[str]) -> Known:
    """Return the numbers of a measured trial; missing predictions are computed.

    Args:
        problem: The problem.
        store: The trials of the study.
        one: The trial.
        exact: Metrics that are computed.
    """
    (note,) = store.notes(one.numbers.tolist())
    now, now_std = problem.named(problem.evaluate(one.matrix))[0]
    then = note.get(PREDICTION)
    std = now_std if then is None else note.get(PREDICTION_STD, {})
    measured = dict(zip(problem.objectives, one.values[0].tolist(), strict=True))
    return Known(
        {**now, **(then or {})},
        std,
        {**{m: now[m] for m in exact}, **measured},
        note.get(MEASURED_STD, {}),
        note.get(MEASURED_BY, {}),
        numbers_by_name(note.get(_ON_FITTED)),
        {m: int(n) for m, n in numbers_by_name(note.get(MEASURED_IMAGES)).items()},
    )


def key(row: Matrix) -> int:
    """Return the key of one genotype, ``(n_genes,)``."""
    return int(keys_of(row[None])[0])
