"""A subnet as a row of integers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from optuna_ofa.space._choice_table import ChoiceTable
from optuna_ofa.space._configuration import Configuration
from optuna_ofa.space._family import Family
from optuna_ofa.space._subnet import Subnet

# What a row of any space stands for: a subnet, except where the space is a plain table, whose rows
# are configurations. Most code is about one of the two, so that type checkers let both through.
AnySubnet = Subnet | Any


def genotype_of(subnet: Subnet | Configuration) -> tuple[int, ...]:
    """Return the canonical row of a subnet: see `SearchSpace.to_matrix`."""
    if isinstance(subnet, Configuration):
        return subnet.genotype
    return genotype_row(
        subnet.family, subnet.resolution, subnet.depth, subnet.kernel, subnet.expand, subnet.width
    )


def genotype_row(
    family: Family,
    resolution: int,
    depth: Sequence[int],
    kernel: Sequence[int],
    expand: Sequence[float],
    width: Sequence[int],
) -> tuple[int, ...]:
    """Return the row of the entries of a `Subnet`, without checks."""
    depths = zip(depth, family.depth_choices, strict=True)
    free = [d for d, choices in depths if len(choices) > 1]
    if family.expand_scale != 1:
        expand = [round(e / family.expand_scale) for e in expand]
    return (resolution, *free, *kernel, *expand, *width)  # type: ignore[arg-type]


def subnet_of(family: Family, genotype: Sequence[int]) -> Subnet:
    """Return the subnet of a row: the inverse of `genotype_of`."""
    rows = {
        kind: tuple(genotype[j] for j in family.columns(kind))
        for kind in ("depth", "kernel", "expand", "width")
    }
    return Subnet(
        family,
        genotype[0],
        full_depth(family, rows["depth"]),
        rows["kernel"],
        tuple(map(family.expand_ratio, rows["expand"])),
        rows["width"],
    )


def table_of(subnet: Subnet | Configuration) -> Family | ChoiceTable:
    """Return the family of a subnet, or the table of a configuration."""
    return subnet.table if isinstance(subnet, Configuration) else subnet.family


def value_of(table: Family | ChoiceTable, genotype: Sequence[int]) -> AnySubnet:
    """Return what a row stands for: a subnet, or a row of a plain table."""
    if isinstance(table, Family):
        return subnet_of(table, genotype)
    return Configuration(table, tuple(genotype))


def full_depth(family: Family, genes: Iterable[int]) -> tuple[int, ...]:
    """Return `Subnet.depth` from the depths that have a gene; fixed depths have none."""
    free = iter(genes)
    return tuple(next(free) if len(c) > 1 else c[0] for c in family.depth_choices)
