"""The Pareto front among the trials of a study."""

from __future__ import annotations

import numpy as np

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._front import Front, FrontPoint, values_in_words
from optuna_ofa.fronts._pareto import nondominated
from optuna_ofa.problem import MEASURED, PREDICTED, Evaluated, Kind, Problem


def of_kind(evaluated: Evaluated, kind: Kind | None) -> Evaluated:
    """Return the subnets of one kind; None takes the one kind that there is.

    Raises:
        InvalidArgumentError: If there are both and ``kind`` is None, or it is unknown.
    """
    if kind not in (None, PREDICTED, MEASURED):
        raise InvalidArgumentError(f"`kind` must be 'predicted' or 'measured', but got {kind!r}.")
    if kind is not None:
        return evaluated.select(evaluated.measured == (kind == MEASURED))
    if evaluated.measured.any() and not evaluated.measured.all():
        raise InvalidArgumentError(
            f"`kind` must be given, one of {[MEASURED, PREDICTED]}, because the study has both "
            f"and a front never mixes them, but got None."
        )
    return evaluated


def find_front(problem: Problem, evaluated: Evaluated, kind: Kind | None) -> Front:
    """Return the front: the feasible subnets that no other one dominates, each once.

    Args:
        problem: The problem.
        evaluated: Subnets of one kind.
        kind: That kind if it was asked for, for the message of the error.

    Raises:
        EmptyFrontError: If none is feasible; with the one that violates least.
    """
    if not evaluated.feasible.any():
        raise _empty(problem, evaluated, kind)
    best = evaluated.select(evaluated.feasible)
    best = best.select(nondominated(best.values * problem.signs))
    best = best.select(np.unique(best.matrix, axis=0, return_index=True)[1])
    names = problem.objectives
    by = names.index("latency_ms") if "latency_ms" in names else len(names) - 1
    best = best.select(np.argsort(best.values[:, by], kind="stable"))
    return Front(_points(problem, best), names)


def _points(problem: Problem, evaluated: Evaluated) -> list[FrontPoint]:
    names = problem.objectives
    kinds = evaluated.kind.tolist()
    stds = problem.predict_std(evaluated.matrix) if PREDICTED in kinds else {}
    caution = {m: k for m, k in problem.caution.items() if m in names}
    return [
        FrontPoint(
            subnet=subnet,
            values=dict(zip(names, evaluated.values[i].tolist(), strict=True)),
            std={
                m: float(s[i])
                for m, s in stds.items()
                if m in names and kinds[i] == PREDICTED and np.isfinite(s[i])
            },
            kind=kinds[i],
            trial_number=int(evaluated.numbers[i]),
            caution=caution if kinds[i] == PREDICTED else {},
        )
        for i, subnet in enumerate(problem.space.from_matrix(evaluated.matrix))
    ]


def _empty(problem: Problem, evaluated: Evaluated, kind: Kind | None) -> EmptyFrontError:
    if len(evaluated.numbers) == 0:
        of_kind = f"{kind} trial" if kind else "finished trial yet; call `search` first"
        return EmptyFrontError(f"The study has no {of_kind}.")
    i = int(problem.violations(evaluated.excess).argmin())
    nearest = dict(zip(problem.objectives, evaluated.values[i].tolist(), strict=True))
    return EmptyFrontError(
        f"None of {len(evaluated.numbers)} trials satisfies {problem.constraints}; the nearest has "
        f"{values_in_words(nearest, {})}."
    )
