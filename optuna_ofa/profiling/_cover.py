"""A few networks that together hold every layer of a search space."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optuna_ofa.costs import LayerSum
from optuna_ofa.space import Layer, SearchSpace, Slot, Subnet, slots

# settings of the width genes that are tried for each network
_N_WIDTHS = 256


def signatures(space: SearchSpace) -> tuple[Layer, ...]:
    """Return the distinct layers of the subnets of a space, in a fixed order.

    96 for each resolution of MobileNetV3.
    """
    found: dict[Layer, None] = {}

    def note(layer: Layer, _: int) -> float:
        found[layer] = None
        return 0.0

    LayerSum(space, note)
    return tuple(found)


def covering_subnets(space: SearchSpace, resolution: int, *, seed: int = 0) -> list[Subnet]:
    """Return deepest subnets that together hold every layer of the space at a resolution.

    Each block takes, network after network, the setting that its place has seen least, so that
    the settings of a place form a Latin square: nine networks for three kernels and three expand
    ratios. Neighbours differ from network to network, because a layer's time depends a little on
    what ran before it.

    Args:
        space: The space.
        resolution: Input size of the networks in pixels; need not be one of the space.
        seed: Seed of the order in which equally good settings are taken.
    """
    space = space_at(space, resolution)
    missing = set(signatures(space))
    rng = np.random.default_rng(seed)
    places = _places(space)
    seen: Counter[tuple[int, Layer]] = Counter()
    subnets = []
    while missing:
        row = _next_row(space, places, missing, seen, rng)
        subnets.append(space.from_matrix(np.array([row], dtype=np.int16))[0])
        for s, place in enumerate(places):
            layer = place.layer(row)
            if layer is not None:
                seen[s, layer] += 1
                missing.discard(layer)
    return subnets


class _Place(NamedTuple):
    """A slot with the genes of its block."""

    slot: Slot
    own: tuple[int, ...]

    def layer(self, row: Sequence[int]) -> Layer | None:
        return self.slot.build(*(row[j] for j in self.slot.columns))


def space_at(space: SearchSpace, resolution: int) -> SearchSpace:
    """Return a space with the same choices at another resolution."""
    if space.resolutions == (resolution,):
        return space
    moved = SearchSpace(space.family, resolution=resolution)
    others = {name: c for name, c in space.choices.items() if name != "resolution"}
    values = {
        gene.name: [gene.value(c) for c in others[gene.name]]
        for gene in space.genes
        if gene.name in others
    }
    return moved.restrict(parameters=values)


def _places(space: SearchSpace) -> list[_Place]:
    genes = space.genes
    return [
        _Place(slot, tuple(j for j in slot.columns if genes[j].position >= 0))
        for slot in slots(space.family)
    ]


def _next_row(
    space: SearchSpace,
    places: Sequence[_Place],
    missing: set[Layer],
    seen: Counter[tuple[int, Layer]],
    rng: np.random.Generator,
) -> list[int]:
    """Return the deepest row, among some widths, that holds the most missing layers."""
    start = [max(space.choices[gene.name]) for gene in space.genes]
    widths = [j for j, gene in enumerate(space.genes) if gene.kind == "width"]
    settings = list(itertools.product(*(space.choices[space.genes[j].name] for j in widths)))
    if len(settings) > _N_WIDTHS:
        settings = [settings[i] for i in rng.choice(len(settings), _N_WIDTHS, replace=False)]
    best, most = start, -1
    for setting in settings:
        row = list(start)
        for j, value in zip(widths, setting, strict=True):
            row[j] = value
        held = _fill_blocks(space, places, row, missing, seen, rng)
        if len(held & missing) > most:
            best, most = row, len(held & missing)
    return best


def _fill_blocks(
    space: SearchSpace,
    places: Sequence[_Place],
    row: list[int],
    missing: set[Layer],
    seen: Counter[tuple[int, Layer]],
    rng: np.random.Generator,
) -> set[Layer]:
    """Set the genes of every block in place and return the layers of the network."""
    held: set[Layer] = set()
    for s, place in enumerate(places):
        choices = [space.choices[space.genes[j].name] for j in place.own]
        options = []
        for values in itertools.product(*choices):
            for j, value in zip(place.own, values, strict=True):
                row[j] = value
            layer = place.layer(row)
            if layer is not None:
                new = layer in missing and layer not in held
                options.append((not new, seen[s, layer], rng.random(), values, layer))
        if options:
            *_, values, layer = min(options, key=lambda option: option[:3])
            for j, value in zip(place.own, values, strict=True):
                row[j] = value
            held.add(layer)
    return held
