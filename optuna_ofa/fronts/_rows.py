"""The points of a front as rows: for pandas, CSV files and notebooks."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_ofa._imports import try_import
from optuna_ofa._notebook import html_table
from optuna_ofa._writing import write_whole
from optuna_ofa.fronts._columns import kind_cell, marked, title_of
from optuna_ofa.fronts._extrapolated import extrapolation_note
from optuna_ofa.fronts._pareto import evenly
from optuna_ofa.fronts._point import FrontPoint
from optuna_ofa.problem import Metric

if TYPE_CHECKING:
    from pandas import DataFrame

_pandas = try_import("pandas", extra="pandas")
_MOST_SHOWN = 10  # lines of a front in a notebook


def rows_of(points: Sequence[FrontPoint], objectives: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each point, all with the same keys in the same order.

    Standard deviations follow the objectives, for every objective where any point has one, and then
    numbers of images; None where a point has none.
    """
    known = [m for m in objectives if any(m in point.std for point in points)]
    on_images = [m for m in objectives if any(m in point.n_images for point in points)]
    return [
        {
            "trial": point.trial_number,
            "kind": point.kind,
            "extrapolated": _extrapolated(point),
            **{m: float(point.values[m]) for m in objectives},
            **{f"{m}_std": float(point.std[m]) if m in point.std else None for m in known},
            **{f"{m}_images": point.n_images.get(m) for m in on_images},
            "subnet": str(point.subnet),
            "subnet_json": point.subnet.to_json(),
        }
        for point in points
    ]


def columns_of(objectives: Sequence[str]) -> list[str]:
    """Return the keys of rows without standard deviations: those of a front without points."""
    return ["trial", "kind", "extrapolated", *objectives, "subnet", "subnet_json"]


def _extrapolated(point: FrontPoint) -> str:
    """Return the extrapolated metrics of a point, separated by spaces; ``no`` or ``unknown``."""
    return "unknown" if point.extrapolated is None else " ".join(point.extrapolated) or "no"


def frame_of(points: Sequence[FrontPoint], metrics: Mapping[str, Metric]) -> DataFrame:
    """Return the rows as a pandas `DataFrame`; see `Front.to_dataframe`."""
    pandas = _pandas.check()
    rows = rows_of(points, list(metrics))
    frame: DataFrame = pandas.DataFrame(
        rows, columns=[*rows[0]] if rows else columns_of([*metrics])
    )
    for name in frame.columns:
        if name.endswith("_std"):  # pandas would make an object column of None alone
            frame[name] = frame[name].astype(float)
        if name.endswith("_images"):  # whole numbers that may be missing
            frame[name] = frame[name].astype("Int64")
    frame.attrs["units"] = {name: metric.unit for name, metric in metrics.items()}
    return frame


def write_csv(points: Sequence[FrontPoint], objectives: Sequence[str], path: Path) -> None:
    """Write the rows as CSV; see `Front.to_csv`."""
    rows = rows_of(points, objectives)
    text = io.StringIO(newline="")
    names = [*rows[0]] if rows else columns_of(objectives)
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole({path: text.getvalue().encode("utf-8")})


def html_of_front(points: Sequence[FrontPoint], metrics: Mapping[str, Metric], kind: str) -> str:
    """Return a front for notebooks: at most ten points, evenly along it, the ends included."""
    shown = [points[i] for i in evenly(len(points), _MOST_SHOWN)]
    columns = [
        marked(metric.column([p.values[m] for p in shown], [p.std.get(m) for p in shown]), shown, m)
        for m, metric in metrics.items()
    ]
    rows = [
        [*(c[i] for c in columns), kind_cell(p), str(p.trial_number), str(p.subnet)]
        for i, p in enumerate(shown)
    ]
    plural = "s" * (len(points) != 1)
    part = f", {len(shown)} of them shown" if len(shown) < len(points) else ""
    caption = f"Pareto front: {len(points)} {kind} point{plural}{part}".replace("  ", " ")
    titles = [title_of(metric, shown) for metric in metrics.values()]
    head = [*titles, "Values are", "Trial", "Subnet"]
    numeric = [*([True] * len(metrics)), False, True, False]
    notes = [extrapolation_note(points, in_table=True)]
    if len(shown) < len(points):
        notes.append("All points: front.to_dataframe(), front.to_csv(path)")
    return html_table(caption, head, rows, numeric, " ".join(filter(None, notes)))
