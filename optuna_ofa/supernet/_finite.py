"""Weights that are numbers: NaN and infinity are found before anything is computed with them."""

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
        InvalidArgumentError: With the name of the first weight.
    """
    name = not_finite(net.state_dict())
    if name is not None:
        raise InvalidArgumentError(
            f"`{argument}` must have finite weights and statistics, but `{name}` has NaN or "
            f"infinity."
        )


def not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with NaN or infinity, None where there is none."""
    return next(
        (
            name
            for name, tensor in state.items()
            # the sum is faster, and not finite where an entry is not
            if tensor.is_floating_point()
            and not tensor.sum().isfinite()
            and not tensor.isfinite().all()
        ),
        None,
    )
