"""A proven bound of a front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._arguments import checked
from optuna_ofa._plausible import numbers
from optuna_ofa._rules import Instead
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.fronts._front import Front
from optuna_ofa.problem import Metric, significant

Array = NDArray[np.float64]


def _are_numbers(value: object) -> bool:
    flat = value.ravel() if isinstance(value, np.ndarray) else value
    if not isinstance(flat, np.ndarray | Sequence | Real):
        return False
    return not bool(np.isnan(numbers(flat, "it")).any())


Limits = Annotated[ArrayLike, Instead("a number or an array of numbers", _are_numbers)]


@dataclass(frozen=True, eq=False)
class FrontBound:
    """What no subnet of a space can exceed, by the predictors; made by `SubnetStudy.bound`.

    It is proven for all subnets, but of predictions: measured values may be better or worse.

    Args:
        cost: The objective that limits apply to, such as ``latency_ms``.
        value: The other objective, which is bounded, such as ``top1``.
        costs: ``(n,)`` costs, ascending; subnets that cost less than the first do not exist.
        values: ``(n,)`` no subnet has a better value unless it costs as much as the next entry.
        front: The best subnets that were met during the proof: predictions without trials.
        cost_error: Rounding errors of costs are far smaller, and ``costs`` lower by it.
        studied: The predicted front of the study at the time; empty without a feasible trial.
        unused: Limits that the proof leaves out, in words, so that the bound may be far from the
            subnets that satisfy them; it holds for these, too.
    """

    cost: Metric
    value: Metric
    costs: Array = field(repr=False)
    values: Array = field(repr=False)
    front: Front
    studied: Front
    cost_error: float = field(repr=False)
    unused: str = ""

    @checked
    def at(self, costs: Limits) -> Array:
        """Return the bounds of subnets up to some costs.

        Args:
            costs: Upper limits of the cost, a number or an array, in its unit; lower limits of one
                that is maximised.

        Returns:
            The best value that a subnet within each limit might have, in the shape of ``costs``;
            infinitely bad (``-inf`` for a maximised value) where there is no subnet.

        Raises:
            InvalidArgumentError: If a limit is not a number.
        """
        limits = self.cost.sign * np.asarray(costs, dtype=float)
        places = np.searchsorted(self.cost.sign * self.costs, limits, side="right")
        return np.append(self.value.sign * np.inf, self.values)[places]

    @checked
    def gap(self, front: Front | None = None, costs: Limits | None = None) -> float:
        """Return by how much any subnet can be better than a front with the same or a lower cost.

        Args:
            front: A front of the same objectives; None takes that of the study.
            costs: Upper limits of the cost at which to compare; None takes all from the first
                point of the front on.

        Returns:
            The largest difference, in the unit of the value; infinite where the front has no point
            within a limit, but a subnet may exist, or where it is empty.

        Raises:
            InvalidArgumentError: If the objectives of the front differ, or a limit is not a number.
        """
        points = self._points(self.studied if front is None else front)
        own, others = self.cost.sign * self.costs, self.cost.sign * points[:, 0]
        if costs is None:
            start = others.min(initial=np.inf)
            limits = np.append(own[own >= start], start)
        else:
            limits = self.cost.sign * np.ravel(np.asarray(costs, dtype=float))
        within = others <= limits[:, None] + 2 * self.cost_error
        values = np.where(within, -self.value.sign * points[:, 1], -np.inf)
        bounds = -self.value.sign * self.at(self.cost.sign * limits)
        exists = np.isfinite(bounds)
        best = values.max(axis=1, initial=-np.inf)
        return float((bounds[exists] - best[exists]).max(initial=0.0))

    def _points(self, front: Front) -> Array:
        names = [self.cost.name, self.value.name]
        if set(front.objectives) != set(names):
            raise InvalidArgumentError(
                f"`front` must have the objectives {', '.join(names)}, but has "
                f"{', '.join(front.objectives)}."
            )
        return np.array([[p.values[name] for name in names] for p in front]).reshape(-1, 2)

    def __str__(self) -> str:
        lines = [
            f"No subnet has a predicted {self.value.name} that is more than "
            f"{self._gap_words(self.front)} better than the {len(self.front):,} subnets of the "
            f"proof's own front, at any {self.cost.name}{self._from()}."
        ]
        if len(self.studied):
            start = self.studied[0].values[self.cost.name]
            lines.append(
                f"The study's front of {len(self.studied):,} subnets is at most "
                f"{self._gap_words(self.studied)} below what is possible, from "
                f"{self.cost.text(start)} on."
            )
        lines.append("This is proven for the predictors, not for measured values.")
        if self.unused:
            lines.append(f"The proof does not use the limit {self.unused}.")
        return " ".join(lines)

    def _from(self) -> str:
        return f" from {self.cost.text(float(self.costs[0]))} on" if len(self.costs) else ""

    def _gap_words(self, front: Front) -> str:
        return f"{significant(self.gap(front), 2)} {self.value.difference_unit}".rstrip()
