"""The choices of the subnets of a front, from the fastest to the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from optuna_ofa._arguments import Positive, checked
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import Findings, Front, cost_metric
from optuna_ofa.problem import Kind, Metric
from optuna_ofa.space import AnySubnet, Configuration, Family, Subnet, table_of
from optuna_ofa.visualization._choices_map import choices_map, left_out, shares_of
from optuna_ofa.visualization._origin import axis_title, devices_of, origin_words
from optuna_ofa.visualization._style import BELOW, finish, hovering, kernel_colour, shades

_MAX_BINS = 20
_TITLES = {"kernel": "Kernels", "depth": "Depths", "expand": "Expand ratios"}


class ChoicesInfo(NamedTuple):
    """The data of a plot of a front's choices.

    Args:
        metric: The cost that the front is sorted by.
        cost: ``(n_bins,)`` mean cost of the subnets in each bin, ascending; the numbers
            of subnets in bins differ by at most one.
        n_subnets: ``(n_bins,)`` numbers of subnets in the bins.
        shares: For each of ``kernel``, ``depth`` and ``expand`` that the family has, the share of
            each choice in percent, ``(n_bins,)``. Kernels and ratios are counted over the elastic
            blocks of a subnet, depths over its stages. For a plain table, that of each value of
            each parameter; None stands for an inactive one.
    """

    metric: Metric
    cost: NDArray[np.float64]
    n_subnets: NDArray[np.intp]
    shares: dict[str, dict[Any, NDArray[np.float64]]]


@checked
def choices_info(front: Front, *, n_bins: Positive = _MAX_BINS) -> ChoicesInfo:
    """Collect the data of `plot_choices`."""
    if not len(front):
        raise InvalidArgumentError("`front` must have at least one point, but it has none.")
    metric = cost_metric(front.metrics) or front.objectives[0]
    points = sorted(front, key=lambda p: p.values[metric])
    bins = np.array_split(np.arange(len(points)), min(n_bins, len(points)))
    shares = _shares([[points[i].subnet for i in one] for one in bins])
    cost = np.array([np.mean([points[i].values[metric] for i in one]) for one in bins])
    return ChoicesInfo(front.metrics[metric], cost, np.array([len(one) for one in bins]), shares)


def _shares(bins: Sequence[Sequence[AnySubnet]]) -> dict[str, dict[Any, NDArray[np.float64]]]:
    first = bins[0][0]
    if isinstance(first, Configuration):
        return shares_of(first.table.genes, cast("Sequence[Sequence[Configuration]]", bins))
    shares = {}
    for gene in _TITLES:
        choices = _choices(first, gene)
        per_bin = [[x for subnet in one for x in _chosen(subnet, gene)] for one in bins]
        if choices:
            shares[gene] = {
                choice: np.array([100 * chosen.count(choice) / len(chosen) for chosen in per_bin])
                for choice in choices
            }
    return shares


def _choices(subnet: Subnet, gene: str) -> tuple[float, ...]:
    family = subnet.family
    if gene == "kernel":
        return family.kernels if subnet.kernel else ()
    if gene == "expand":
        return family.expands
    of_stages = family.depth_choices[-len(family.stages) :]  # a ResNet's stem has a depth too
    return tuple(sorted({d for choices in of_stages for d in choices}))


def _chosen(subnet: Subnet, gene: str) -> list[float]:
    if gene == "depth":
        return list(subnet.depth[-len(subnet.family.stages) :])
    return [x for x in getattr(subnet, gene) if x]


@checked
def plot_choices(
    front: Front | Findings, *, n_bins: Positive = _MAX_BINS, kind: Kind | None = None
) -> go.Figure:
    """Plot the share of each kernel size, depth and expand ratio along a front.

    Of a space that is a plain table of choices, the share of each value of each parameter.

    Args:
        front: The front, or a study, which adds the date of its last trial.
        n_bins: Number of bins; a front with fewer points has one for each point.
        kind: As in `SubnetStudy.front`, for a study.

    Raises:
        EmptyFrontError: If the study has no feasible trial.
        InvalidArgumentError: If the front is empty, or ``n_bins`` is below 1.
    """
    moment = None
    if not isinstance(front, Front):
        found = front.snapshot()
        front, moment = found.front(kind=kind), found.finished
    info = choices_info(front, n_bins=n_bins)
    table, title = table_of(front[0].subnet), axis_title(info.metric, [front[0].kind])
    name = f"{table.name}: what the front prefers"
    n = f"{len(front):,} {table.noun}s in {len(info.cost)} bins of equal number"
    origin = origin_words(devices_of(front), [moment])
    if not isinstance(table, Family):
        figure = choices_map(info.shares, [info.metric.text(c) for c in info.cost.tolist()])
        return finish(figure.update_xaxes(title=title), name, n, left_out(info.shares), origin)
    titles = [_TITLES[gene] for gene in info.shares]
    figure = make_subplots(
        rows=1, cols=len(titles), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.04
    )
    for column, (gene, shares) in enumerate(info.shares.items(), start=1):
        colours = shades(len(shares))
        for choice, colour in zip(shares, colours, strict=True):
            if gene == "kernel":
                colour = kernel_colour(int(choice))
            figure.add_trace(_area(info, gene, choice, colour), row=1, col=column)
    figure.update_xaxes(nticks=5)
    figure.update_xaxes(title=title, col=(len(titles) + 1) // 2)  # they are the same
    figure.update_annotations(font={"size": 13})
    figure.update_yaxes(range=[0, 100], title="Share (%)", col=1)
    finish(figure, name, n, origin)
    figure.update_layout(margin={"t": figure.layout.margin.t + 22, "b": 96, "l": 60, "r": 16})
    below = {**BELOW, "xanchor": "center", "traceorder": "normal", "font": {"size": 11}}
    for i, gene in enumerate(info.shares):  # a legend under each
        name = "legend" if i == 0 else f"legend{i + 1}"
        width = 24 if gene == "kernel" else 10
        place = {"x": (i + 0.5) / len(titles), "entrywidth": width}
        figure.update_layout({name: {**below, **place}})
        figure.update_traces(legend=name, selector={"legendgroup": gene})
    return figure


def _area(info: ChoicesInfo, gene: str, choice: float, colour: str) -> go.Scatter:
    share, metric = info.shares[gene][choice], info.metric
    label = {"kernel": f"{choice:g}x{choice:g}", "depth": f"depth {choice:g}"}
    name = label.get(gene, f"ratio {choice:g}")
    short = name if gene == "kernel" else f"{choice:g}"  # the title above says the rest
    hover = [
        f"{name}: {s:.0f} %<br>{n} subnet{'s' * (n > 1)} around {metric.text(c)}"
        for s, n, c in zip(share.tolist(), info.n_subnets.tolist(), info.cost.tolist(), strict=True)
    ]
    return go.Scatter(
        x=info.cost,
        y=share,
        name=short,
        mode="lines",
        stackgroup=gene,
        legendgroup=gene,
        line={"width": 0.5, "color": "white"},
        fillcolor=colour,
        **hovering(hover),
    )
