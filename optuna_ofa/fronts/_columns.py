"""What columns of points in tables say besides their values."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_ofa.fronts._point import FrontPoint
from optuna_ofa.problem import Metric

MARK = "†"  # of extrapolated values


def title_of(metric: Metric, points: Sequence[FrontPoint | None]) -> str:
    """Return the title of a column: ``Top-1 accuracy (%), on 2,000 images``."""
    name = metric.name
    numbers = sorted({p.n_images[name] for p in points if p is not None and name in p.n_images})
    on = f", on {' and '.join(f'{n:,}' for n in numbers)} images" if numbers else ""
    return metric.axis + on


def marked(texts: Sequence[str], points: Sequence[FrontPoint | None], metric: str) -> list[str]:
    """Return the texts of a column, with a mark before those that are extrapolated."""
    far = [p is not None and metric in (p.extrapolated or ()) for p in points]
    return [f"{MARK} {text}" if is_far else text for text, is_far in zip(texts, far, strict=True)]


def kind_cell(point: FrontPoint) -> str:
    """Return the kind of a point, marked if a metric without a column is extrapolated."""
    hidden = set(point.extrapolated or ()) - set(point.values)
    return f"{point.kind} {MARK}" if hidden else point.kind
