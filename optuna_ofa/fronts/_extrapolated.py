"""Extrapolated points in words: those that are far from what their predictors were fitted on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optuna_ofa.fronts._columns import MARK
from optuna_ofa.fronts._point import FrontPoint
from optuna_ofa.problem import Problem

_UNKNOWN = (
    "Which {} are extrapolated is unknown, because the study was opened without its predictors."
)
_MOST_SIZES = 4  # that are listed


def extrapolation_note(
    points: Iterable[FrontPoint | None], *, of: str = "points", in_table: bool = False
) -> str:
    """Return a footnote about the points that a view shows; empty if there is nothing to say.

    Args:
        points: The points; None is skipped.
        of: What they are called.
        in_table: Whether the note explains the marks of a table.
    """
    shown = [point for point in points if point is not None]
    if any(point.extrapolated is None for point in shown):
        return _UNKNOWN.format(of)
    far = [point for point in shown if point.extrapolated]
    if not far:
        return ""
    which = f"{len(far):,} of {len(shown):,} {of} {'is' if len(far) == 1 else 'are'} extrapolated"
    mark = f"{MARK} " * in_table
    return f"{mark}{which}: {_reason(far)}. Measure them before you rely on their values."


def extrapolation_warning(problem: Problem, points: Sequence[FrontPoint], name: str) -> str:
    """Return the warning about a predicted front after a search; empty if there is none.

    Args:
        problem: The problem, whose predictors say why.
        points: The front.
        name: The name of the study.
    """
    far = [point for point in points if point.extrapolated]
    if not far:
        return ""
    metrics = extrapolated_metrics(far)
    which = [_range(far, metric) for metric in metrics if metric in far[0].values]
    if problem.space.has_network:
        which.append(_sizes(far))
    matrix = problem.space.to_matrix([point.subnet for point in far])
    why = [words for m in metrics for words in problem.predictors[m].extrapolation_reasons(matrix)]
    return (
        f"{len(far):,} of {len(points):,} points of the predicted front of {name!r} are "
        f"extrapolated ({', '.join(which)}): {_reason(far)}{': ' * bool(why)}{'; '.join(why)}. "
        f"Measure some of them with `verify`, or search a smaller space (`SearchSpace.restrict`)."
    )


def extrapolated_metrics(points: Iterable[FrontPoint]) -> list[str]:
    """Return the metrics that are extrapolated in any of some points."""
    return list(dict.fromkeys(m for point in points for m in point.extrapolated or ()))


def _reason(far: Sequence[FrontPoint]) -> str:
    metrics = extrapolated_metrics(far)
    subject = "the predictor of {} was" if len(metrics) == 1 else "the predictors of {} were"
    return f"{subject.format(' and '.join(metrics))} not fitted on anything near them"


def _range(far: Sequence[FrontPoint], metric: str) -> str:
    """Return the range of a metric: ``top1 78.12 to 79.40 %``."""
    of, values = far[0].metrics[metric], [point.values[metric] for point in far]
    ends = [min(values), max(values)]
    n = of.decimals(ends)
    return f"{metric} {of.number(ends[0], n=n)} to {of.text(ends[1], n=n)}"


def _sizes(far: Sequence[FrontPoint]) -> str:
    """Return the input sizes of points: ``160, 176 pixels``, or the range of many."""
    sizes = sorted({point.subnet.resolution for point in far})
    few = ", ".join(map(str, sizes))
    return f"{few if len(sizes) <= _MOST_SIZES else f'{sizes[0]} to {sizes[-1]}'} pixels"
