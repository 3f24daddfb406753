"""Finding the source of pretrained weights by their keys, and giving them our keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.pretrained._places import places
from optuna_ofa.pretrained._sources import Source, sources
from optuna_ofa.space import Family
from optuna_ofa.supernet import Supernet

# batches seen by a batch normalisation: older files have no counts, and nothing needs them
COUNT = "num_batches_tracked"
_MOST = 3


class Match(NamedTuple):
    """The keys of one source for one family, compared with those of a state dict.

    Args:
        family: The family.
        source: The source.
        keys: Our key for each key of the source.
        missing: Keys that the state dict lacks.
        unexpected: Keys of the state dict that the source does not have.
        shapes: The shapes of a key, in the state dict and needed, where they differ.
        classes: The number of classes of the weights, where there is a classifier.
    """

    family: Family
    source: Source
    keys: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    shapes: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    classes: int | None

    @property
    def is_exact(self) -> bool:
        """Whether every tensor is used once, and every layer has its tensors."""
        return not (self.missing or self.unexpected or self.shapes)

    @property
    def n_fitting(self) -> int:
        """Number of tensors that fit."""
        return len(self.keys) - len(self.missing) - len(self.shapes)


def match(family: Family, state: Mapping[str, Tensor]) -> Match:
    """Return the comparison with the source whose names fit best."""
    with torch.device("meta"):
        supernet = Supernet(family)
    found = [_compared(supernet, source, state) for source in sources(family)]
    return max((m for m in found if m is not None), key=lambda m: m.n_fitting)


def _compared(supernet: Supernet, source: Source, state: Mapping[str, Tensor]) -> Match | None:
    own = supernet.state_dict()
    keys: dict[str, str] = {}
    classifier = ""
    for place in places(supernet):
        path = source.path(place, supernet.family)
        if path is None:
            return None
        if place.role == "classifier":
            classifier = f"{path}.weight"
        module = supernet.get_submodule(place.own)
        tensors = [*module._parameters, *module._buffers]
        # matrices between kernel sizes begin as the identity
        tensors = [name for name in tensors if f"{place.own}.{name}" in own]
        keys |= {
            f"{path}.{name}": f"{place.own}.{name}" for name in tensors if "_matrix" not in name
        }
    shapes = {
        key: (tuple(state[key].shape), tuple(own[ours].shape))
        for key, ours in keys.items()
        if key in state and not _same(state[key], own[ours])
    }
    return Match(
        supernet.family,
        source,
        keys,
        [key for key in keys if key not in state and not key.endswith(COUNT)],
        [key for key in state if key not in keys],
        shapes,
        len(state[classifier]) if classifier in state and state[classifier].ndim else None,
    )


def _same(theirs: Tensor, ours: Tensor) -> bool:
    """Whether two shapes are equal, up to a linear layer in place of a 1x1 convolution."""
    return _bare(theirs) == _bare(ours)


def _bare(tensor: Tensor) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape


def own_state(found: Match, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a state dict that fits under our keys."""
    return {ours: state[key] for key, ours in found.keys.items() if key in state}


def require_match(found: Match, where: str) -> None:
    """Refuse weights of another network.

    Raises:
        FamilyMismatchError: With the first keys that differ.
    """
    if found.is_exact:
        return
    shapes = [f"`{key}` has {a} where {b} is needed" for key, (a, b) in found.shapes.items()]
    kinds = {
        "of another shape": shapes,
        "missing": [f"`{key}`" for key in found.missing],
        "unexpected": [f"`{key}`" for key in found.unexpected],
    }
    words = "; ".join(f"{len(k)} {kind} ({_listed(k)})" for kind, k in kinds.items() if k)
    raise FamilyMismatchError(
        f"`weights` must be those of {found.family.name}, but of the tensors that "
        f"{found.source.name} names so, {where} has {words}."
    )


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return ", ".join(words[:_MOST]) + (", ..." if len(words) > _MOST else "")
