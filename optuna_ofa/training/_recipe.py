"""Recipes: the phases of training, and the subnets and losses of a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from optuna_ofa._arguments import Count, NonNegativeFloat, Positive, PositiveFloat, check_fields
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.space import SearchSpace, Subnet, subnet_of
from optuna_ofa.supernet import Supernet


@dataclass(frozen=True)
class Phase:
    """A part of training with its own learning-rate schedule and optimiser.

    Args:
        name: Its name in logs.
        n_steps: Steps of the optimiser.
        learning_rate: The peak learning rate, from which it falls to 0 along a cosine.
        n_warmup_steps: Steps of a linear warm-up before that.

    Raises:
        InvalidArgumentError: If a number is out of range.
    """

    name: str
    n_steps: Positive
    learning_rate: PositiveFloat
    n_warmup_steps: Count = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.n_warmup_steps < self.n_steps:
            raise InvalidArgumentError(
                f"`n_warmup_steps` must be from 0 to less than the {self.n_steps} steps of phase "
                f"{self.name!r}, but got {self.n_warmup_steps}."
            )


@dataclass(frozen=True)
class Run:
    """One subnet of a step: forward, loss, backward; the gradients of a step's runs are summed.

    Args:
        subnet: The subnet; images are resized to its resolution.
        label_ratio: Weight of the cross entropy with the smoothed labels.
        soft_ratio: Weight of the cross entropy with the teacher's probabilities.
        teacher: ``"first"`` is the first run of the step, whose logits are reused;
            ``"frozen"`` is the net that the recipe froze on entering a phase, on the same images.
    """

    subnet: Subnet
    label_ratio: NonNegativeFloat = 1.0
    soft_ratio: NonNegativeFloat = 0.0
    teacher: Literal["first", "frozen"] | None = None

    def __post_init__(self) -> None:
        check_fields(self)


class Recipe(ABC):
    """A training recipe; `train` does everything that recipes have in common.

    `train` calls `phases` once; `enter` before the first step of each phase, but not when it
    resumes from a checkpoint; and `runs` before every step, in every process. `runs` must depend
    only on its arguments, so that a resumed run and other processes do the same.

    The ``repr`` identifies a recipe: a frozen dataclass has a good one.
    """

    @abstractmethod
    def phases(self, space: SearchSpace) -> Sequence[Phase]:
        """Return the phases in order, at least one."""

    @abstractmethod
    def runs(self, space: SearchSpace, phase: int, rng: np.random.Generator) -> Sequence[Run]:
        """Return the runs of one step, at least one.

        Args:
            space: The subnets to train.
            phase: Index of the phase.
            rng: The source of all randomness.
        """

    def enter(self, space: SearchSpace, phase: int, supernet: Supernet) -> Subnet | None:
        """Prepare the supernet for a phase; it may be changed in place.

        Returns:
            The subnet whose copy becomes the frozen teacher; None keeps the previous one.
        """
        return None

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({vars(self)})"


def check_runs(runs: Sequence[Run], space: SearchSpace, has_teacher: bool) -> None:
    """Raise an error if there is no run or a teacher is missing.

    Raises:
        InvalidArgumentError: In either case.
    """
    if not runs:
        raise InvalidArgumentError("`recipe.runs` must give at least one run, but gave none.")
    for i, run in enumerate(runs):
        missing = (
            (run.teacher == "first" and i == 0)
            or (run.teacher == "frozen" and not has_teacher)
            or (run.teacher is None and run.soft_ratio != 0)
        )
        if missing:
            raise InvalidArgumentError(
                "`recipe.runs` must give a teacher to every run with soft labels, an earlier run "
                f"or a net that `recipe.enter` froze, but run {i} has {run.teacher!r} and none is "
                "there."
            )


def draw_subnets(space: SearchSpace, n: int, rng: np.random.Generator) -> list[Subnet]:
    """Draw random subnets, with all choices equally likely."""
    return [subnet_of(space.family, row) for row in space.sample(n, seed=rng).tolist()]


def draw_resolution(space: SearchSpace, rng: np.random.Generator) -> int:
    """Draw a random resolution in pixels."""
    return space.resolutions[rng.integers(len(space.resolutions))]


def with_resolution(subnet: Subnet, resolution: int) -> Subnet:
    """Return the same subnet for images of another size."""
    return replace(subnet, resolution=resolution)
