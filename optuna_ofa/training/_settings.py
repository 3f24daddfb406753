"""Training settings shared by all recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch.optim.lr_scheduler import LRScheduler

from optuna_ofa._arguments import (
    NonNegativeFloat,
    Positive,
    PositiveFloat,
    Seed,
    Share,
    check_fields,
)
from optuna_ofa._hints import rule_of
from optuna_ofa._rules import Instead, Rule
from optuna_ofa.exceptions import InvalidArgumentError

Momentum = Annotated[float, Rule("a positive number of less than 1", lambda value: 0 < value < 1)]


def _made_by(kind: type, n: int) -> Instead:
    """Return the rule of functions of so many arguments, and of subclasses of a type."""
    function = rule_of(Callable[[Any] * n, Any])
    return Instead(
        f"{function.text}, or a subclass of {kind.__name__}",
        lambda made: (
            issubclass(made, kind) if isinstance(made, type) else function.failure("", made) is None
        ),
    )


OptimizerFactory = Annotated[
    Callable[[list[dict[str, Any]]], torch.optim.Optimizer], _made_by(torch.optim.Optimizer, 1)
]
SchedulerFactory = Annotated[
    Callable[[torch.optim.Optimizer, int], LRScheduler], _made_by(LRScheduler, 2)
]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of the optimiser and of a training step, shared by all recipes.

    The optimiser is SGD with Nesterov momentum unless you give another, and the learning rate
    rises and falls along a cosine in each phase unless you give a scheduler. Both are new in each
    phase, and both restart with a run: the factories must return the same each time.

    Args:
        seed: Seed of everything random: subnets, dropout, the order of the data.
        momentum: Momentum of SGD.
        weight_decay: Weight decay of SGD; not applied to batch normalisation and biases.
        optimizer: Returns the optimiser of a phase, such as
            ``lambda parameters: torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.05)``. It is
            called with two groups of parameters: weights, and batch normalisation and biases,
            whose weight decay is 0. Its learning rates are the highest of the run: they follow the
            recipe's warm-up, cosine and relative rates of phases, not its ``learning_rate``.
        scheduler: Returns the scheduler of a phase for an optimiser and the phase's number of
            steps, such as
            ``lambda optimizer, n_steps: OneCycleLR(optimizer, 0.1, total_steps=n_steps)``. It
            replaces the recipe's warm-up and cosine, and is stepped after each step of training.
        label_smoothing: Share of each label that is spread evenly over all classes.
        max_gradient_norm: Gradients with a larger norm are scaled down to it; None does not clip.
        n_accumulated: Batches of the loader per step; their gradients are averaged.
        average_decay: Decay of a moving average of the weights, such as 0.999, which is evaluated
            and becomes the weights of the supernet at the end; None for no average. It is reset
            in each phase.
        mixed_precision: Whether forward passes on CUDA use float16, with scaled losses;
            ``"bfloat16"`` is that type instead, without scaling, on any device.
        sync_batch_norm: Whether several processes normalise their batches together. Otherwise
            each process normalises its own, as published, which needs batches that are not tiny.

    Raises:
        InvalidArgumentError: If a number is out of range, or momentum or weight decay is given
            beside an optimiser of your own.
    """

    seed: Seed = 0
    momentum: Momentum = 0.9
    weight_decay: NonNegativeFloat = 3e-5
    optimizer: OptimizerFactory | None = None
    scheduler: SchedulerFactory | None = None
    label_smoothing: Share = 0.1
    max_gradient_norm: PositiveFloat | None = None
    n_accumulated: Positive = 1
    average_decay: Share | None = None
    mixed_precision: bool | Literal["bfloat16"] = True
    sync_batch_norm: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("momentum", "weight_decay") if self.optimizer is not None else ():
            value, default = getattr(self, name), getattr(type(self), name)
            if value != default:
                raise InvalidArgumentError(
                    f"`{name}` must be left out beside `optimizer`, which gives its own to the "
                    f"optimizer that it makes, but got {value}."
                )
