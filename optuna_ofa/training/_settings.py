"""Settings of training that are the same for all recipes."""

from __future__ import annotations

from dataclasses import dataclass

from optuna_ofa._errors import InvalidArgumentError


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """How steps are taken, whatever the recipe.

    The optimiser is SGD with Nesterov momentum.

    Args:
        seed: All that is random depends on it: subnets, dropout, the order of the data.
        momentum: Momentum.
        weight_decay: Weight decay; batch normalisation and biases have none.
        label_smoothing: Share of the labels that is spread evenly over all classes.
        max_gradient_norm: Gradients whose norm is larger are scaled to it; None leaves them.
        n_accumulated: Batches of the loader for one step; their gradients are averaged.
        average_decay: Decay of a moving average of the weights, such as 0.999, which is evaluated
            and is what the supernet has at the end; None for none. It starts anew in each phase.
        mixed_precision: Whether forward passes on CUDA are in float16, with scaled losses.
        sync_batch_norm: Whether several processes normalise their batches together. Otherwise
            each normalises its own, as published, which needs batches that are not tiny.

    Raises:
        InvalidArgumentError: If a number is out of its range.
    """

    seed: int = 0
    momentum: float = 0.9
    weight_decay: float = 3e-5
    label_smoothing: float = 0.1
    max_gradient_norm: float | None = None
    n_accumulated: int = 1
    average_decay: float | None = None
    mixed_precision: bool = True
    sync_batch_norm: bool = False

    def __post_init__(self) -> None:
        shares = {"label_smoothing": self.label_smoothing, "momentum": self.momentum,
                  "average_decay": self.average_decay}  # fmt: skip
        for name, share in shares.items():
            if share is not None and not 0 <= share < 1:
                raise InvalidArgumentError(
                    f"`{name}` must be from 0 to less than 1, but got {share!r}."
                )
        if self.seed < 0:
            raise InvalidArgumentError(f"`seed` must not be negative, but got {self.seed!r}.")
        if self.momentum == 0:
            raise InvalidArgumentError("`momentum` must be positive, but got 0.")
        if not self.weight_decay >= 0:
            raise InvalidArgumentError(
                f"`weight_decay` must not be negative, but got {self.weight_decay!r}."
            )
        if self.max_gradient_norm is not None and not self.max_gradient_norm > 0:
            raise InvalidArgumentError(
                f"`max_gradient_norm` must be positive, but got {self.max_gradient_norm!r}."
            )
        if self.n_accumulated < 1:
            raise InvalidArgumentError(
                f"`n_accumulated` must be positive, but got {self.n_accumulated!r}."
            )
