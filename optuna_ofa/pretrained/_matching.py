"""Comparing pretrained weights with the keys that each source has for a family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from optuna_ofa.exceptions import FamilyMismatchError
from optuna_ofa.pretrained._places import Place, places
from optuna_ofa.pretrained._sources import Source, sources
from optuna_ofa.space import Family, known_families
from optuna_ofa.supernet import Supernet

# batches seen by a batch normalisation: older files have no counts, and nothing needs them
_COUNT = "num_batches_tracked"
# between kernel sizes; they begin as the identity
_MATRIX = "_matrix"
_MOST = 3
Shape = tuple[int, ...]


class Match(NamedTuple):
    """The keys of one source for one family, compared with those of a state dict.

    Args:
        family: The family.
        source: The source.
        keys: Our key for each key of the source.
        missing: Keys that the state dict lacks.
        unexpected: Keys of the state dict that the source does not have.
        shapes: The shape in the state dict and the one needed, of keys where they differ.
        classifier: Key of the classifier's weight in the source.
        classes: The number of classes of the weights, None where there is no classifier.
    """

    family: Family
    source: Source
    keys: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    shapes: dict[str, tuple[Shape, Shape]]
    classifier: str
    classes: int | None

    @property
    def fits(self) -> bool:
        """Whether every tensor is used and none is missing, but for the number of classes."""
        ends = {self.classifier, self.classifier.replace("weight", "bias")}
        return not (self.missing or self.unexpected or self.shapes.keys() - ends)

    @property
    def n_fitting(self) -> int:
        """Number of tensors that fit, less those that do not."""
        wrong = len(self.missing) + len(self.shapes)
        return len(self.keys) - 2 * wrong - len(self.unexpected)


def match(family: Family, state: Mapping[str, Tensor]) -> Match:
    """Return the comparison with the source whose keys fit best."""
    found = [_compared(family, source, state) for source in sources(family)]
    return max((m for m in found if m is not None), key=lambda m: m.n_fitting)


def matches(state: Mapping[str, Tensor]) -> list[Match]:
    """Return the comparisons with all known families."""
    return [match(family, state) for family in known_families()]


def _compared(family: Family, source: Source, state: Mapping[str, Tensor]) -> Match | None:
    keys = _keys(family, source)
    if keys is None:
        return None
    own = {f"{place.own}.{name}": shape for place, name, shape in _tensors(family)}
    classifier = next(key for key, ours in keys.items() if ours == "classifier.linear.weight")
    return Match(
        family,
        source,
        keys,
        missing=[key for key in keys if key not in state and not key.endswith(_COUNT)],
        unexpected=[key for key in state if key not in keys],
        shapes={
            key: (tuple(state[key].shape), own[ours])
            for key, ours in keys.items()
            if key in state and _bare(tuple(state[key].shape)) != _bare(own[ours])
        },
        classifier=classifier,
        classes=len(state[classifier]) if classifier in state and state[classifier].ndim else None,
    )


def _keys(family: Family, source: Source) -> dict[str, str] | None:
    """Return our key for each key of a source; None if it has no such networks."""
    paths = {place: source.path(place, family) for place, _, _ in _tensors(family)}
    if None in paths.values():
        return None
    return {f"{paths[place]}.{name}": f"{place.own}.{name}" for place, name, _ in _tensors(family)}


@cache
def _tensors(family: Family) -> tuple[tuple[Place, str, Shape], ...]:
    """Return the layer, the name and the shape of each tensor of the largest subnet."""
    with torch.device("meta"):
        supernet = Supernet(family)
    return tuple(
        (place, name, tuple(tensor.shape))
        for place in places(supernet)
        for name, tensor in supernet.get_submodule(place.own).state_dict().items()
        if not name.endswith(_MATRIX)
    )


def _bare(shape: Shape) -> Shape:
    """Return a shape, that of a linear layer for a 1x1 convolution."""
    return shape[:2] if len(shape) == 4 and shape[2:] == (1, 1) else shape


def own_state(found: Match, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a state dict that fits under our keys."""
    return {ours: state[key] for key, ours in found.keys.items() if key in state}


def require_match(found: Match, state: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights of another network.

    Raises:
        FamilyMismatchError: With the first keys that differ.
    """
    other = found.source.other_family(found.family)
    if other and found.fits:
        raise FamilyMismatchError(
            f"`family` must be {other!r} for networks of {found.source.package}, whose batch "
            f"normalisations have another epsilon, but got {found.family.name!r}."
        )
    if any(key.endswith(_MATRIX) for key in found.unexpected):
        raise FamilyMismatchError(
            f"`weights` must be those of a network, but {where} has those of a supernet, which "
            f"`load_supernet` reads."
        )
    if found.missing or found.unexpected or found.shapes:
        kin = next((m.family.name for m in matches(state) if m.fits), None)
        raise FamilyMismatchError(
            f"`weights` must be those of {found.family.name}, but {where} "
            f"{f'looks like {kin}' if kin else 'fits no known family'}: with the keys of "
            f"{found.source.name}, it has {differences(found)}."
        )


def differences(found: Match) -> str:
    """Return the first keys that differ: "1 missing (`a`); 3 unexpected (`b`, `c`, `d`)"."""
    kinds = {
        "missing": [f"`{key}`" for key in found.missing],
        "unexpected": [f"`{key}`" for key in found.unexpected],
        "of another shape": [
            f"`{key}` has {theirs} where {ours} is needed"
            for key, (theirs, ours) in found.shapes.items()
        ],
    }
    return "; ".join(f"{len(k)} {kind} ({_listed(k)})" for kind, k in kinds.items() if k)


def _listed(words: Iterable[str]) -> str:
    words = list(words)
    return ", ".join(words[:_MOST]) + (", ..." if len(words) > _MOST else "")
