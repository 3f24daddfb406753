"""The sandwich rule: the largest, the smallest and random subnets in every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from optuna_ofa._arguments import Count, NonNegativeFloat, Positive, PositiveFloat, check_fields
from optuna_ofa.space import SearchSpace, Subnet
from optuna_ofa.supernet import Supernet
from optuna_ofa.training._recipe import (
    Phase,
    Recipe,
    Run,
    draw_resolution,
    draw_subnets,
    with_resolution,
)


@dataclass(frozen=True, kw_only=True)
class Sandwich(Recipe):
    """Train all subnets at once, in one phase (Yu and Huang, 2019; BigNAS, 2020).

    In each step the largest subnet learns from the labels; the smallest and random ones learn
    from the probabilities predicted by the largest in the same step.

    With ``teacher="frozen"`` all of them learn from a frozen copy of the largest subnet as it was
    before the first step, the largest from the labels as well. This suits a supernet made of a
    pretrained network, because that network is then the teacher: its predictions are good from
    the first step on and do not change. The copy is stored in checkpoints.

    A supernet trained from nothing learns slowly from its own untrained largest subnet: for short
    budgets, let all subnets learn from the labels (``label_ratio=1, soft_ratio=0``).

    Args:
        n_steps: Steps of the optimiser.
        learning_rate: The peak learning rate. Gradients of all subnets of a step are summed.
        n_warmup_steps: Steps in which the learning rate rises; None means a twentieth of all.
        n_random: Random subnets per step, besides the largest and the smallest.
        label_ratio: Weight of the labels for subnets other than the largest.
        soft_ratio: Weight of the teacher's probabilities for subnets other than the largest.
        teacher: ``"largest"`` is the largest subnet of the same step; ``"frozen"`` is a copy of
            the largest subnet from before the first step, which sees the images at the resolution
            of the subnet that it teaches.
        shared_resolution: Whether all subnets of a step share one random resolution. Otherwise
            the largest subnet has the largest, the smallest has the smallest, and each other
            subnet a random one.

    Raises:
        InvalidArgumentError: If a number is out of range.
    """

    n_steps: Positive
    learning_rate: PositiveFloat = 0.05
    n_warmup_steps: Count | None = None
    n_random: Count = 2
    label_ratio: NonNegativeFloat = 0.0
    soft_ratio: NonNegativeFloat = 1.0
    shared_resolution: bool = True
    teacher: Literal["largest", "frozen"] = "largest"

    def __post_init__(self) -> None:
        check_fields(self)
        self.phases(None)

    def phases(self, space: SearchSpace | None) -> Sequence[Phase]:
        """Return one phase."""
        warmup = self.n_steps // 20 if self.n_warmup_steps is None else self.n_warmup_steps
        return (Phase("sandwich", self.n_steps, self.learning_rate, warmup),)

    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        """Return the largest subnet with labels, then the others with the teacher's outputs."""
        subnets = [space.largest(), space.smallest(), *draw_subnets(space, self.n_random, rng)]
        if self.shared_resolution:
            resolution = draw_resolution(space, rng)
            subnets = [with_resolution(subnet, resolution) for subnet in subnets]
        largest, *others = subnets
        first = Run(largest, 1.0, self.soft_ratio, "frozen") if self._is_frozen else Run(largest)
        return [first, *map(self._taught, others)]

    def enter(self, space: SearchSpace, phase: int, supernet: Supernet) -> Subnet | None:
        """Return the largest subnet if a copy of it is the teacher."""
        return space.largest() if self._is_frozen else None

    @property
    def _is_frozen(self) -> bool:
        return self.teacher == "frozen"

    def _taught(self, subnet: Subnet) -> Run:
        return Run(
            subnet, self.label_ratio, self.soft_ratio, "frozen" if self._is_frozen else "first"
        )
