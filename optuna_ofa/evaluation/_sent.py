"""What workers get once: the supernet, the loader, the images, and how it is pickled."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import torch
from torch import Tensor

from optuna_ofa._rules import shown
from optuna_ofa.evaluation._computation import Computation
from optuna_ofa.evaluation._device import Device
from optuna_ofa.evaluation._images import Loader
from optuna_ofa.evaluation._order import Part
from optuna_ofa.exceptions import InvalidArgumentError, MeasurementError
from optuna_ofa.executors import Reference
from optuna_ofa.supernet import Supernet


class Sent(NamedTuple):
    """How workers evaluate: small, but for the loader.

    Args:
        loader: The loader.
        device: The device.
        computation: What computes.
    """

    loader: Loader
    device: Device
    computation: Computation


def pickled(sent: Sent, *, by_value: bool) -> bytes:
    """Return the bytes of what workers unpickle.

    Args:
        sent: The loader and so on.
        by_value: Whether functions of the script that was started are sent as code, as Dask and Ray
            do it: their workers cannot import it. Needs the package ``cloudpickle``.

    Raises:
        InvalidArgumentError: If the loader or the function of devices cannot be pickled.
    """
    dumps = _dumps(by_value)
    argument: str = "device"
    given: Any = sent.device
    try:
        dumps(sent.device)
        argument, given = "loader", sent.loader
        return dumps(sent)
    except Exception as error:
        raise InvalidArgumentError(
            f"`{argument}` must be picklable with an `executor` or several `processes`, such as a "
            f"function at the top of a module, but got {shown(given)}: {error}."
        ) from error


def _dumps(by_value: bool) -> Callable[[Any], bytes]:
    for name in ("cloudpickle", "ray.cloudpickle") if by_value else ():
        try:
            dumps: Callable[[Any], bytes] = import_module(name).dumps
        except ImportError:
            continue
        return dumps
    return pickle.dumps


def write_supernet(supernet: Supernet, file: BinaryIO) -> None:
    """Write the family and the state of a supernet, on the CPU."""
    state = {name: tensor.detach().cpu() for name, tensor in supernet.state_dict().items()}
    torch.save((supernet.family, supernet.own_projections, state), file)


def write_tensor(images: Tensor, file: BinaryIO) -> None:
    """Write images alone: of a view, torch would write all that it is a view of."""
    torch.save(images.clone(), file)


def supernet_at(reference: Reference) -> Supernet:
    """Return the supernet in a worker."""
    return reference.load(_read_supernet)


def sent_at(reference: Reference) -> Sent:
    """Return the loader and so on in a worker.

    Raises:
        MeasurementError: If it cannot be read there.
    """
    return reference.load(_read_sent)


def tensor_at(reference: Reference | None) -> Tensor | None:
    """Return images in a worker."""
    return None if reference is None else reference.load(_load)


def part_at(reference: Reference | None) -> Part | None:
    """Return which images a worker takes; None for all."""
    return None if reference is None else reference.load(_read_part)


def _load(file: Path | BinaryIO) -> Any:
    """Read what torch wrote; from a path it is mapped to memory, which processes share."""
    return torch.load(file, mmap=isinstance(file, Path), weights_only=False)


def _read_supernet(file: Path | BinaryIO) -> Supernet:
    family, own_projections, state = _load(file)
    with torch.device("meta"):  # draws no weights
        supernet = Supernet(family, own_projections=own_projections)
    supernet.load_state_dict(state, assign=True)
    return supernet


def _read_sent(file: Path | BinaryIO) -> Sent:
    try:
        sent: Sent = pickle.loads(_content(file))  # noqa: S301, written by the caller
    except Exception as error:
        raise MeasurementError(
            f"Evaluation stopped because a worker cannot read the `loader`: "
            f"{type(error).__name__}: {error}. All its parts must be importable there."
        ) from error
    return sent


def _read_part(file: Path | BinaryIO) -> Part:
    part: Part = pickle.loads(_content(file))  # noqa: S301, written by the caller
    return part


def _content(file: Path | BinaryIO) -> bytes:
    return file.read_bytes() if isinstance(file, Path) else file.read()
