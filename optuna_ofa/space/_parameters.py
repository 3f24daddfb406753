"""Rows of a genotype matrix as parameters of Optuna's trials, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidSubnetError
from optuna_ofa.space._choices import Choices
from optuna_ofa.space._family import Gene
from optuna_ofa.space._matrix import Matrix


def params_of(genes: Sequence[Gene], matrix: Matrix) -> list[dict[str, Any]]:
    """Return the parameters of each row; all its genes must be valid choices."""
    columns = [
        column if gene.is_plain else [gene.value(v) for v in column]
        for gene, column in zip(genes, matrix.T.tolist(), strict=True)
    ]
    names = [gene.name for gene in genes]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def rows_of(
    genes: Sequence[Gene],
    choices: Choices,
    active_genes: Callable[[Matrix], NDArray[np.bool_]],
    params: Iterable[Mapping[str, Any]],
) -> Matrix:
    """Return the rows of trials' parameters, the inverse of `params_of`.

    Args:
        genes: The genes.
        choices: The integers that each gene may take, by its name.
        active_genes: Returns which genes of each row have an effect: others may be missing.
        params: Parameters by name.

    Raises:
        InvalidSubnetError: If a parameter is missing, or is a choice of neither the space nor
            the family.
    """
    params = list(params)
    integers: list[dict[Any, int]] = [
        {gene.value(c): c for c in (*gene.choices, *choices[gene.name])} for gene in genes
    ]
    matrix = np.zeros((len(params), len(genes)), dtype=np.int16)
    missing = []
    for i, row in enumerate(params):
        for j, (gene, known) in enumerate(zip(genes, integers, strict=True)):
            value = row.get(gene.name)
            try:
                matrix[i, j] = known[value]
            except (KeyError, TypeError):  # lists are not hashable
                if gene.name in row or not gene.is_conditional:
                    raise _not_among(i, gene, known, value) from None
                missing.append((i, j))
    active = active_genes(matrix) if missing else None
    for i, j in missing:
        if active is not None and active[i, j]:
            raise _not_among(i, genes[j], integers[j], None)
    return matrix


def _not_among(i: int, gene: Gene, known: Mapping[Any, int], value: object) -> InvalidSubnetError:
    return InvalidSubnetError(
        f"`params[{i}]` must have {gene.name!r} among {list(known)}, but got {value!r}."
    )


def is_choice(value: object, choices: Sequence[Any]) -> bool:
    """Return whether a value is one of a parameter's; True is not the number 1."""
    is_simple = isinstance(value, Real | str | np.bool_)  # no array, whose `==` is an array
    is_truth = isinstance(value, bool | np.bool_)
    return is_simple and is_truth == isinstance(choices[0], bool) and value in choices
