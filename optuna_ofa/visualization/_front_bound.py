"""The line of a proven bound in a plot of a front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontBound
from optuna_ofa.visualization._front_axes import across_and_up, steps_of
from optuna_ofa.visualization._front_info import FrontInfo
from optuna_ofa.visualization._style import hovering

_MOST = 2000  # points of the line; more make a file of megabytes and look the same


class BoundInfo(NamedTuple):
    """The data of the line.

    Args:
        across: ``(n,)`` costs, in the order of the line.
        up: ``(n,)`` what no prediction exceeds from each of them on.
        shape: Plotly's shape of the line.
    """

    across: NDArray[np.float64]
    up: NDArray[np.float64]
    shape: str


def bound_info(bound: FrontBound, infos: Sequence[FrontInfo]) -> BoundInfo:
    """Collect the data of the line, as far as the fronts in the plot reach.

    Raises:
        InvalidArgumentError: If the objectives of the bound differ, or its axes do.
    """
    metrics = infos[0].front.metrics
    if list(across_and_up(metrics)) != [bound.cost.name, bound.value.name] or len(metrics) != 2:
        raise InvalidArgumentError(
            f"`bound` must be one of {', '.join(metrics)}, but is one of {bound.value.name} by "
            f"{bound.cost.name}."
        )
    sign = bound.cost.sign
    shown = [sign * info.front[i].values[bound.cost.name] for info in infos for i in (0, -1)]
    costs, last = sign * bound.costs, max(shown)
    inside = np.flatnonzero(costs <= last)
    thinned = inside[np.unique(np.linspace(0, len(inside) - 1, _MOST).astype(int))]
    # between two points of a thinned line lies the larger bound
    following = np.append(thinned[1:] - 1, inside[-1])
    across = np.append(costs[thinned], last)
    up = np.append(bound.values[following], bound.values[inside[-1]])
    return BoundInfo(sign * across, up, steps_of(bound.cost))


def bound_trace(info: BoundInfo) -> go.Scatter:
    """Return the line."""
    return go.Scatter(
        x=info.across,
        y=info.up,
        mode="lines",
        name="no prediction is beyond this line (proven)",
        line={"color": "#000000", "width": 0.7, "shape": info.shape},
        **hovering(None),
    )
