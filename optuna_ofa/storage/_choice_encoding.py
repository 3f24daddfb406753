"""Configurations of plain tables as user attributes, for whole batches.

What is stored is `Configuration.to_dict` with the name of the table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from optuna_ofa.space import ChoiceTable, Configuration, Matrix


def configuration_dicts(table: ChoiceTable, matrix: Matrix) -> list[dict[str, Any]]:
    """Return ``Configuration.to_dict(by_name=True)`` of each canonical row."""
    return [{"choices": table.name, "values": of} for of in _values(table, matrix)]


def configuration_texts(table: ChoiceTable, matrix: Matrix) -> list[str]:
    """Return the JSON of each of `configuration_dicts`, without spaces."""
    head = f'{{"choices":{json.dumps(table.name)},"values":{{'
    columns = []
    for gene, integers in zip(table.genes, matrix.T.tolist(), strict=True):
        name = json.dumps(gene.name)
        texts = {c: f"{name}:{json.dumps(gene.value(c))}" for c in gene.choices}
        columns.append([texts.get(integer, "") for integer in integers])
    return [f"{head}{','.join(filter(None, row))}}}}}" for row in zip(*columns, strict=True)]


def configuration_rows(table: ChoiceTable, found: Sequence[Mapping[str, Any]]) -> Matrix:
    """Return the canonical rows of what `configuration_dicts` made.

    Raises:
        KeyError, TypeError, ValueError: If one is of another table, or something else.
    """
    rows = np.empty((len(found), len(table.genes)), dtype=np.int16)
    for row, one in zip(rows, found, strict=True):
        if one["choices"] != table.name:
            raise ValueError(f"`choices` must be {table.name!r}, but is {one['choices']!r}.")
        row[:] = Configuration.of(table, one["values"]).genotype
    return rows


def _values(table: ChoiceTable, matrix: Matrix) -> list[dict[str, Any]]:
    """Return the active values of each row by name."""
    known = [(gene.name, {c: gene.value(c) for c in gene.choices}) for gene in table.genes]
    return [
        {name: of[c] for (name, of), c in zip(known, row, strict=True) if c in of}
        for row in matrix.tolist()
    ]
