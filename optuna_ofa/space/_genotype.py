"""A subnet as a row of integers, and back."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_ofa.space._family import Family
from optuna_ofa.space._subnet import Subnet


def genotype_of(subnet: Subnet) -> tuple[int, ...]:
    """The canonical row of a subnet: see `SearchSpace.to_matrix`."""
    family = subnet.family
    depths = zip(subnet.depth, family.depth_choices, strict=True)
    depth = [d for d, choices in depths if len(choices) > 1]
    expand = [round(e / family.expand_scale) for e in subnet.expand]
    return (subnet.resolution, *depth, *subnet.kernel, *expand, *subnet.width)


def subnet_of(family: Family, genotype: Sequence[int]) -> Subnet:
    """The subnet of a row: the inverse of `genotype_of`."""
    rows = {
        kind: tuple(genotype[j] for j in family.columns(kind))
        for kind in ("depth", "kernel", "expand", "width")
    }
    depth = iter(rows["depth"])
    return Subnet(
        family,
        genotype[0],
        tuple(next(depth) if len(c) > 1 else c[0] for c in family.depth_choices),
        rows["kernel"],
        tuple(map(family.expand_ratio, rows["expand"])),
        rows["width"],
    )
