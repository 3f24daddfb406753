"""Trials of subnets for which a predictor raised."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from optuna_ofa._errors import FailedPredictionWarning, PredictionError
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Attempt, Problem
from optuna_ofa.studies._subnet_attr import subnet_dicts


def add_failed(
    study: Study, problem: Problem, matrix: Matrix, attempt: Attempt, started: datetime.datetime
) -> None:
    """Add the trials of a batch that a predictor has failed for, if any, and say so.

    Args:
        study: The study.
        problem: What is searched for.
        matrix: ``(n, n_genes)`` all genotypes of the batch.
        attempt: What came of it.
        started: When the batch was started.

    Raises:
        PredictionError: If all of them failed; their trials are added before.
    """
    errors = attempt.errors
    if not errors:
        return
    study.add_trials(failed_trials(problem, matrix[~attempt.done], errors, started))
    if len(errors) == len(matrix):
        raise PredictionError(
            f"A predictor failed for all {len(matrix)} subnets of a batch; the first error is "
            f"{describe(errors[0])}"
        ) from errors[0]
    warn_failed(errors, len(matrix))


def failed_trials(
    problem: Problem, matrix: Matrix, errors: Sequence[Exception], started: datetime.datetime
) -> list[FrozenTrial]:
    """Failed trials, without their numbers, for `optuna.Study.add_trials`.

    The user attribute ``error`` says type and message of what was raised.

    Args:
        problem: What was searched for.
        matrix: ``(n, n_genes)`` canonical genotypes.
        errors: What was raised for each.
        started: When the batch was started.
    """
    rows = zip(
        subnet_dicts(problem.space.family, matrix),
        problem.space.to_params(matrix),
        errors,
        strict=True,
    )
    completed = datetime.datetime.now()
    return [
        FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.FAIL,
            value=None,
            datetime_start=started,
            datetime_complete=completed,
            params=dict(params),
            distributions=dict(problem.space.distributions),
            user_attrs={"subnet": subnet, "kind": "predicted", "error": describe(error)},
            system_attrs={},
            intermediate_values={},
        )
        for subnet, params, error in rows
    ]


def warn_failed(errors: Sequence[Exception], n_all: int) -> None:
    """Say that predictions have failed, how many, and why the first did."""
    warnings.warn(
        f"A predictor failed for {len(errors)} of {n_all} subnets, which are not proposed again; "
        f"the first error is {describe(errors[0])}",
        FailedPredictionWarning,
        stacklevel=2,
    )


def describe(error: Exception) -> str:
    """Type and message of an error."""
    return f"{type(error).__name__}: {error}"
