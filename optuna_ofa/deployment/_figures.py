"""Values of a subnet that are written beside its export."""

from __future__ import annotations

import math
from dataclasses import dataclass

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts import FrontPoint
from optuna_ofa.problem import MEASURED, METRICS, PREDICTED


@dataclass(frozen=True)
class KnownValue:
    """A predicted or measured value of a subnet, for the file beside an export.

    Args:
        metric: The metric, such as ``"top1"`` (percent) or ``"latency_ms"``.
        value: The value, in the unit of the metric.
        kind: ``"predicted"`` or ``"measured"``.
        device: The device and runtime that it is for; None where it does not depend on one.
        std: Its standard deviation, in the same unit, if known.

    Raises:
        InvalidArgumentError: If the metric or the kind is unknown, or the value is not finite.
    """

    metric: str
    value: float
    kind: str
    device: str | None = None
    std: float | None = None

    def __post_init__(self) -> None:
        for argument, known in (("metric", tuple(METRICS)), ("kind", (PREDICTED, MEASURED))):
            given = getattr(self, argument)
            if given not in known:
                raise InvalidArgumentError(
                    f"`{argument}` must be one of {', '.join(known)}, but got {given!r}."
                )
        if not math.isfinite(self.value):
            raise InvalidArgumentError(f"`value` must be finite, but got {self.value!r}.")


def figures_of(point: FrontPoint, *, device: str | None = None) -> tuple[KnownValue, ...]:
    """Return the values of a point of a front.

    Args:
        point: The point.
        device: The device and runtime that its latency is for.
    """
    return tuple(
        KnownValue(
            name, value, point.kind, device if name == "latency_ms" else None, point.std.get(name)
        )
        for name, value in point.values.items()
    )
