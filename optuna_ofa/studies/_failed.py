"""Trials of subnets for which a predictor raised."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Sequence

from optuna.study import Study
from optuna.trial import TrialState

from optuna_ofa._errors import FailedPredictionWarning, PredictionError
from optuna_ofa.space._space import Matrix
from optuna_ofa.studies._problem import Attempt, Problem
from optuna_ofa.studies._results import PREDICTED
from optuna_ofa.studies.storage._trials import templates


def add_failed(
    study: Study, problem: Problem, matrix: Matrix, attempt: Attempt, started: datetime.datetime
) -> None:
    """Add the trials of a batch that a predictor has failed for, if any, and say so.

    Their user attribute ``error`` says type and message of what was raised.

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
    attributes = [{"kind": PREDICTED, "error": describe(error)} for error in errors]
    failed = matrix[~attempt.done]
    study.add_trials(templates(problem.space, failed, TrialState.FAIL, attributes, started))
    if len(errors) == len(matrix):
        raise PredictionError(
            f"A predictor failed for all {len(matrix)} subnets of a batch; the first error is "
            f"{describe(errors[0])}"
        ) from errors[0]
    warn_failed(errors, len(matrix))


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
