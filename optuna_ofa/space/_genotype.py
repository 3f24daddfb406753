"""A subnet as a row of integers, and back."""

from __future__ import annotations

from collections.abc import Sequence

from optuna_ofa.space._family import Family
from optuna_ofa.space._subnet import Subnet


def genotype_of(subnet: Subnet) -> tuple[int, ...]:
    """The canonical row of a subnet: see `SearchSpace.to_matrix`."""
    family = subnet.family
    depth = [d for d, choices in zip(subnet.depth, _depth_choices(family), strict=True)
             if len(choices) > 1]  # fmt: skip
    expand = [round(e / family.expand_scale) for e in subnet.expand]
    return (subnet.resolution, *depth, *subnet.kernel, *expand, *subnet.width)


def _depth_choices(family: Family) -> list[tuple[int, ...]]:
    stem = [family.stem.depths] if family.stem.depths else []
    return stem + [stage.depths for stage in family.stages]


def subnet_of(family: Family, genotype: Sequence[int]) -> Subnet:
    """The subnet of a row: the inverse of `genotype_of`."""
    rows = {kind: [genotype[j] for j in family.columns(kind)]
            for kind in ("depth", "kernel", "expand", "width")}  # fmt: skip
    depth = iter(rows["depth"])
    return Subnet(
        family,
        genotype[0],
        tuple(next(depth) if len(c) > 1 else c[0] for c in _depth_choices(family)),
        tuple(rows["kernel"]),
        tuple(round(e * family.expand_scale, 4) if family.expand_scale != 1 else e
              for e in rows["expand"]),
        tuple(rows["width"]),
    )  # fmt: skip
