"""Measuring the predicted front: what `SubnetStudy.verify` does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    InvalidArgumentError,
    MeasurementError,
    OptunaOFAError,
)
from optuna_ofa.fronts import Front, FrontPoint, find_front, spread
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import MEASURED, Problem, describe
from optuna_ofa.space import Matrix, Subnet
from optuna_ofa.verification._meter import FunctionMeter, Meter, Readings
from optuna_ofa.verification._trials import (
    Known,
    key,
    numbers_of_measured,
    predictions,
    read,
    write,
)
from optuna_ofa.verification._verification import Verification, VerifiedPoint

if TYPE_CHECKING:
    from optuna_ofa.studies import SubnetStudy

Measure = Meter | Callable[[Subnet], Any]


def verify(
    study: SubnetStudy, measure: Mapping[str, Measure], points: Points, progress: bool | None
) -> Verification:
    """Measure what is not measured yet, and compare; see `SubnetStudy.verify`."""
    meters = _meters(study.problem, measure)
    matrix = chosen(study, points)
    done = numbers_of_measured(study)
    missing = matrix[[key(row) not in done for row in matrix]]
    work = _Work(study, meters)
    hidden = None if progress is None else not progress
    with tqdm(total=len(missing), disable=hidden, unit="subnet", desc="verify") as bar:
        size = max(meter.n_together for meter in meters.values())
        for start in range(0, len(missing), size):
            part = missing[start : start + size]
            work.run(part)
            bar.update(len(part))
            if work.stopped is not None:
                raise _stopped(work, len(missing)) from work.stopped
    if work.failures:
        _warn(work.failures, len(missing))
    return _collected(study, meters, matrix, work)


class _Work:
    """The subnets that a call measures.

    Args:
        study: The study, to which those with all objectives are written.
        meters: What measures, by metric.
    """

    def __init__(self, study: SubnetStudy, meters: Mapping[str, Meter]) -> None:
        self._study, self._meters = study, meters
        self._storage = None if study._tables is None else study
        # what takes the most for a batch first; functions that may lose their device last
        self._order = sorted(meters, key=lambda m: isinstance(meters[m], FunctionMeter))
        self.found: dict[bytes, Known] = {}
        self.failures: dict[Subnet, str] = {}
        self.stopped: Exception | None = None
        self.stopped_at = ""

    def run(self, matrix: Matrix) -> None:
        """Measure some subnets and write those that are complete."""
        problem = self._study.problem
        rows = [Known(*p, {}, {}) for p in predictions(problem, matrix)]
        exact = exact_metrics(problem, self._meters)
        rows = [row._replace(measured={m: row.predicted[m] for m in exact}) for row in rows]
        good = np.arange(len(matrix))
        for metric in self._order:
            if not len(good):
                break
            readings = self._readings(metric, matrix[good])
            self._note(readings, matrix[good])
            for i, value, std in zip(good, readings.values, readings.std, strict=True):
                if np.isfinite(value):
                    rows[i] = _with(rows[i], metric, float(value), float(std))
            good = good[np.isfinite(readings.values)]
            if readings.stopped is not None:
                self.stopped, self.stopped_at = readings.stopped, metric
        objectives = set(problem.objectives)
        complete = [i for i in good.tolist() if objectives <= set(rows[i].measured)]
        self.found |= {key(matrix[i]): rows[i] for i in good.tolist()}
        if complete:
            write(self._study, matrix[complete], [rows[i] for i in complete])

    def _readings(self, metric: str, matrix: Matrix) -> Readings:
        try:
            with warnings.catch_warnings():  # said once, at the end
                warnings.simplefilter("ignore", FailedMeasurementWarning)
                found = self._meters[metric].measure(self._study.space, matrix, self._storage)
        except OptunaOFAError:
            raise
        except Exception as error:
            return Readings.nothing(len(matrix), error)
        if found.values.shape != (len(matrix),) or found.std.shape != (len(matrix),):
            raise InvalidArgumentError(
                f"`measure[{metric!r}]` must give a value and a standard deviation for each of "
                f"{len(matrix)} subnets, but gave {found.values.shape} and {found.std.shape}."
            )
        return found

    def _note(self, readings: Readings, matrix: Matrix) -> None:
        if readings.failures:
            subnets = self._study.space.from_matrix(matrix)
            self.failures |= {subnets[i]: reason for i, reason in readings.failures.items()}


def exact_metrics(problem: Problem, measured: Mapping[str, object]) -> list[str]:
    """Metrics of a problem that are computed, unless they are measured."""
    return [
        m
        for m in problem.metrics
        if m not in measured and isinstance(problem.predictors[m], CostPredictor)
    ]


def _meters(problem: Problem, measure: Mapping[str, Measure]) -> dict[str, Meter]:
    unknown = [m for m in measure if m not in problem.metrics]
    if unknown or not measure:
        raise InvalidArgumentError(
            f"`measure` must say how to measure at least one of {', '.join(problem.metrics)}, but "
            f"got {unknown[0] if unknown else 'nothing'!r}."
        )
    return {
        m: meter if isinstance(meter, Meter) else FunctionMeter(m, meter)
        for m, meter in measure.items()
    }


def _with(row: Known, metric: str, value: float, std: float) -> Known:
    spread = {metric: std} if np.isfinite(std) else {}
    return row._replace(
        measured={**row.measured, metric: value}, measured_std={**row.measured_std, **spread}
    )


def _stopped(work: _Work, n: int) -> Exception:
    error = work.stopped
    assert error is not None
    if isinstance(error, OptunaOFAError):
        return error
    return MeasurementError(
        f"`measure[{work.stopped_at!r}]` stopped after {len(work.found)} of {n} subnets: "
        f"{describe(error)}. What was measured is kept; call `verify` again to go on."
    )


def _warn(failures: Mapping[Subnet, str], n: int) -> None:
    subnet, reason = next(iter(failures.items()))
    warnings.warn(
        f"{len(failures)} of {n} subnets could not be measured, the first of them {subnet}: "
        f"{reason}. They are no trials; the next call tries them again.",
        FailedMeasurementWarning,
        stacklevel=4,
    )


def _collected(
    study: SubnetStudy, meters: Mapping[str, Meter], matrix: Matrix, work: _Work
) -> Verification:
    problem = study.problem
    numbers = numbers_of_measured(study)
    exact = exact_metrics(problem, meters)
    points = []
    for row, subnet in zip(matrix, study.space.from_matrix(matrix), strict=True):
        number = numbers.get(key(row))
        known = work.found.get(key(row))
        if known is None and number is not None:
            known = read(study, study.space, number, exact)
        if known is not None:
            points.append(VerifiedPoint(subnet, *known, number))
    metrics = [
        m for m in problem.metrics if m not in exact and any(m in p.measured for p in points)
    ]
    return Verification(tuple(metrics or meters), tuple(points), _front(study), dict(work.failures))


def _front(study: SubnetStudy) -> Front:
    measured = study.results(kind=MEASURED)
    if not measured.feasible.any():
        return Front([], study.problem.objectives)
    return find_front(study.problem, measured, MEASURED)


Points = int | Iterable[FrontPoint | Subnet] | None


def chosen(study: SubnetStudy, points: Points) -> Matrix:
    """The genotypes of the points, each once, ``(n, n_genes)``; see `SubnetStudy.verify`.

    Raises:
        EmptyFrontError: If the predicted front is needed and empty.
        InvalidArgumentError: If ``points`` is no positive number and no subnets.
        InvalidSubnetError: If one is not of the study's space.
    """
    space = study.space
    if points is None or isinstance(points, int | np.integer):
        return space.to_matrix([p.subnet for p in _of_front(study, points)])
    subnets = [p.subnet if isinstance(p, FrontPoint) else p for p in points]
    wrong = [s for s in subnets if not isinstance(s, Subnet)]
    if wrong or not subnets:
        got = repr(wrong[0]) if wrong else "none"
        raise InvalidArgumentError(
            f"`points` must be a number of points, or points of a front or subnets, at least one, "
            f"but got {got}."
        )
    matrix = space.canonicalize(space.to_matrix(subnets))
    _, first = np.unique(matrix, axis=0, return_index=True)
    return matrix[np.sort(first)]


def _of_front(study: SubnetStudy, n: int | None) -> list[FrontPoint]:
    """All of the predicted front, or ``n`` far from each other, the same in every call."""
    if n is not None and (isinstance(n, bool) or n < 1):
        raise InvalidArgumentError(f"`points` must be at least 1, but got {n!r}.")
    front = study.front(kind="predicted")
    if n is None or n >= len(front):
        return list(front)
    values = np.array([[p.values[m] for m in front.objectives] for p in front])
    nothing = np.empty(0, dtype=np.intp)
    free = np.ones(len(front), dtype=bool)
    picked = spread(values * study.problem.signs, np.arange(len(front)), free, nothing, int(n))
    return [front[i] for i in sorted(picked.tolist())]
