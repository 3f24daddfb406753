"""Rows of a genotype matrix as parameters of Optuna's trials, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.space._choices import Choices
from optuna_ofa.space._family import Gene
from optuna_ofa.space._matrix import Matrix


def params_of(genes: Sequence[Gene], matrix: Matrix) -> list[dict[str, int | float]]:
    """Return the parameters of each row; all its genes must be valid choices."""
    columns = [
        column if gene.scale == 1 else [gene.value(v) for v in column]
        for gene, column in zip(genes, matrix.T.tolist(), strict=True)
    ]
    names = [gene.name for gene in genes]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def rows_of(genes: Sequence[Gene], choices: Choices, params: Iterable[Mapping[str, Any]]) -> Matrix:
    """Return the rows of trials' parameters, the inverse of `params_of`.

    Raises:
        InvalidSubnetError: If a parameter is missing, or is a choice of neither the space nor
            the family.
    """
    params = list(params)
    integers = {
        gene.name: {gene.value(c): c for c in (*gene.choices, *choices[gene.name])}
        for gene in genes
    }
    matrix = np.empty((len(params), len(genes)), dtype=np.int16)
    for i, row in enumerate(params):
        for j, gene in enumerate(genes):
            value = row.get(gene.name)
            is_number = isinstance(value, Real)  # lists are not hashable
            if not is_number or value not in integers[gene.name]:
                raise InvalidSubnetError(
                    f"`params[{i}]` must have {gene.name!r} among "
                    f"{list(integers[gene.name])}, but got {value!r}."
                )
            matrix[i, j] = integers[gene.name][value]
    return matrix
