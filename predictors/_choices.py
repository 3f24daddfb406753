"""The space that a saved predictor covers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna_ofa.space import Family, SearchSpace


def space_of_choices(family: Family, choices: Mapping[str, Sequence[int]]) -> SearchSpace:
    """The space whose ``choices`` they are: the integers of each gene by its name."""
    resolution, *others = family.genes
    kept = {gene.name: [gene.value(c) for c in choices[gene.name]] for gene in others}
    return SearchSpace(family, resolution=choices[resolution.name]).restrict(parameters=kept)
