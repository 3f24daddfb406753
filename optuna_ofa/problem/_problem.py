"""The problem: a space, the predictors of its objectives, and constraints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa._plausible import possible, possible_range, require_plausible, warn_fractions
from optuna_ofa._suggestions import did_you_mean
from optuna_ofa.data import Board
from optuna_ofa.exceptions import InfeasibleConstraintError, InvalidArgumentError, PredictionError
from optuna_ofa.predictors import (
    ConfidenceBound,
    Direction,
    MissingPredictor,
    Predictor,
    PredictorSource,
    as_predictor,
    facts_of,
)
from optuna_ofa.problem._boards import require_fits
from optuna_ofa.problem._constraints import violations
from optuna_ofa.problem._evaluated import Evaluated
from optuna_ofa.problem._metric import METRICS, Metric
from optuna_ofa.problem._orientation import Orientation
from optuna_ofa.problem._partial import in_parts
from optuna_ofa.problem._reachable import best_reachable
from optuna_ofa.problem._vocabulary import PREDICTED
from optuna_ofa.space import Matrix, SearchSpace

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

# The best reachable accuracy is found by hill climbing, which may stop at a local optimum.
_CLIMBING_ERROR = {"top1": 1.0}
_N_RANDOM = 256  # also tried where it is unknown how a metric varies
# The arena depends on how tensors are placed, so a smaller subnet may need more.
_IRREGULAR = ("sram_kb",)


class Attempt(NamedTuple):
    """Predictions of a batch that may have failed in part.

    Args:
        done: ``(n,)`` which rows were predicted.
        predicted: Those rows with their predictions.
        errors: The predictor's exception for each other row, in order.
    """

    done: NDArray[np.bool_]
    predicted: Evaluated
    errors: list[Exception]


class Problem:
    """A multi-objective problem over subnets.

    It is also an Optuna objective: ``optuna.create_study(directions=problem.directions)
    .optimize(problem)`` lets any Optuna sampler search on the same predictors.

    Args:
        space: The subnets.
        objectives: The metrics or their names, in the order of a trial's values.
        constraints: Bound of each constrained metric; a lower one for maximised metrics, such as
            ``top1``, else an upper one.
        predictors: A predictor, or a function as in `FunctionPredictor`, for each metric that is
            an objective or constrained. A custom metric may bring its predictor, or have none.
        own: Custom metrics that are named in ``objectives`` or ``constraints``.
        board: The microcontroller whose memories are among ``constraints``; it is only named.

    Raises:
        InvalidArgumentError: If a name is unknown, an objective is given twice, a bound is not a
            possible value of its metric, or a metric has no predictor or that of another metric.
        FamilyMismatchError: If a predictor is for another family.
    """

    @checked
    def __init__(
        self,
        *,
        space: SearchSpace,
        objectives: Sequence[str | Metric],
        constraints: Mapping[str, float],
        predictors: Mapping[str, PredictorSource],
        own: Iterable[Metric] = (),
        board: Board | None = None,
    ) -> None:
        known = known_metrics(objectives, own)
        names = [of.name if isinstance(of, Metric) else of for of in objectives]
        _check_names(names, constraints, known)
        used = dict.fromkeys((*names, *constraints))
        own_sources = {m: of for m in used if (of := known[m].predictor) is not None}
        self.space = space
        self.objectives: tuple[str, ...] = tuple(names)
        self.board = board
        self.constraints: dict[str, float] = {m: float(b) for m, b in constraints.items()}
        self.metrics: dict[str, Metric] = {m: known[m].described() for m in used}
        self.predictors: dict[str, Predictor] = {
            m: as_predictor(m, source, space, argument)
            for argument, sources in (("predictors", predictors), ("predictor", own_sources))
            for m, source in sources.items()
        }
        for name, metric in self.metrics.items():
            if name not in self.predictors and not metric.is_built_in:
                self.predictors[name] = MissingPredictor(
                    name, space, _measured_only(name), is_measured=True
                )
            _check_predictor(metric, self.predictors.get(name), space)

    @property
    def directions(self) -> list[Direction]:
        """Optuna's direction of each objective."""
        return [metric.direction for metric in self.objective_metrics.values()]

    @property
    def objective_metrics(self) -> dict[str, Metric]:
        """The metrics of the objectives by name, in their order."""
        return {name: self.metrics[name] for name in self.objectives}

    @property
    def measured_only(self) -> tuple[str, ...]:
        """The names of the metrics that are measured, and never predicted."""
        missing = self._missing.items()
        return tuple(name for name, predictor in missing if predictor.is_measured)

    @property
    def _missing(self) -> dict[str, MissingPredictor]:
        found = {name: self.predictors[name] for name in self.metrics}
        return {name: p for name, p in found.items() if isinstance(p, MissingPredictor)}

    def require_predictors(self, *, but_measured: bool = False) -> None:
        """Require a predictor for each metric.

        Args:
            but_measured: Whether metrics that are only measured need none.

        Raises:
            InvalidArgumentError: If a metric has none; names the first, and why.
        """
        for predictor in self._missing.values():
            if not (but_measured and predictor.is_measured):
                raise InvalidArgumentError(predictor.reason)

    @property
    def signs(self) -> NDArray[np.float64]:
        """``(n_objectives,)`` factors that make smaller better everywhere."""
        return np.array([metric.sign for metric in self.objective_metrics.values()])

    @property
    def orientation(self) -> Orientation:
        """How values become the costs that searches work on."""
        return Orientation.of_metrics(self.objective_metrics)

    @property
    def caution(self) -> dict[str, float]:
        """How many standard deviations predictions are worse than the mean, by metric."""
        return {
            metric: predictor.k
            for metric, predictor in self.predictors.items()
            if isinstance(predictor, ConfidenceBound)
        }

    def possible(self, metric: str, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which predictions of a metric are possible, ``(n,)``.

        Those that are worse than the mean by many standard deviations may be any finite numbers.
        """
        if isinstance(self.predictors[metric], ConfidenceBound):
            return np.isfinite(values)
        return possible(metric, values)

    def evaluate(self, matrix: Matrix) -> Evaluated:
        """Predict a batch of genotypes.

        Standard deviations are left out, because only a few of the subnets need them; see `named`.
        Values of metrics that are only measured are NaN.

        Raises:
            PredictionError: If a prediction is not a finite number; names the predictor and the
                subnet.
        """
        columns = {m: self.predict(m, matrix) for m in self.metrics}
        excess = np.empty((len(matrix), len(self.constraints)))
        for j, metric in enumerate(self.constraints):
            excess[:, j] = self.excess(metric, columns[metric])
        return Evaluated.of(matrix, np.stack([columns[m] for m in self.objectives], axis=1), excess)

    def nothing(self) -> Evaluated:
        """Return no subnets, in arrays of the problem's shapes."""
        return Evaluated.of(
            np.empty((0, len(self.space.genes)), dtype=np.int16),
            np.empty((0, len(self.objectives))),
            np.empty((0, len(self.constraints))),
        )

    def try_evaluate(self, matrix: Matrix) -> Attempt:
        """Predict a batch in which a predictor may raise for some genotypes.

        These are found by halving the batch, so a few of them cost only a few extra calls.

        Raises:
            PredictionError: As `evaluate`; a wrong number is an error of the whole predictor.
        """
        parts = in_parts(self.evaluate, matrix)
        good = [part for _, part in parts if isinstance(part, Evaluated)]
        done = [isinstance(part, Evaluated) for n, part in parts for _ in range(n)]
        return Attempt(
            np.array(done, dtype=bool),
            Evaluated.join([self.nothing(), *good]),
            [part for _, part in parts if isinstance(part, Exception)],
        )

    def named(self, evaluated: Evaluated) -> list[tuple[dict[str, float], dict[str, float]]]:
        """Return the values of each subnet by metric, and their standard deviations.

        Metrics that are only constrained are included; non-finite values are left out. Missing
        standard deviations of predictions are computed by the predictors.
        """
        values = dict(zip(self.objectives, evaluated.values.T, strict=True))
        for name, excess in zip(self.constraints, evaluated.excess.T, strict=True):
            values.setdefault(name, self.from_excess(name, excess))
        std = dict(zip(self.objectives, evaluated.std.T, strict=True))
        if np.isnan(evaluated.std).all():
            std = self.predict_std(evaluated.matrix)
        n = len(evaluated.matrix)
        return [(_finite(values, i), _finite(std, i)) for i in range(n)]

    def facts(self, metric: str) -> dict[str, Any]:
        """Return the metadata of a metric's predictor and of its table, if it has one (JSON)."""
        predictor = self.predictors[metric]
        if isinstance(predictor, ConfidenceBound):
            predictor = predictor.predictor
        return facts_of(predictor)

    def predict_std(self, matrix: Matrix) -> dict[str, NDArray[np.float64]]:
        """Return ``(n,)`` standard deviations of the metrics whose predictors provide them."""
        found = {m: self.predictors[m].predict_std(matrix) for m in self.metrics}
        return {m: std for m, std in found.items() if std is not None}

    def extrapolated(self, matrix: Matrix) -> list[tuple[str, ...] | None]:
        """Return which metrics of each subnet are extrapolated, ``n`` entries.

        These are the metrics whose predictor was not fitted on anything near the subnet. None where
        that is unknown, because a predictor is missing.

        Raises:
            PredictionError: If a predictor does not return a truth value for each subnet.
        """
        if self._missing.keys() - set(self.measured_only):
            return [None] * len(matrix)
        predicted = [m for m in self.metrics if m not in self.measured_only]
        flags = {m: self._extrapolates(m, matrix) for m in predicted}
        return [tuple(m for m in predicted if flags[m][i]) for i in range(len(matrix))]

    def _extrapolates(self, metric: str, matrix: Matrix) -> NDArray[np.bool_]:
        flags = np.asarray(self.predictors[metric].extrapolates(matrix))
        if flags.shape != (len(matrix),) or flags.dtype != bool:
            raise PredictionError(
                f"The predictor of `{metric}` must return {len(matrix)} truth values from "
                f"`extrapolates`, but returned {flags.dtype} of shape {flags.shape}."
            )
        return flags

    def excess(self, metric: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the excess of values over the bound of a metric, ``(n,)``; <= 0 where it holds."""
        difference = values - self.constraints[metric]
        return -difference if self.metrics[metric].maximize else difference

    def excess_of(self, values: Sequence[float]) -> dict[str, float]:
        """Return the excess of a trial over each bound of an objective, by its values."""
        named = dict(zip(self.objectives, values, strict=True))
        return self.excess_by_name(named)

    def all_excess(
        self, row: Matrix | None, values: Sequence[float], known: Mapping[str, float]
    ) -> dict[str, float]:
        """Return the excess of a trial over each bound, of which its objective may set some.

        Args:
            row: Its genotype, ``(1, n_genes)``; None where it has no subnet.
            values: Its values, of which those of constraints on objectives are.
            known: The constraints that its objective has set, by name; they come first.

        Returns:
            Other constraints are those of predictions, as in `SubnetStudy.tell_batch`; those that
            are not known are left out.
        """
        own = self.excess_of(values)
        if row is not None and not self.constraints.keys() <= own.keys() | known.keys():
            for predicted in self.try_evaluate(row).predicted.excess.tolist():
                found = dict(zip(self.constraints, predicted, strict=True))
                own = {**{name: x for name, x in found.items() if x == x}, **own}
        return {**known, **{name: x for name, x in own.items() if name not in known}}

    def excess_by_name(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the excess over each bound, of those metrics whose values are known."""
        known = [m for m in self.constraints if m in values]
        return {m: float(self.excess(m, np.array(values[m]))) for m in known}

    def from_excess(self, metric: str, excess: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of a constrained metric with this excess, ``(n,)``."""
        return self.constraints[metric] + (-excess if self.metrics[metric].maximize else excess)

    def predict(self, metric: str, matrix: Matrix) -> NDArray[np.float64]:
        """Predict one metric, ``(n,)``; NaN of one that is only measured.

        Raises:
            PredictionError: As `evaluate`.
        """
        if metric in self.measured_only:
            return np.full(len(matrix), np.nan)
        return self._predict(metric, matrix)

    def _predict(self, metric: str, matrix: Matrix) -> NDArray[np.float64]:
        values = np.asarray(self.predictors[metric].predict(matrix), dtype=float)
        if values.shape != (len(matrix),):
            raise PredictionError(
                f"The predictor of `{metric}` must return {len(matrix)} numbers, but returned "
                f"an array of shape {values.shape}."
            )
        bad = np.flatnonzero(~self.possible(metric, values))
        if len(bad):
            subnet = self.space.from_matrix(matrix[bad[:1]])[0]
            low, high = possible_range(metric)
            is_finite = np.isfinite(values[bad[0]])
            kind = f"numbers above {low:g}, up to {high:,g}" if is_finite else "finite numbers"
            raise PredictionError(
                f"The predictor of `{metric}` must return {kind}, but returned "
                f"{values[bad[0]]} for {subnet} ({len(bad)} of {len(matrix)})."
            )
        return values

    def _predict_or(self, metric: str, matrix: Matrix, default: float) -> NDArray[np.float64]:
        """Predictions, and a default for the genotypes that the predictor raises for."""
        parts = in_parts(partial(self._predict, metric), matrix)
        return np.concatenate([[default] if isinstance(p, Exception) else p for _, p in parts])

    def __call__(self, trial: BaseTrial) -> tuple[float, ...]:
        """Suggest a subnet from a trial, predict it, and return the objectives' values.

        Raises:
            InvalidArgumentError: If a metric has no predictor.
            PredictionError: As `evaluate`.
        """
        self.require_predictors()
        subnet = self.space.suggest(trial)
        # first, because a predictor may raise
        trial.set_user_attr("subnet", subnet.to_dict(by_name=True))
        trial.set_user_attr("subnet_text", subnet.text)
        result = self.evaluate(self.space.to_matrix([subnet]))
        for name, value in zip(self.constraints, result.excess[0], strict=True):
            trial.set_constraint(name, float(value))
        trial.set_user_attr("kind", PREDICTED)
        return tuple(float(v) for v in result.values[0])

    def violations(self, evaluated: Evaluated) -> NDArray[np.float64]:
        """Return the total violation of each row, ``(n,)``; 0 where all constraints are satisfied.

        Each constraint of the problem counts relative to its bound; others are not scaled.
        """
        return violations(evaluated.excess, self.scales) + violations(evaluated.others[:, None])

    @property
    def scales(self) -> NDArray[np.float64]:
        """``(n_constraints,)`` the scales of violations: the bounds."""
        return np.array([abs(bound) or 1.0 for bound in self.constraints.values()])

    def require_reachable(self) -> None:
        """Refuse a constraint that no subnet of the space satisfies on its own.

        Raises:
            InfeasibleConstraintError: If there is one; names the best reachable value.
            PredictionError: As `evaluate`.
        """
        for name, bound in self.constraints.items():
            if name in self._missing:
                continue
            metric = self.metrics[name]
            is_exact = metric.is_built_in and name not in _IRREGULAR
            worst = -np.inf if metric.maximize else np.inf
            predict = partial(self._predict_or, name, default=worst)
            best = best_reachable(
                self.space,
                predict,
                maximize=metric.maximize,
                enough=bound,
                n_random=0 if is_exact else _N_RANDOM,
            ).value
            if best == worst:  # the predictor failed for all; the search reports it
                continue
            if self.excess(name, np.array(best)) > _CLIMBING_ERROR.get(name, 0.0):
                digits = metric.decimals([bound, best])  # as many as tell the two apart
                sign, end = (">=", "largest") if metric.maximize else ("<=", "smallest")
                end += " reachable value" if is_exact else " value that was found"
                raise InfeasibleConstraintError(
                    f"`constraints` must be reachable, but {name} {sign} {metric.amount(bound)} is "
                    f"not: the {end} is {metric.text(best, n=digits)}."
                )

    def require_fits(self) -> None:
        """Refuse a board that no subnet of the space fits, whatever the other constraints are.

        Raises:
            InfeasibleConstraintError: If there is a board, and it is one.
        """
        if self.board is not None:
            require_fits(self.board, self.space, partial(self._predict_or, default=np.inf))

    def describe(self) -> dict[str, Any]:
        """Return the description that must stay the same when a study is continued (JSON).

        Predictors are distinguished by their predictions for the smallest and the largest subnet;
        None where these fail.
        """
        ends = self.space.to_matrix([self.space.smallest(), self.space.largest()])
        own = {name: of.to_dict() for name, of in self.metrics.items() if not of.is_built_in}
        return {
            "family": self.space.table.to_dict(),
            "choices": {name: list(c) for name, c in self.space.choices.items()},
            "objectives": list(self.objectives),
            "constraints": self.constraints,
            **({"board": self.board.name} if self.board is not None else {}),
            **({"metrics": own} if own else {}),
            **({"caution": self.caution} if self.caution else {}),
            "predictions": {m: self._ends(m, ends) for m in self.metrics},
        }

    def _ends(self, metric: str, ends: Matrix) -> list[float | None]:
        values = self._predict_or(metric, ends, np.nan).round(4).tolist()
        return [None if np.isnan(value) else value for value in values]


def _finite(columns: Mapping[str, NDArray[np.float64]], i: int) -> dict[str, float]:
    """Return row ``i`` of several columns, without non-finite values."""
    return {m: float(column[i]) for m, column in columns.items() if np.isfinite(column[i])}


def known_metrics(
    objectives: Iterable[str | Metric], own: Iterable[Metric] = ()
) -> dict[str, Metric]:
    """Return the built-in and the custom metrics, by name.

    Raises:
        InvalidArgumentError: If two different ones share a name.
    """
    known = dict(METRICS)
    for metric in (*own, *(of for of in objectives if isinstance(of, Metric))):
        other = known.setdefault(metric.name, metric)
        if other != metric:
            raise InvalidArgumentError(
                f"`objectives` and `predictors` must have different names for different metrics, "
                f"but got {other} and {metric}."
            )
        if other.predictor is None:
            known[metric.name] = metric
    return known


def _measured_only(name: str) -> str:
    return (
        f"`predictor` of the metric {name!r} must be given to predict it, but is None, so that it "
        f"is only measured: by `optimize`, `ask_batch` and `tell_batch`, or `verify` with points."
    )


def _check_predictor(metric: Metric, predictor: Predictor | None, space: SearchSpace) -> None:
    name = metric.name
    if predictor is None or predictor.metric != name:
        got = f"one of {predictor.metric!r}" if predictor else "none"
        raise InvalidArgumentError(
            f"`predictors[{name!r}]` must be a predictor of {name!r}, but got {got}."
        )
    if isinstance(predictor, ConfidenceBound) and predictor.direction != metric.direction:
        raise InvalidArgumentError(
            f"`predictors[{name!r}]` must be a bound of a metric to {metric.direction}, but its "
            f"`direction` is {predictor.direction!r}."
        )
    predictor.require(space)


def _check_names(
    objectives: Sequence[str], constraints: Mapping[str, float], known: Mapping[str, Metric]
) -> None:
    unknown = [m for m in (*objectives, *constraints) if m not in known]
    if unknown:
        raise InvalidArgumentError(
            f"`objectives` and `constraints` must be among {', '.join(known)}, but got "
            f"{unknown[0]!r}{did_you_mean(unknown[0], known)} Metrics of your own are given as a "
            f"`Metric`."
        )
    if len(set(objectives)) < len(objectives) or not objectives:
        raise InvalidArgumentError(
            f"`objectives` must be different metrics, at least one, but got {list(objectives)}."
        )
    for metric, bound in constraints.items():
        where = f"`constraints[{metric!r}]`"
        require_plausible(metric, float(bound), where)
        warn_fractions(metric, float(bound), where)
