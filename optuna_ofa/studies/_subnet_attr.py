"""The canonical subnet of a trial as a user attribute, for whole batches.

What is stored is `Subnet.to_dict`; making ten thousands of `Subnet` values on the way would take
far longer than the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optuna_ofa.space import Family
from optuna_ofa.space._family import GeneKind
from optuna_ofa.space._genotype import full_depth, row_of
from optuna_ofa.space._space import Matrix

_KINDS: tuple[GeneKind, ...] = ("depth", "kernel", "expand", "width")


def subnet_dicts(family: Family, matrix: Matrix) -> list[dict[str, Any]]:
    """``Subnet.to_dict`` of each canonical row."""
    columns: dict[str, list[Any]] = {"resolution": matrix[:, 0].tolist()}
    for kind in _KINDS:
        genes = matrix[:, np.array(family.columns(kind), dtype=np.intp)].tolist()
        if kind == "expand" and family.expand_scale != 1:
            genes = [[family.expand_ratio(e) for e in row] for row in genes]
        if kind == "depth":
            genes = [list(full_depth(family, row)) for row in genes]
        if genes and genes[0]:
            columns[kind] = genes
    names = list(columns)
    return [
        {"family": family.name, **dict(zip(names, row, strict=True))}
        for row in zip(*columns.values(), strict=True)
    ]


def subnet_rows(family: Family, subnets: Sequence[Mapping[str, Any]]) -> Matrix:
    """The canonical rows of what `subnet_dicts` made; not checked.

    Raises:
        KeyError, TypeError, ValueError: If one is nothing that `subnet_dicts` made.
    """
    rows = []
    for subnet in subnets:
        resolution, depth, expand = (subnet[key] for key in ("resolution", "depth", "expand"))
        kernel, width = subnet.get("kernel", ()), subnet.get("width", ())
        rows.append(row_of(family, resolution, depth, kernel, expand, width))
    return np.array(rows, dtype=np.int16).reshape(len(rows), len(family.genes))
