"""The quantities that can be objectives and constraints."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """One quantity.

    Args:
        name: Its name in objectives and constraints.
        title: How it is written on an axis.
        unit: Unit, empty for counts.
        maximize: Whether larger is better; a constraint is then a lower bound.
    """

    name: str
    title: str
    unit: str
    maximize: bool

    @property
    def axis(self) -> str:
        """Title with unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def amount(self, value: float) -> str:
        """Return a value with its unit: ``29.97 ms``, ``3,410,792``."""
        return f"{value:g} {self.unit}" if self.unit else f"{value:,.0f}"


METRICS = {
    metric.name: metric
    for metric in (
        Metric("top1", "Top-1 accuracy", "%", True),
        Metric("latency_ms", "Latency", "ms", False),
        Metric("n_macs", "Multiply-adds", "", False),
        Metric("n_params", "Parameters", "", False),
        Metric("moved_mb", "Memory traffic", "MB", False),
        Metric("peak_memory_mb", "Peak activation memory", "MB", False),
    )
}
