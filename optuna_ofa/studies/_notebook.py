"""A study and its results as a table, for notebooks."""

from __future__ import annotations

from optuna_ofa._notebook import html_table
from optuna_ofa.fronts import KINDS, Findings, limit_words, values_in_words


def html_of_study(study: Findings) -> str:
    """Return a study as a table: its problem, and its results of each kind."""
    found, problem = study.snapshot(), study.problem
    objectives = [f"{of.axis}, {of.direction}" for of in problem.objective_metrics.values()]
    rows = [
        ["Space", f"{problem.space.name}, {problem.space.n_subnets:.3g} {problem.space.noun}s"],
        ["Objectives", "; ".join(objectives)],
    ]
    if limits := limit_words(problem.constraints, problem.metrics):
        rows.append(["Constraints", limits])
    if problem.board is not None:
        rows.append(["Board", f"{problem.board}"])
    for kind in KINDS:
        n = len(found.results(kind=kind).numbers)
        words = f"{n:,} {kind} trial{'s' * (n != 1)}"
        if kind in found.kinds:
            front = found.front(kind=kind)
            knee = front.knee()
            best = values_in_words(knee.values, knee.std, front.metrics)
            n_far = sum(bool(point.extrapolated) for point in front)
            far = f", {n_far:,} of them extrapolated" if n_far else ""
            words += f", {len(front):,} on the Pareto front{far}; its knee: {best}"
        elif n:
            words += ", none within the constraints"
        rows.append([kind.capitalize(), words])
    return html_table(f"Study {study.study_name}", (), rows, (False, False))
