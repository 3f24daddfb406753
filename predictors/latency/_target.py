"""The quantity that a network-wise model predicts, and the cost that it is fitted as."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._rules import Instead, shown
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._base import Direction

Array = NDArray[np.float64]
_DIRECTIONS = ("minimize", "maximize")
# of the lowest cost that was measured
_LEAST_SHARE = 0.1


@runtime_checkable
class Described(Protocol):
    """A name with a direction, such as a `Metric`."""

    name: str
    direction: Direction


def _is_metric(value: Any) -> bool:
    return value is None or isinstance(value, str | Described)


AnyMetric = Annotated[str | Described | None, Instead("a Metric, 'latency_ms' or None", _is_metric)]


class Target(NamedTuple):
    """A metric; one that goes up, such as throughput, is the reciprocal of a cost.

    Args:
        name: Name of the metric.
        direction: ``"maximize"`` if larger is better.
        least: The lowest cost of a reciprocal that is predicted.
    """

    name: str = "latency_ms"
    direction: Direction = "minimize"
    least: float = 0.0

    @property
    def is_reciprocal(self) -> bool:
        """Whether the cost is 1 over the metric."""
        return self.direction == "maximize"

    def costs(self, values: Array) -> Array:
        """Return the costs of values of the metric."""
        return 1 / values if self.is_reciprocal else values

    def values(self, costs: Array) -> Array:
        """Return the values of the metric at costs."""
        return 1 / np.maximum(costs, self.least) if self.is_reciprocal else costs

    def bounded(self, costs: Array) -> Target:
        """Return the target that predicts at least a tenth of the lowest of these costs."""
        return (
            self._replace(least=_LEAST_SHARE * float(costs.min())) if self.is_reciprocal else self
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, JSON-ready."""
        return self._asdict()

    @classmethod
    def from_dict(cls, data: Any) -> Target:
        """Read what `to_dict` returned; None is latency.

        Raises:
            ValueError: If it is something else.
        """
        if data is None:
            return cls()
        target = cls(str(data["name"]), data["direction"], float(data["least"]))
        low = 0.0 if target.is_reciprocal else -1.0
        if target.direction not in _DIRECTIONS or not low < target.least < np.inf:
            raise ValueError(f"its metric is {data!r:.200}")
        return target


def target_of(metric: Any) -> Target:
    """Return the target of a metric, or of latency if it is None.

    Raises:
        InvalidArgumentError: If it is neither ``"latency_ms"`` nor has a name and a direction.
    """
    if metric is None or metric == "latency_ms":
        return Target()
    if not isinstance(metric, Described) or metric.direction not in _DIRECTIONS:
        raise InvalidArgumentError(
            f"`metric` must be a Metric with a direction, such as Metric('images_per_s', "
            f"unit='images/s', direction='maximize'), or 'latency_ms', but got {shown(metric)}."
        )
    if metric.name == "top1":
        raise InvalidArgumentError(
            "`metric` must be a cost or a rate that is a sum over a network, but got 'top1'; use "
            "an AccuracyPredictor."
        )
    return Target(metric.name, metric.direction)
