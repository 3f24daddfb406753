"""What a format of exported networks has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from optuna_ofa.deployment._deployable import Deployable

Metadata = Mapping[str, Any]
# images to logits
Loaded = Callable[[Tensor], Tensor]


class Format(NamedTuple):
    """One format; `export` and `load_exported` call it.

    Args:
        check: Raises MissingDependencyError where what writes it is not installed.
        write: Writes a network to a path and returns the files, each of them whole or not at all.
        load: Reads what ``write`` wrote.
        packages: What writes it, besides torch.
        batch: Which numbers of images a file can take: ``"any"`` whatever is asked for,
            ``"fixed"``, or ``"both"``, as it is asked for.
        needs_images: Whether it cannot be written without calibration images.
    """

    check: Callable[[], None]
    write: Callable[[Deployable, Path], list[Path]]
    load: Callable[[Path, Metadata], Loaded]
    packages: tuple[str, ...]
    batch: str
    needs_images: bool = False
