"""The Pareto front among the trials of a study."""

from __future__ import annotations

import numpy as np

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._evaluated import Results
from optuna_ofa.fronts._front import Front, FrontPoint, describe
from optuna_ofa.fronts._pareto import nondominated
from optuna_ofa.problem import MEASURED, PREDICTED, Kind, Problem


def of_kind(results: Results, kind: Kind | None) -> Results:
    """The results of one kind; None takes the one kind that there is.

    Raises:
        InvalidArgumentError: If there are both and ``kind`` is None, or it is unknown.
    """
    if kind not in (None, PREDICTED, MEASURED):
        raise InvalidArgumentError(f"`kind` must be 'predicted' or 'measured', but got {kind!r}.")
    if kind is not None:
        return results.select(results.measured == (kind == MEASURED))
    if results.measured.any() and not results.measured.all():
        raise InvalidArgumentError(
            f"`kind` must be given, one of {[MEASURED, PREDICTED]}, because the study has both "
            f"and a front never mixes them, but got None."
        )
    return results


def find_front(problem: Problem, results: Results, kind: Kind | None) -> Front:
    """The feasible results that no other one dominates, each subnet once.

    Args:
        problem: What was searched for.
        results: Results of one kind.
        kind: That kind if it was asked for, for the message.

    Raises:
        EmptyFrontError: If none is feasible; with the one that violates least.
    """
    if not results.feasible.any():
        raise _empty(problem, results, kind)
    best = results.select(results.feasible)
    best = best.select(nondominated(best.values * problem.signs))
    best = best.select(np.unique(best.matrix, axis=0, return_index=True)[1])
    names = problem.objectives
    by = names.index("latency_ms") if "latency_ms" in names else len(names) - 1
    best = best.select(np.argsort(best.values[:, by], kind="stable"))
    return Front(_points(problem, best), names)


def _points(problem: Problem, results: Results) -> list[FrontPoint]:
    names = problem.objectives
    kinds = results.kinds.tolist()
    stds = {m: problem.predictors[m].predict_std(results.matrix) for m in names}
    caution = {m: k for m, k in problem.caution.items() if m in names}
    return [
        FrontPoint(
            subnet=subnet,
            values=dict(zip(names, results.values[i].tolist(), strict=True)),
            std={
                m: float(s[i])
                for m, s in stds.items()
                if s is not None and kinds[i] == PREDICTED and np.isfinite(s[i])
            },
            kind=kinds[i],
            trial_number=int(results.numbers[i]),
            caution=caution if kinds[i] == PREDICTED else {},
        )
        for i, subnet in enumerate(problem.space.from_matrix(results.matrix))
    ]


def _empty(problem: Problem, results: Results, kind: Kind | None) -> EmptyFrontError:
    if len(results.numbers) == 0:
        of_kind = f"{kind} trial" if kind else "finished trial yet; call `search` first"
        return EmptyFrontError(f"The study has no {of_kind}.")
    i = int(problem.violations(np.nan_to_num(results.constraints)).argmin())
    nearest = dict(zip(problem.objectives, results.values[i].tolist(), strict=True))
    return EmptyFrontError(
        f"None of {len(results.numbers)} trials satisfies {problem.constraints}; the nearest has "
        f"{describe(nearest, {})}."
    )
