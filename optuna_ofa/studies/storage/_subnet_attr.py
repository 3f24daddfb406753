"""The canonical subnet of a trial as a user attribute, for whole batches.

What is stored is `Subnet.to_dict`; making ten thousands of `Subnet` values on the way would take
far longer than the search.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.space import Family
from optuna_ofa.space._family import GeneKind
from optuna_ofa.space._genotype import full_depth, row_of
from optuna_ofa.space._space import Matrix

_KINDS: tuple[GeneKind, ...] = ("depth", "kernel", "expand", "width")
_DIGITS = string.digits.encode()
_NUMBERS_ONLY = bytes(i if i in _DIGITS + b"." else ord(" ") for i in range(256))


def subnet_dicts(family: Family, matrix: Matrix) -> list[dict[str, Any]]:
    """``Subnet.to_dict`` of each canonical row."""
    columns: dict[str, list[Any]] = {"resolution": matrix[:, 0].tolist()}
    for kind in _KINDS:
        genes = matrix[:, np.array(family.columns(kind), dtype=np.intp)].tolist()
        if kind == "expand" and family.expand_scale != 1:
            genes = [[e and family.expand_ratio(e) for e in row] for row in genes]
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


def subnet_texts(family: Family, matrix: Matrix) -> list[str]:
    """The JSON of each of `subnet_dicts`, as `json.dumps` writes it."""
    template = _head(family).replace("%", "%%") + _tail(family, "%s")
    columns = matrix.T.tolist()
    if family.expand_scale != 1:
        for j in family.columns("expand"):
            columns[j] = [e and family.expand_ratio(e) for e in columns[j]]
    return [template % row for row in zip(*columns, strict=True)]


def rows_of_texts(family: Family, texts: Sequence[str]) -> NDArray[Any]:
    """The canonical rows of what `subnet_texts` made, as wide numbers; not checked.

    All numbers of all texts are read in one go, in a few microseconds a text.

    Raises:
        ValueError: If one is nothing that `subnet_texts` would write for this family.
    """
    head, tail = _head(family), _tail(family, "").encode()
    tails = "".join([text.removeprefix(head) for text in texts]).encode()
    dtype, symbols = (int, _DIGITS) if family.expand_scale == 1 else (float, _DIGITS + b".")
    if tails.translate(None, symbols) != len(texts) * tail.translate(None, symbols):
        raise ValueError(f"`texts` must all be of subnets of {family.name}.")
    numbers = np.fromstring(tails.translate(_NUMBERS_ONLY), dtype=dtype, sep=" ")
    fixed = [entry for entries in _entries(family).values() for entry in entries]
    rows = numbers.reshape(len(texts), len(fixed))
    for j, entry in enumerate(fixed):
        if entry is not None and not (rows[:, j] == entry).all():
            raise ValueError(f"`texts` must have {entry} as number {j} for {family.name}.")
    rows = rows[:, [entry is None for entry in fixed]]
    if family.expand_scale != 1:
        rows[:, family.columns("expand")] /= family.expand_scale
    return np.asarray(np.rint(rows))


def _head(family: Family) -> str:
    """How each text begins; apart, because the digits in it are no entries."""
    return '{"family": ' + json.dumps(family.name)


def _tail(family: Family, gene: str) -> str:
    """The rest of a text with ``gene`` in place of each gene."""
    parts = [f', "resolution": {gene}']
    for kind, entries in _entries(family).items():
        if kind != "resolution":
            texts = [gene if entry is None else str(entry) for entry in entries]
            parts.append(f', "{kind}": [{", ".join(texts)}]')
    return "".join(parts) + "}"


def _entries(family: Family) -> dict[str, list[int | None]]:
    """The numbers of a text in their order: None for a gene, or the number of a fixed depth."""
    entries: dict[str, list[int | None]] = {
        kind: [None] * len(family.columns(kind)) for kind in ("resolution", *_KINDS)
    }
    entries["depth"] = [None if len(c) > 1 else c[0] for c in family.depth_choices]
    return {kind: numbers for kind, numbers in entries.items() if numbers}
