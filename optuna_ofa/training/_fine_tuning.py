"""Fine-tuning a single subnet before it is deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optuna_ofa._arguments import Count, Positive, PositiveFloat, check_fields
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.training._recipe import Phase, Recipe, Run


@dataclass(frozen=True, kw_only=True)
class FineTuning(Recipe):
    """Train one subnet on the labels, at its own resolution, in one phase.

    It changes weights that other subnets share, so pass `train` a copy of the supernet
    (`copy.deepcopy`) and extract the subnet from that. The kernel transforms are trained along
    with the weights.

    Args:
        subnet: The subnet.
        n_steps: Steps of the optimiser.
        learning_rate: The peak learning rate; small, because the weights are already trained.
        n_warmup_steps: Steps in which the learning rate rises.

    Raises:
        InvalidArgumentError: If a number is out of range.
    """

    subnet: Subnet
    n_steps: Positive
    learning_rate: PositiveFloat = 0.005
    n_warmup_steps: Count = 0

    def __post_init__(self) -> None:
        check_fields(self)
        self.phases(None)

    def phases(self, space: SearchSpace | None) -> Sequence[Phase]:
        """Return one phase."""
        return (Phase("fine-tuning", self.n_steps, self.learning_rate, self.n_warmup_steps),)

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        """Return one run: the subnet, trained on the labels."""
        return [Run(self.subnet)]
