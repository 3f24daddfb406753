"""Training settings shared by all recipes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn

from optuna_ofa._arguments import (
    NonNegativeFloat,
    Positive,
    PositiveFloat,
    Seed,
    Share,
    check_fields,
)
from optuna_ofa._rules import Rule
from optuna_ofa.training._recipe import Phase

Momentum = Annotated[float, Rule("a positive number of less than 1", lambda value: 0 < value < 1)]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of the optimiser and of a training step, shared by all recipes.

    The optimiser is SGD with Nesterov momentum.

    Args:
        seed: Seed of everything random: subnets, dropout, the order of the data.
        momentum: Momentum.
        weight_decay: Weight decay; not applied to batch normalisation and biases.
        label_smoothing: Share of each label that is spread evenly over all classes.
        max_gradient_norm: Gradients with a larger norm are scaled down to it; None does not clip.
        n_accumulated: Batches of the loader per step; their gradients are averaged.
        average_decay: Decay of a moving average of the weights, such as 0.999, which is evaluated
            and becomes the weights of the supernet at the end; None for no average. It is reset
            in each phase.
        mixed_precision: Whether forward passes on CUDA use float16, with scaled losses.
        sync_batch_norm: Whether several processes normalise their batches together. Otherwise
            each process normalises its own, as published, which needs batches that are not tiny.

    Raises:
        InvalidArgumentError: If a number is out of range.
    """

    seed: Seed = 0
    momentum: Momentum = 0.9
    weight_decay: NonNegativeFloat = 3e-5
    label_smoothing: Share = 0.1
    max_gradient_norm: PositiveFloat | None = None
    n_accumulated: Positive = 1
    average_decay: Share | None = None
    mixed_precision: bool = True
    sync_batch_norm: bool = False

    def __post_init__(self) -> None:
        check_fields(self)


def make_optimiser(net: nn.Module, settings: TrainingSettings) -> torch.optim.SGD:
    """Return SGD with Nesterov momentum; batch normalisation and biases have no weight decay."""
    parameters = [p for p in net.parameters() if p.requires_grad]
    groups = [
        # batch normalisation and biases are vectors, all other weights are not
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    # the learning rate is set before each step
    return torch.optim.SGD(groups, lr=0.0, momentum=settings.momentum, nesterov=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimiser.param_groups:
        group["lr"] = value


def learning_rate(phase: Phase, step: int) -> float:
    """Return the learning rate of a step of a phase, from 0: a linear rise, then a cosine."""
    if step < phase.n_warmup_steps:
        return phase.learning_rate * (step + 1) / (phase.n_warmup_steps + 1)
    done = (step - phase.n_warmup_steps) / (phase.n_steps - phase.n_warmup_steps)
    return phase.learning_rate * (1 + math.cos(math.pi * done)) / 2
