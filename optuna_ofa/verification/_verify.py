"""Verification of a predicted front: its subnets are measured and compared."""

from __future__ import annotations

import contextlib
import datetime
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from optuna_ofa._arguments import Positive
from optuna_ofa._plausible import require_plausible, require_std, warn_fractions
from optuna_ofa._progress import Bar, progress_bar
from optuna_ofa._terminations import terminations_raised
from optuna_ofa._warnings import warn
from optuna_ofa.evaluation import Partial
from optuna_ofa.exceptions import (
    FailedMeasurementWarning,
    InvalidArgumentError,
    MeasurementError,
    OptunaOFAError,
)
from optuna_ofa.executors import LOST_WORKER, Executor
from optuna_ofa.fronts import Findings, Front, FrontPoint, far_apart
from optuna_ofa.measurements import IN_A_ROW, Claims, Sharing
from optuna_ofa.predictors import CostPredictor
from optuna_ofa.problem import MEASURED, PREDICTED, Problem, error_in_words, require_in_order
from optuna_ofa.space import Matrix, Subnet, absent, first_of_each, keys_of
from optuna_ofa.storage import Store
from optuna_ofa.verification._entrants import Entrants, entrants
from optuna_ofa.verification._function_meter import FunctionMeter
from optuna_ofa.verification._images import images_of
from optuna_ofa.verification._meter import Meter, Readings
from optuna_ofa.verification._micro_meter import MicroMeter, require_micro_packages
from optuna_ofa.verification._precisions import require_same_networks
from optuna_ofa.verification._trials import Known, key, numbers_of_measured, read, write
from optuna_ofa.verification._verification import Verification
from optuna_ofa.verification._verified_point import VerifiedPoint

Measure = Meter | Callable[[Subnet], Any]

# subnets whose measurements an interruption may lose where no database gets each at once, and that
# are finished after a time limit
_MOST_UNWRITTEN = 64


class Watch(Protocol):
    """What may end measurements early."""

    def is_over(self) -> bool:
        """Return whether no further measurement begins."""

    def wrote(self, numbers: Sequence[int]) -> None:
        """Take note of trials that were written."""


@terminations_raised()
def verify(
    findings: Findings,
    store: Store,
    measure: Mapping[str, Measure],
    *,
    points: Points,
    progress: bool | None,
    executor: Executor | None = None,
    watch: Watch | None = None,
) -> Verification:
    """Measure the subnets that are not measured yet, and compare; see `SubnetStudy.verify`.

    Args:
        findings: The findings of the study.
        store: Its trials, to which subnets with all objectives are added.
        measure: As in `SubnetStudy.verify`.
        points: As in `SubnetStudy.verify`.
        progress: As in `SubnetStudy.verify`.
        executor: As in `SubnetStudy.verify`.
        watch: What may end it early; None is nothing.
    """
    problem = findings.problem
    meters = meters_of(problem, measure, executor, progress=progress)
    before = findings.snapshot()
    matrix = chosen(before, points)
    done = numbers_of_measured(before)
    require_same_networks(meters, store.notes(list(done.values())))
    missing = matrix[[key(row) not in done for row in matrix]]
    work = Work(findings, problem, store, meters)
    with progress_bar(
        f"measuring {' and '.join(meters)}", progress, total=len(missing), unit="subnet"
    ) as bar:
        n_tried = work.run_all(missing, bar, "verify", watch)
    warn_failures(work.failures, n_tried)
    return _collected(findings.snapshot(), store, meters, matrix, work)


