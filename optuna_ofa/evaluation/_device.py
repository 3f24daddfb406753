"""The device that a process evaluates subnets on."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.executors import worker_number

Device = str | torch.device | Callable[[int], str | torch.device]

AUTO = "auto"


def check_device(device: Device) -> None:
    """Refuse a device that this process lacks; ``"auto"`` and functions are for workers.

    Raises:
        InvalidArgumentError: If torch has no such device here, or it keeps no numbers.
    """
    if not callable(device) and device != AUTO:
        _checked(device, f"got {str(device)!r}", " ('auto', or a function, for those of workers)")


def device_of(device: Device) -> torch.device:
    """Return the device of this process.

    Args:
        device: A device; ``"auto"`` for the GPU with the number of this worker, modulo the number
            of GPUs, or the CPU where there is none; or a function of that number.

    Raises:
        InvalidArgumentError: If a function returns no device that torch has here.
    """
    if callable(device):
        number = worker_number()
        found = device(number)
        return _checked(found, f"the function returned {found!r} for worker {number}")
    return _own() if device == AUTO else torch.device(device)


def _own() -> torch.device:
    n = torch.cuda.device_count()
    return torch.device("cuda", _order(n)[worker_number() % n]) if n else torch.device("cpu")


def _order(n: int) -> list[int]:
    """Return the GPUs in an order that all workers of a host share.

    Some engines show each worker the same GPUs in another order, so that its own is the first.
    """
    names = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return sorted(range(n), key=names.__getitem__) if len(names) == n else list(range(n))


def _checked(device: str | torch.device, given: str, hint: str = "") -> torch.device:
    reason = "which keeps no numbers"
    try:
        found = torch.device(device)
        if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
            reason = f"and torch {torch.__version__} finds {torch.cuda.device_count()} CUDA devices"
        elif found.type == "cuda" or torch.empty(0, device=found).device.type != "meta":
            return found
    except (RuntimeError, TypeError, NotImplementedError, AssertionError) as error:
        reason = f"and torch says: {str(error).splitlines()[0]}"
    raise InvalidArgumentError(
        f"`device` must be one that torch has here{hint}, such as 'cpu', but {given}, {reason}."
    )
