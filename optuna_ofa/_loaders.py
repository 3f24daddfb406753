"""What is accepted as a loader of images; torch is imported only to check one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Set
from typing import Annotated, Any

import numpy as np

from optuna_ofa._rules import Instead
from optuna_ofa._torch import torch


def has_batches(loader: Any) -> bool:
    """Whether a loader is an iterable that may give batches."""
    return isinstance(loader, Iterable) and not isinstance(
        loader, str | bytes | Mapping | Set | torch.Tensor | np.ndarray | range
    )


def _gives_batches(loader: Any) -> bool:
    if isinstance(loader, Iterable):
        return has_batches(loader)
    inspect.signature(loader).bind(224)
    return not isinstance(loader, type)


Loader = Annotated[
    Iterable[Any] | Callable[[int], Iterable[Any]],
    Instead(
        "batches of images and labels, such as a torch DataLoader, or a function of a resolution "
        "that returns them",
        _gives_batches,
    ),
]
