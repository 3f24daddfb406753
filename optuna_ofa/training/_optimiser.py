"""The optimiser, and how its learning rate goes through a phase."""

from __future__ import annotations

import math

import torch
from torch import nn

from optuna_ofa.training._recipe import Phase
from optuna_ofa.training._settings import TrainingSettings


def make_optimiser(net: nn.Module, settings: TrainingSettings) -> torch.optim.SGD:
    """SGD with Nesterov momentum, without weight decay for batch normalisation and biases."""
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
    """The learning rate of a step of a phase, counted from 0: a linear rise, then a cosine."""
    if step < phase.n_warmup_steps:
        return phase.learning_rate * (step + 1) / (phase.n_warmup_steps + 1)
    done = (step - phase.n_warmup_steps) / (phase.n_steps - phase.n_warmup_steps)
    return phase.learning_rate * (1 + math.cos(math.pi * done)) / 2
