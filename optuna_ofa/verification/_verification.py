"""A verified front as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from optuna_ofa.space import Subnet
from optuna_ofa.studies._front import Front
from optuna_ofa.studies._metrics import METRICS
from optuna_ofa.verification._errors_of import MetricErrors, errors_of
from optuna_ofa.verification._point import VerifiedPoint

if TYPE_CHECKING:
    import plotly.graph_objects as go

_WORDS = {True: "exploited", False: "", None: "unknown"}


@dataclass(frozen=True)
class Verification:
    """Predicted beside measured; made by `SubnetStudy.verify`.

    Args:
        metrics: What was measured; exact costs are not among them.
        points: The subnets, in the order of the front that they were chosen from.
        front: The front of all measured subnets of the study; empty where none has all
            objectives and satisfies the constraints.
        failures: Why a subnet could not be measured.
    """

    metrics: tuple[str, ...]
    points: tuple[VerifiedPoint, ...]
    front: Front
    failures: Mapping[Subnet, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.points)

    def __iter__(self) -> Iterator[VerifiedPoint]:
        return iter(self.points)

    @cached_property
    def errors(self) -> dict[str, MetricErrors]:
        """Figures of each metric that was measured."""
        return {metric: errors_of(metric, self.points) for metric in self.metrics}

    @property
    def exploited(self) -> tuple[VerifiedPoint, ...]:
        """The points of which some metric is worse than the 90 % interval of its prediction."""
        return tuple(
            p for p in self.points if any(m in p.measured and p.exploited(m) for m in self.metrics)
        )

    def plot(self) -> go.Figure:
        """Draw predicted and measured, joined for each subnet; see `plot_verification`.

        Raises:
            InvalidArgumentError: If there are not two objectives, or no points.
        """
        from optuna_ofa.visualization import plot_verification

        return plot_verification(self)

    def __str__(self) -> str:
        failed = f", {len(self.failures)} failed" if self.failures else ""
        n = len(self.points)
        head = f"{n} subnet{'s' * (n != 1)} measured{failed}; predicted -> measured (error)"
        lines = [head, *self._rows(), "", *self._figures()]
        return "\n".join(line.rstrip() for line in lines)

    def _rows(self) -> Iterator[str]:
        for i, point in enumerate(self.points, start=1):
            cells = (_cell(point, metric) for metric in self.metrics)
            yield f"{i:3}  " + "  ".join(f"{cell:<58}" for cell in cells)

    def _figures(self) -> Iterator[str]:
        head = ("n", "MAPE %", "RMSE", "bias", "Kendall", "exploited")
        yield f"{'':16}" + "".join(f"{h:>11}" for h in head)
        for metric, of in self.errors.items():
            known = f"{of.n_exploited} of {of.n_known}" if of.n_known else "unknown"
            figures = "".join(f"{x:11.3f}" for x in (of.mape, of.rmse, of.bias, of.kendall))
            yield f"{metric:16}{of.n:11}{figures}{known:>11}"


def _cell(point: VerifiedPoint, metric: str) -> str:
    if metric not in point.measured:
        return f"{metric} not measured"
    predicted = _number(metric, point.predicted[metric], point.predicted_std.get(metric))
    measured = _number(metric, point.measured[metric], point.measured_std.get(metric))
    error = _number(metric, point.error(metric), None, sign="+")
    word = _WORDS[point.exploited(metric)]
    return f"{metric} {predicted} -> {measured} ({error}) {word}".rstrip()


def _number(metric: str, value: float, std: float | None, sign: str = "") -> str:
    digits = ".2f" if METRICS[metric].unit else ",.0f"
    spread = "" if std is None else f" ± {std:{digits}}"
    return f"{value:{sign}{digits}}{spread}"
