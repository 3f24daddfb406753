"""Checks for finite weights: NaN and infinity are found before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from optuna_ofa.exceptions import InvalidArgumentError


def require_finite(net: nn.Module, argument: str) -> None:
    """Refuse a network whose weights or statistics are not all finite.

    Args:
        net: The network.
        argument: Name of the caller's argument in the message.

    Raises:
        InvalidArgumentError: With the name of the first such weight.
    """
    name = not_finite(net.state_dict())
    if name is not None:
        raise InvalidArgumentError(
            f"`{argument}` must have finite weights and statistics, but `{name}` has NaN or "
            f"infinity."
        )


def not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with NaN or infinity, None if there is none."""
    return next(
        (
            name
            for name, tensor in state.items()
            # the sum is faster, and non-finite if any entry is
            if tensor.is_floating_point()
            and not tensor.sum().isfinite()
            and not tensor.isfinite().all()
        ),
        None,
    )
