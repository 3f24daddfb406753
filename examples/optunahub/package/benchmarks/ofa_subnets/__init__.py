"""Once-for-All subnets on packaged predictors as a benchmark problem."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import optuna
import optuna_ofa
import optunahub


class Problem(optunahub.benchmarks.BaseProblem):
    """Accuracy and cost of the subnets of a supernet, predicted.

    A search space of 46 categorical parameters for MobileNetV3, many of which have no effect if
    others make a block absent: parameters that give the same network have the same values.

    Args:
        supernet: The family: every published one has packaged latency tables,
            ``"ofa_mbv3_w1.0"`` packaged accuracies too.
        hardware: A latency table: the name of a packaged or published one, or a path. None is
            the family's packaged table.
        accuracy: An accuracy predictor: the name of a published one or a path. None is the
            family's packaged or published one.
        objectives: Out of ``top1`` (percent, up), ``latency_ms``, ``n_macs``, ``n_params``,
            ``moved_mb`` and ``peak_memory_mb`` (all down).
        constraints: Upper bounds by metric, a lower one for ``top1``.
    """

    def __init__(
        self,
        supernet: str = "ofa_mbv3_w1.0",
        *,
        hardware: str | None = None,
        accuracy: str | None = None,
        objectives: Sequence[str] = ("top1", "latency_ms"),
        constraints: Mapping[str, float] | None = None,
    ) -> None:
        study = optuna_ofa.study(
            supernet,
            hardware=hardware,
            accuracy=accuracy,
            objectives=objectives,
            constraints=constraints,
        )
        self._problem = study.problem
        self._directions = study.directions

    @property
    def search_space(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """The parameters of a subnet."""
        return dict(self._problem.space.distributions)

    @property
    def directions(self) -> list[optuna.study.StudyDirection]:
        """Optuna's direction of each objective."""
        return list(self._directions)

    @property
    def metric_names(self) -> list[str]:
        """Names of the objectives, in the order of the values."""
        return list(self._problem.objectives)

    def evaluate(self, params: dict[str, Any]) -> list[float]:
        """The predicted objectives of a subnet, in their order and units."""
        return self._evaluate(params).values[0].tolist()

    def evaluate_constraints(self, params: dict[str, Any]) -> dict[str, float]:
        """The violation of each constraint; at most 0 where it is satisfied."""
        excess = self._evaluate(params).excess[0].tolist()
        return dict(zip(self._problem.constraints, excess, strict=True))

    def _evaluate(self, params: Mapping[str, Any]) -> optuna_ofa.problem.Evaluated:
        return self._problem.evaluate(self._problem.space.from_params([params]))


__all__ = ["Problem"]