class Work:
    """The subnets that a call measures.

    Args:
        findings: The findings of the study, which other processes may add to.
        problem: The problem, with the predictors whose predictions are compared.
        store: The trials of the study.
        meters: The meter of each metric.
        attributes: More user attributes of the trials.
    """

    def __init__(
        self,
        findings: Findings,
        problem: Problem,
        store: Store,
        meters: Mapping[str, Meter],
        attributes: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._findings, self._attributes = findings, attributes
        self._problem, self._store, self._meters = problem, store, meters
        self._before = findings.results(kind=MEASURED)
        # meters with the largest batches first; functions that may lose their device last, but
        # before those that race
        is_function = {m: type(meter) is FunctionMeter for m, meter in meters.items()}
        self._order = sorted(meters, key=lambda m: (meters[m].races, is_function[m]))
        self.partial: dict[Subnet, Partial] = {}
        self.found: dict[int, Known] = {}
        self.failures: dict[Subnet, str] = {}
        self.stopped: Exception | None = None
        self._say: Callable[[str], object] = lambda _: None
        self.stopped_at: str = ""

    def run_all(
        self,
        matrix: Matrix,
        bar: Bar,
        caller: str,
        watch: Watch | None = None,
        budget: int | None = None,
    ) -> int:
        """Measure subnets, as many at a time as the meters prefer; return how many were tried.

        Those that another process has measured for this study meanwhile are left out.

        Args:
            matrix: ``(n, n_genes)`` the subnets.
            bar: Shows how many were tried.
            caller: The method that continues after an interruption, for the message.
            watch: What may end it early.
            budget: Measurements of the study, by any process, with which it ends; None is no limit.

        Raises:
            MeasurementError: If a meter no longer responds; what was measured is written.
        """
        meters = self._meters.values()
        size = max(meter.n_together for meter in meters)
        in_parts = watch is not None or self._store.database is None
        if in_parts and not any(meter.races for meter in meters):
            size = min(size, _MOST_UNWRITTEN)
        self._say = bar.say
        n_tried = 0
        while n_tried < len(matrix) and not (watch and watch.is_over()):
            measured = self._findings.results(kind=MEASURED)
            left = size if budget is None else min(size, budget - len(measured.matrix))
            if left <= 0:
                break
            part = matrix[n_tried : n_tried + left]
            n_tried += len(part)
            new = part[absent(part, measured.matrix)]
            written = self.run(new) if len(new) else new
            bar.update(len(part))
            if watch and len(written):
                keys, numbers = keys_of(written).tolist(), numbers_of_measured(self._findings)
                watch.wrote(sorted(numbers[of] for of in keys))
            if self.stopped is not None:
                raise _stopped(self, len(matrix), caller) from self.stopped
        return n_tried

    def run(self, matrix: Matrix) -> Matrix:
        """Measure some subnets and write those that are complete; return what was written."""
        problem, began = self._problem, datetime.datetime.now()
        rows = [Known(*p, {}, {}, {}, {}, {}) for p in problem.named(problem.evaluate(matrix))]
        exact = exact_metrics(problem, self._meters)
        rows = [row._replace(measured={m: row.predicted[m] for m in exact}) for row in rows]
        good = np.arange(len(matrix))
        for metric in self._order:
            if not len(good):
                break
            numbers = [{**rows[i].predicted, **rows[i].measured} for i in good.tolist()]
            batch = entrants(problem, metric, matrix[good], numbers, self._before)
            readings = self._readings(metric, batch)
            self._note(readings, matrix[good])
            for i, row in zip(good.tolist(), _by_subnet(readings), strict=True):
                if np.isfinite(row[0]):
                    rows[i] = _with(rows[i], metric, row, readings.setup)
            good = good[np.isfinite(readings.values)]
            if readings.stopped is not None:
                self.stopped, self.stopped_at = readings.stopped, metric
        self._check([rows[i] for i in good.tolist()])
        self.found |= {key(matrix[i]): rows[i] for i in good.tolist()}
        objectives = set(problem.objectives)
        complete = [i for i in good.tolist() if objectives <= set(rows[i].measured)]
        if not complete:
            return matrix[:0]
        return self._write(matrix[complete], [rows[i] for i in complete], began)

    def _write(self, matrix: Matrix, rows: Sequence[Known], began: datetime.datetime) -> Matrix:
        """Write trials, but none of what another process has measured for this study meanwhile."""
        at_once = len(matrix)
        if self._store.database is not None:
            at_once = 1  # this process may be stopped meanwhile, so that another one writes them
        written = [matrix[:0]]
        with self._alone():
            for start in range(0, len(matrix), at_once):
                part = slice(start, start + at_once)
                written.append(self._write_new(matrix[part], rows[part], began))
        return np.concatenate(written)

    def _write_new(self, matrix: Matrix, rows: Sequence[Known], began: datetime.datetime) -> Matrix:
        new = absent(matrix, self._findings.results(kind=MEASURED).matrix)
        for known in matrix[~new]:
            del self.found[key(known)]  # its trial counts
        if new.any():
            own = [rows[i] for i in np.flatnonzero(new).tolist()]
            write(self._problem, self._store, matrix[new], own, began, self._attributes)
        return matrix[new]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process writes measured trials of this study."""
        database = self._store.database
        if database is None:
            yield
            return
        setup = {"study": database.study_name, "written": "measured trials"}
        with Claims(database, self._problem.space.family, setup) as claims:
            sharing = Sharing(claims, settle=lambda: None, say=self._say)
            with sharing.alone("trials", is_done=lambda: False):
                yield

    def _check(self, rows: Sequence[Known]) -> None:
        """Refuse exchanged metrics, and warn about fractions."""
        try:
            require_in_order(
                [{metric: row.measured[metric] for metric in self._meters} for row in rows],
                [row.predicted for row in rows],
                "`measure`",
            )
        except InvalidArgumentError:
            for meter in self._meters.values():
                if isinstance(meter, FunctionMeter):
                    meter.forget()
            raise
        for metric in self._meters:
            column = [row.measured[metric] for row in rows]
            warn_fractions(metric, column, f"`measure[{metric!r}]`")

    def _readings(self, metric: str, batch: Entrants) -> Readings:
        matrix = batch.new
        try:
            with warnings.catch_warnings():  # failed subnets are warned about once, at the end
                others = f"(?!{LOST_WORKER})"
                warnings.filterwarnings("ignore", others, FailedMeasurementWarning)
                meter, database = self._meters[metric], self._store.database
                found = meter.measure_among(batch, database)
        except MeasurementError as error:
            return Readings.nothing(len(matrix), error)
        except OptunaOFAError:
            raise
        except Exception as error:
            return Readings.nothing(len(matrix), error)
        if found.values.shape != (len(matrix),) or found.std.shape != (len(matrix),):
            raise InvalidArgumentError(
                f"`measure[{metric!r}]` must give a value and a standard deviation for each of "
                f"{len(matrix)} subnets, but gave {found.values.shape} and {found.std.shape}."
            )
        where = f"`measure[{metric!r}]`"
        require_plausible(metric, found.values, where)
        require_std(found.std, where)
        if found.stopped is None and (row := _in_a_row(found.failures)) is not None:
            reason = found.failures[row]
            gone = MeasurementError(f"{IN_A_ROW} subnets in a row failed, the last with {reason}")
            return found._replace(failures={}, stopped=gone)
        return found

    def _note(self, readings: Readings, matrix: Matrix) -> None:
        if readings.failures:
            subnets = self._problem.space.from_matrix(matrix)
            self.failures |= {subnets[i]: reason for i, reason in readings.failures.items()}
        if readings.partial:
            subnets = self._problem.space.from_matrix(matrix)
            self.partial |= {subnets[i]: of for i, of in readings.partial.items()}


def exact_metrics(problem: Problem, measured: Mapping[str, object]) -> list[str]:
    """Return the metrics of a problem that are computed, unless they are measured."""
    return [
        m
        for m in problem.metrics
        if m not in measured
        and isinstance(problem.predictors[m], CostPredictor)
        and problem.metrics[m].is_exact
    ]


def meters_of(
    problem: Problem,
    measure: Mapping[str, Measure],
    executor: Executor | None = None,
    *,
    progress: bool | None = False,
) -> dict[str, Meter]:
    """Return the meter of each metric, on the workers of an executor if there is one.

    Raises:
        InvalidArgumentError: If it is none, its settings do not go with the executor, or the
            problem does not have the metric.
        MissingDependencyError: If a package is missing that measures memories.
    """
    unknown = [m for m in measure if m not in problem.metrics]
    if unknown or not measure:
        raise InvalidArgumentError(
            f"`measure` must say how to measure at least one of {', '.join(problem.metrics)}, but "
            f"got {unknown[0] if unknown else 'nothing'!r}."
        )
    meters = {
        m: meter if isinstance(meter, Meter) else FunctionMeter(m, meter)
        for m, meter in measure.items()
    }
    for metric, meter in meters.items():
        if not isinstance(meter, MicroMeter):
            continue
        if meter.metric != metric:
            raise InvalidArgumentError(
                f"`measure[{metric!r}]` must be a meter of {metric}, but is one of {meter.metric}."
            )
        require_micro_packages()
    if executor is None:
        return meters
    return {m: meter.on(executor, progress=progress) for m, meter in meters.items()}


def _in_a_row(failures: Mapping[int, str]) -> int | None:
    """Return the last of enough failed rows in a row to blame the device."""
    ends = (i for i in failures if all(i - k in failures for k in range(IN_A_ROW)))
    return next(ends, None)


def _by_subnet(readings: Readings) -> list[tuple[float, float, float, int]]:
    """Return value, standard deviation, value on fitted images and number of images of each."""
    nothing = np.full(len(readings.values), np.nan)
    other = nothing if readings.on_fitted is None else readings.on_fitted
    n_images = np.zeros(len(nothing), int) if readings.n_images is None else readings.n_images
    columns = (column.tolist() for column in (readings.values, readings.std, other, n_images))
    return list(zip(*columns, strict=True))


def _with(
    row: Known, metric: str, found: tuple[float, float, float, int], setup: Mapping[str, Any]
) -> Known:
    value, std, other, n_images = found
    return row._replace(
        measured={**row.measured, metric: value},
        measured_std={**row.measured_std, **({metric: std} if np.isfinite(std) else {})},
        measured_by={**row.measured_by, **({metric: setup} if setup else {})},
        on_fitted={**row.on_fitted, **({metric: other} if np.isfinite(other) else {})},
        n_images={**row.n_images, **({metric: n_images} if n_images else {})},
    )


def _stopped(work: Work, n: int, caller: str) -> Exception:
    error = work.stopped
    assert error is not None
    if isinstance(error, OptunaOFAError) and not isinstance(error, MeasurementError):
        return error
    reason = str(error) if isinstance(error, MeasurementError) else error_in_words(error)
    return MeasurementError(
        f"`measure[{work.stopped_at!r}]` stopped after {len(work.found)} of {n} subnets: "
        f"{reason.rstrip('.')}. What was measured is kept; call `{caller}` again to continue."
    )


def warn_failures(failures: Mapping[Subnet, str], n: int) -> None:
    """Warn if some of ``n`` subnets could not be measured."""
    if not failures:
        return
    subnet, reason = next(iter(failures.items()))
    warn(
        f"{len(failures)} of {n} subnets could not be measured, the first of them {subnet}: "
        f"{reason}. They did not become trials; the next call tries them again.",
        FailedMeasurementWarning,
    )


def _collected(
    after: Findings, store: Store, meters: Mapping[str, Meter], matrix: Matrix, work: Work
) -> Verification:
    problem = after.problem
    numbers, told = numbers_of_measured(after), after.results(kind=MEASURED)
    exact = exact_metrics(problem, meters)
    points = []
    subnets, extrapolated = problem.space.from_matrix(matrix), problem.extrapolated(matrix)
    for row, subnet, far in zip(matrix, subnets, extrapolated, strict=True):
        number = numbers.get(key(row))
        known = work.found.get(key(row))
        if known is None and number is not None:
            at = np.flatnonzero(told.numbers == number)[-1:]
            known = read(problem, store, told.select(at), exact)
        if known is not None:
            points.append(
                VerifiedPoint(
                    subnet,
                    **known._asdict(),
                    trial_number=number,
                    extrapolated=far,
                    units=problem.metrics,
                )
            )
    metrics = [
        m for m in problem.metrics if m not in exact and any(m in p.measured for p in points)
    ]
    none = Front([], list(problem.objective_metrics.values()))
    is_there = after.results(kind=MEASURED).feasible.any()
    front = after.front(kind=MEASURED) if is_there else none
    fitted = {m: images_of(problem.facts(m)) for m in metrics}
    return Verification(
        tuple(metrics or meters),
        tuple(points),
        front,
        dict(work.failures),
        fitted,
        {m: problem.facts(m) for m in metrics},
        problem.metrics,
        problem.predictors.get("latency_ms"),
        after.snapshot().finished,
        dict(work.partial),
    )


Points = Positive | Iterable[FrontPoint | Subnet] | None


def chosen(findings: Findings, points: Points) -> Matrix:
    """Return the genotypes of the points, each once, ``(n, n_genes)``.

    Raises:
        EmptyFrontError: If the predicted front is needed and empty.
        InvalidArgumentError: If ``points`` is neither a positive number nor subnets.
        InvalidSubnetError: If one is not of the study's space.
    """
    space = findings.space
    if points is None or isinstance(points, int | np.integer):
        return space.to_matrix([p.subnet for p in _of_front(findings, points)])
    subnets = [p.subnet if isinstance(p, FrontPoint) else p for p in points]
    wrong = [s for s in subnets if not isinstance(s, Subnet)]
    if wrong or not subnets:
        got = repr(wrong[0]) if wrong else "none"
        raise InvalidArgumentError(
            f"`points` must be a number of points, or points of a front or subnets, at least one, "
            f"but got {got}."
        )
    matrix = space.canonicalize(space.to_matrix(subnets))
    return matrix[first_of_each(keys_of(matrix))]


def _of_front(findings: Findings, n: int | None) -> list[FrontPoint]:
    """Return the predicted front, or ``n`` points of it far from each other."""
    if findings.problem.measured_only:
        raise InvalidArgumentError(
            f"`points` must be subnets where nothing predicts "
            f"{' and '.join(findings.problem.measured_only)}, so that there is no predicted front, "
            f"but got {n}."
        )
    front = findings.front(kind=PREDICTED)
    if n is None or n >= len(front):
        return list(front)
    values = np.array([[p.values[m] for m in front.objectives] for p in front])
    nothing = np.empty(0, dtype=np.intp)
    free = np.ones(len(front), dtype=bool)
    costs = findings.problem.orientation.costs(values)
    picked = far_apart(costs, np.arange(len(front)), free, nothing, int(n))
    return [front[i] for i in sorted(picked.tolist())]
