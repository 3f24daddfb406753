"""The quantities that can be objectives and constraints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from optuna_ofa.problem._numbers import decimals, scaled


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

    @property
    def difference_unit(self) -> str:
        """Unit of a difference of two values: points for percentages."""
        return "points" if self.unit == "%" else self.unit

    def amount(self, value: float) -> str:
        """Return a number that somebody gave, with its unit: ``20 ms``, ``3,410,792``."""
        return f"{value:g} {self.unit}" if self.unit else f"{value:,.0f}"

    def decimals(self, values: Iterable[float], std: Iterable[float] = ()) -> int:
        """Return how many decimals values of one column need, with their standard deviations."""
        if not self.unit:
            return 0
        return decimals(values, std, usual=2 if self.unit == "%" else None)

    def text(
        self, value: float, std: float | None = None, *, n: int | None = None, sign: str = ""
    ) -> str:
        """Return a value with its standard deviation and unit: ``14.90 ± 0.20 ms``.

        Args:
            value: The value.
            std: Its standard deviation, if known.
            n: Number of decimals; None takes those that the value needs.
            sign: ``"+"`` marks values that are not negative.
        """
        return f"{self.number(value, std, n=n, sign=sign)} {self.unit}".rstrip()

    def number(
        self, value: float, std: float | None = None, *, n: int | None = None, sign: str = ""
    ) -> str:
        """Return what `text` returns, without the unit."""
        known = [] if std is None or math.isnan(std) else [std]
        places = self.decimals([value], known) if n is None else n
        spread = "".join(f" ± {one:,.{places}f}" for one in known)
        return f"{value:{sign},.{places}f}{spread}"

    def column(
        self, values: Sequence[float], std: Sequence[float | None] | None = None
    ) -> list[str]:
        """Return the texts of one column of a table, whose head has the unit.

        Counts are in thousands or millions, with the letter k or M.

        Args:
            values: The values.
            std: Standard deviations, None or NaN where they are not known.
        """
        if not self.unit:
            return scaled(values)
        spreads = [None] * len(values) if std is None else list(std)
        n = self.decimals(values, [one for one in spreads if one is not None])
        return [self.number(v, one, n=n) for v, one in zip(values, spreads, strict=True)]


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
