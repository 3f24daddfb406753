"""A Pareto front: subnets with their values and where these come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, overload

import numpy as np

from optuna_ofa._arguments import OutputFile, Percent, PositiveFloat, Text, check_argument, checked
from optuna_ofa._plausible import warn_fractions
from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._pareto import checked_reference, hypervolume, limit_words
from optuna_ofa.fronts._point import FrontPoint, values_in_words
from optuna_ofa.fronts._rows import frame_of, html_of_front, write_csv
from optuna_ofa.problem import METRICS, Metric, Orientation, preferred

if TYPE_CHECKING:
    from pandas import DataFrame

_LIMITS = {"top1": Percent}  # of other built-in metrics they are positive
_ANY = Instead("anything", lambda _: True)  # until the metric is known


class Front(Sequence[FrontPoint]):
    """The points that no other point dominates, the fastest or cheapest first.

    Args:
        points: The points in their order.
        objectives: The objectives, or their names: of built-in metrics and those of the points.

    Attributes:
        objectives: The names of the objectives.
        metrics: The objectives by name, with their units and directions.

    Raises:
        InvalidArgumentError: If an objective is not the name of a metric.
    """

    @checked
    def __init__(self, points: Sequence[FrontPoint], objectives: Sequence[str | Metric]) -> None:
        self._points = tuple(points)
        known = {**METRICS, **(points[0].metrics if points else {})}
        self.metrics: dict[str, Metric] = dict(_named(of, known) for of in objectives)
        self.objectives: tuple[str, ...] = tuple(self.metrics)

    @overload
    def __getitem__(self, index: int) -> FrontPoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[FrontPoint]: ...
    def __getitem__(self, index: int | slice) -> FrontPoint | Sequence[FrontPoint]:
        return self._points[index]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[FrontPoint]:
        return iter(self._points)

    def __eq__(self, other: object) -> bool:
        """Return whether another front has equal points in the same order."""
        if not isinstance(other, Front):
            return NotImplemented
        return (self._points, self.metrics) == (other._points, other.metrics)

    def __hash__(self) -> int:
        return hash((self.objectives, tuple(point.subnet for point in self)))

    def __repr__(self) -> str:
        words = f"{len(self)} {self.kind} point{'s' * (len(self) != 1)}"
        return f"Front({' '.join(words.split())}, {' / '.join(self.objectives)})"

    def _repr_html_(self) -> str:
        return html_of_front(self, self.metrics, self.kind)

    @property
    def kind(self) -> str:
        """The kind of the points, ``"predicted"`` or ``"measured"``; empty without points."""
        return " and ".join(dict.fromkeys(point.kind for point in self))

    @checked
    def best(
        self,
        /,
        *,
        latency_ms: PositiveFloat | None = None,
        n_macs: PositiveFloat | None = None,
        n_params: PositiveFloat | None = None,
        moved_mb: PositiveFloat | None = None,
        peak_memory_mb: PositiveFloat | None = None,
        sram_kb: PositiveFloat | None = None,
        flash_kb: PositiveFloat | None = None,
        top1: Percent | None = None,
        **own: float | None,
    ) -> FrontPoint:
        """Return the best point within limits: the most accurate, whatever the order of objectives.

        Where accuracy is not an objective, or is the only metric with a limit, it is the fastest
        point; without latency, the one with the lowest cost, in the order of these arguments.
        Custom metrics come after these, but maximised ones come before all costs.

        Args:
            latency_ms: Upper limit in milliseconds.
            n_macs: Upper limit of multiply-adds.
            n_params: Upper limit of parameters.
            moved_mb: Upper limit of memory traffic in 10^6 bytes.
            peak_memory_mb: Upper limit of peak activation memory in 10^6 bytes.
            sram_kb: Upper limit of the arena of TFLite Micro in units of 1,024 bytes.
            flash_kb: Upper limit of the INT8 file in units of 1,024 bytes.
            top1: Lower limit in percent.
            own: Limits of custom metrics by name: upper limits, or lower ones for maximised
                metrics.

        Raises:
            EmptyFrontError: If no point is within the limits; names the nearest one.
            InvalidArgumentError: If a limit is not a number, or its metric is not an objective.

        Warns:
            ImplausibleValueWarning: ``top1`` is probably a fraction.
        """
        given = {
            "latency_ms": latency_ms,
            "n_macs": n_macs,
            "n_params": n_params,
            "moved_mb": moved_mb,
            "peak_memory_mb": peak_memory_mb,
            "sram_kb": sram_kb,
            "flash_kb": flash_kb,
            "top1": top1,
            **own,
        }
        limits = {name: limit for name, limit in given.items() if limit is not None}
        for name, limit in limits.items():
            if name not in self.objectives and name in own:
                raise InvalidArgumentError(
                    f"`{name}` must be one of the objectives {', '.join(self.objectives)}, but "
                    f"got {name}={limit}."
                )
            if name not in self.objectives:
                raise InvalidArgumentError(
                    f"`{name}` must be None, because the objectives are "
                    f"{', '.join(self.objectives)}, but got {limit}."
                )
            check_argument(name, limit, float)
            warn_fractions(name, limit, f"`{name}`")
        inside = [p for p in self if all(self._excess(p, n, v) <= 0 for n, v in limits.items())]
        if not inside:
            nearest = min(
                self,
                key=lambda p: max(self._excess(p, n, v) for n, v in limits.items()),
                default=None,
            )
            words = (
                values_in_words(nearest.values, nearest.std, self.metrics)
                if nearest
                else "no values"
            )
            raise EmptyFrontError(
                f"No point of the front has {limit_words(limits, self.metrics)}; the nearest has "
                f"{words}."
            )
        aims = preferred(self.metrics)
        aim = aims[1] if list(limits) == aims[:1] and len(aims) > 1 else aims[0]
        return min(inside, key=lambda p: self.metrics[aim].sign * p.values[aim])

    def knee(self) -> FrontPoint:
        """Return the point from which a little more of one objective costs the most of another.

        Objectives are scaled so that each runs from 0, its best on the front, to 1, its worst.
        With two of them the knee is the point farthest from the chord, the straight line between
        the two ends, on the side of the ideal; with more the one with the smallest sum. Among equal
        ones it is the first, so the fastest if no point lies on that side. Points with infinite
        values are left out.

        Raises:
            EmptyFrontError: If no point remains.
        """
        return find_knee(self, self.metrics)

    @checked
    def modes(
        self, limits: Mapping[str, Annotated[float, _ANY]], *, metric: Text = "latency_ms"
    ) -> dict[str, FrontPoint]:
        """Return the best point for each of several limits, such as states of a battery.

        ``front.modes({"full": 40, "saver": 20, "low": 12})`` gives subnets of one supernet, which
        a `SubnetSwitcher` holds together. Several modes may get the same subnet.

        Args:
            limits: Limit of each mode, by its name: an upper one, such as milliseconds, or a
                lower one of a metric that is maximised.
            metric: The objective that is limited.

        Returns:
            A point for each mode, in the order of ``limits``; each is ``best(latency_ms=limit)``,
            or that of the other metric.

        Raises:
            EmptyFrontError: If no point is within a limit; names the mode and the nearest point.
            InvalidArgumentError: If there is no mode, a limit is not a possible value of the
                metric, or the metric is not an objective.
        """
        return find_modes(self, limits, metric)

    @checked
    def hypervolume(self, reference: Mapping[str, float]) -> float:
        """Return the hypervolume between the front and a reference point.

        Its unit is the product of the objectives' units. The values are used as they are, so the
        hypervolume of a predicted front is itself a prediction.

        Args:
            reference: A value for each objective by name, in its unit, worse than the points that
                are to count; a point that is not better in every objective contributes nothing.

        Raises:
            InvalidArgumentError: If a name is missing or not an objective, or a number is not
                finite.
        """
        ordered = checked_reference(reference, self.objectives)
        values = np.array([[p.values[m] for m in self.objectives] for p in self], dtype=float)
        return hypervolume(values, ordered, self.metrics)

    def to_dataframe(self) -> DataFrame:
        """Return the points as a pandas `DataFrame`, in the order of the front.

        Returns:
            Columns ``trial`` (its number), ``kind`` and ``extrapolated`` (the names of the
            metrics, separated by spaces, ``no`` or ``unknown``), then one for each objective in its
            unit, ``NAME_std`` for each that has standard deviations and ``NAME_images`` for each
            that was measured on a known number of images, then ``subnet`` in words and
            ``subnet_json``, which `Subnet.from_json` reads. ``attrs["units"]`` has the units.

        Raises:
            MissingDependencyError: If pandas is not installed; `to_csv` does not need it.
        """
        return frame_of(self, self.metrics)

    @checked
    def to_csv(self, path: OutputFile) -> Path:
        """Write the points as CSV (UTF-8, with a header row), without pandas.

        The columns are those of `to_dataframe`. Numbers are written in full precision, so they read
        back bit for bit; an unknown standard deviation is left empty.

        Args:
            path: The file; its folder must exist.

        Returns:
            The path.

        Raises:
            InvalidArgumentError: If the path cannot be written to.
        """
        place = Path(path)
        write_csv(self, self.objectives, place)
        return place

    def _excess(self, point: FrontPoint, name: str, limit: float) -> float:
        """Return the excess of a point over a limit, relative to it; at most 0 within it."""
        return self.metrics[name].sign * (point.values[name] - limit) / (abs(limit) or 1.0)


def _named(objective: str | Metric, known: Mapping[str, Metric]) -> tuple[str, Metric]:
    """Return an objective with its name."""
    if isinstance(objective, Metric):
        return objective.name, objective.described()
    if objective not in known:
        raise InvalidArgumentError(
            f"`objectives` must be metrics or among {', '.join(known)}, but got {objective!r}."
        )
    return objective, known[objective]


def find_knee(points: Sequence[FrontPoint], metrics: Mapping[str, Metric]) -> FrontPoint:
    """See `Front.knee`."""
    points = [p for p in points if all(math.isfinite(p.values[name]) for name in metrics)]
    if not points:
        raise EmptyFrontError("The front has no point with finite values, so it has no knee.")
    values = np.array([[p.values[name] for name in metrics] for p in points])
    costs = Orientation.of_metrics(metrics).costs(values)
    costs -= costs.min(axis=0)
    ranges = costs.max(axis=0)
    # the chord of normalised costs is where their sum is 1, and the ideal where it is 0
    sums = (costs / np.where(ranges > 0, ranges, 1.0)).sum(axis=1)
    return points[int(sums.argmin())]


def find_modes(front: Front, limits: Mapping[str, float], metric: str) -> dict[str, FrontPoint]:
    """See `Front.modes`."""
    if not limits:
        raise InvalidArgumentError("`limits` must have at least one mode, but is empty.")
    if metric not in front.objectives and metric not in METRICS:
        raise InvalidArgumentError(
            f"`metric` must be one of the objectives {', '.join(front.objectives)}, but got "
            f"{metric!r}."
        )
    modes = {}
    rule = _LIMITS.get(metric, PositiveFloat) if metric in METRICS else float
    for mode, limit in limits.items():
        check_argument(f"limits[{mode!r}]", limit, rule)
        try:
            modes[mode] = front.best(**{metric: limit})
        except EmptyFrontError as error:
            raise EmptyFrontError(f"There is no subnet for mode {mode!r}: {error}") from error
    return modes
