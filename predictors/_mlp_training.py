"""Training the network of Once-for-All's accuracy predictor on measured subnets."""

from __future__ import annotations

import itertools
import math

import torch

from optuna_ofa.formats import space_encoding
from optuna_ofa.predictors._rows import MeasuredRows
from optuna_ofa.predictors.accuracy._onehot_mlp import OneHotMLP
from optuna_ofa.space import SearchSpace

_HIDDEN = (400, 400, 400)
_N_STEPS = 1_000
_BATCH = 64
_LEARNING_RATE = 1e-3
_WEIGHT_DECAY = 1e-2

Layers = list[tuple[torch.Tensor, torch.Tensor | None]]


def train_mlp(space: SearchSpace, rows: MeasuredRows, *, seed: int) -> OneHotMLP:
    """A network of three hidden layers of 400 units on one-hot inputs.

    Adam with decoupled weight decay and a cosine schedule, squared errors.

    Args:
        space: The space of the rows.
        rows: Measured subnets.
        seed: Of the first weights and of the order of the rows.
    """
    encoding = space_encoding(space)
    inputs = torch.from_numpy(encoding.encode(space, rows.matrix))
    level, scale = float(rows.top1.mean()), max(float(rows.top1.std()), 1e-6)
    targets = torch.from_numpy((rows.top1 - level) / scale).float()
    generator = torch.Generator().manual_seed(seed)
    layers = _first_layers((encoding.n_inputs, *_HIDDEN, 1), generator)
    _train(layers, inputs, targets, generator)
    weight, bias = layers[-1]
    final = (weight * scale / 100, bias * scale / 100)  # from standardised to fractions
    trained: Layers = [(w.detach(), b.detach()) for w, b in (*layers[:-1], final)]
    return OneHotMLP(encoding=encoding, space=space, layers=trained, base=level / 100)


def _first_layers(
    sizes: tuple[int, ...], generator: torch.Generator
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Weights as `torch.nn.Linear` draws them, from a generator of our own."""
    layers = []
    for n_in, n_out in itertools.pairwise(sizes):
        bound = 1 / math.sqrt(n_in)
        weight = torch.empty(n_out, n_in).uniform_(-bound, bound, generator=generator)
        bias = torch.empty(n_out).uniform_(-bound, bound, generator=generator)
        layers.append((weight.requires_grad_(), bias.requires_grad_()))
    return layers


def _train(
    layers: list[tuple[torch.Tensor, torch.Tensor]],
    inputs: torch.Tensor,
    targets: torch.Tensor,
    generator: torch.Generator,
) -> None:
    parameters = [tensor for layer in layers for tensor in layer]
    optimizer = torch.optim.AdamW(
        parameters, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _N_STEPS)
    order = torch.empty(0, dtype=torch.long)
    with torch.enable_grad():
        for _ in range(_N_STEPS):
            if len(order) < min(_BATCH, len(inputs)):
                order = torch.randperm(len(inputs), generator=generator)
            batch, order = order[:_BATCH], order[_BATCH:]
            x = inputs[batch]
            for i, (weight, bias) in enumerate(layers):
                x = torch.nn.functional.linear(x.relu() if i else x, weight, bias)
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(x[:, 0], targets[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
