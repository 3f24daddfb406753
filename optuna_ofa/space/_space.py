"""Search spaces: the subnets that a search may choose, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import CategoricalDistribution

from optuna_ofa._arguments import AnyPath, Count, Positive, PositiveFloat, Seed, checked
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space._choices import (
    RowRules,
    as_list,
    depths_of,
    n_of_depth,
    n_subnets,
    restricted_choices,
)
from optuna_ofa.space._drawing import all_rows, draw_choices, draw_of_sizes, stratified_sizes
from optuna_ofa.space._family import Family, Gene
from optuna_ofa.space._family_table import other_family
from optuna_ofa.space._find_family import find_family
from optuna_ofa.space._genotype import genotype_of, subnet_of
from optuna_ofa.space._matrix import MAX_LISTED, Matrix
from optuna_ofa.space._parameters import params_of, rows_of
from optuna_ofa.space._subnet import Subnet

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class SearchSpace:
    """The subnets of a supernet that a search may choose from.

    Subnets are handled in batches: a *genotype matrix* has one subnet per row and one gene per
    column (``int16``). Its entries are the published values themselves, so that matrices mean the
    same in a restricted and in the full space: pixels, kernel sizes, depths, expand ratios
    (ResNet50D: in percent) and indices of width multipliers. In a *canonical* row the genes of
    absent blocks are 0, so equal subnets are equal rows.

    Args:
        family: A family, the name of a published one (listed by `families`), or a file that
            holds one (`get_family`).
        resolution: Input sizes in pixels; the family's own by default. Sizes that the family
            was not trained for are allowed, because published tables and subnets use them.

    Raises:
        InvalidArgumentError: If the family is unknown or a resolution is not a positive integer.
    """

    @checked
    def __init__(
        self, family: Family | AnyPath, *, resolution: Iterable[Positive] | Positive | None = None
    ) -> None:
        self.family = find_family(family, "family")
        self._choices = {gene.name: gene.choices for gene in self.family.genes}
        if resolution is not None:
            values = as_list(resolution)
            if not values:
                raise InvalidArgumentError("`resolution` must be at least one, but got [].")
            self._choices["resolution"] = tuple(sorted({int(r) for r in values}))

    # ------------------------------------------------------------------ description

    @property
    def genes(self) -> tuple[Gene, ...]:
        """The columns of a genotype matrix; their names are the names of the parameters."""
        return self.family.genes

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """The integers that each parameter may take in a genotype matrix, ascending."""
        return dict(self._choices)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Input sizes in pixels, ascending."""
        return self._choices["resolution"]

    @cached_property
    def distributions(self) -> dict[str, CategoricalDistribution]:
        """The Optuna distribution of each parameter, over the published values."""
        return {
            gene.name: CategoricalDistribution([gene.value(c) for c in self._choices[gene.name]])
            for gene in self.genes
        }

    @cached_property
    def n_subnets(self) -> int:
        """The exact number of different subnets."""
        return n_subnets(self.family, self._choices)

    @checked
    def depths_of(self, stage: Count) -> tuple[int, ...]:
        """Return the depths that a stage (counted from 0) may have."""
        return depths_of(self.family, self._choices, stage)

    def __repr__(self) -> str:
        return f"SearchSpace({self.family.name}, {self.n_subnets:.3g} subnets)"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SearchSpace)
            and self.family == other.family
            and self._choices == other._choices
        )

    def __hash__(self) -> int:
        return hash((self.family, tuple(self._choices.values())))

    def __contains__(self, item: object) -> bool:
        """Return whether a `Subnet` belongs to the space, or all subnets of another space do."""
        if isinstance(item, SearchSpace):
            return item.family == self.family and all(
                set(choices) <= set(self._choices[name]) for name, choices in item._choices.items()
            )
        if not isinstance(item, Subnet) or item.family != self.family:
            return False
        row = np.array([genotype_of(item)], dtype=np.int16)
        return self._rules.first_invalid(row) is None

    # ------------------------------------------------------------------ restriction

    @checked
    def restrict(
        self,
        *,
        resolution: Iterable[Positive] | Positive | None = None,
        depth: Iterable[Count] | Count | None = None,
        kernel: Iterable[Positive] | Positive | None = None,
        expand: Iterable[PositiveFloat] | PositiveFloat | None = None,
        width: Iterable[Count] | Count | None = None,
        parameters: Mapping[str, Iterable[float] | float] | None = None,
    ) -> SearchSpace:
        """Return the same space with fewer choices.

        Args:
            resolution: Input sizes to keep.
            depth: Depths to keep, in every stage.
            kernel: Kernel sizes to keep, in every block.
            expand: Expand ratios to keep, in every block.
            width: Indices of width multipliers to keep, everywhere.
            parameters: Choices to keep for single parameters by name,
                ``{"stage2.depth": [3, 4]}``; applied in addition to the others.

        Raises:
            InvalidArgumentError: If a choice is not in this space, or a parameter has none left.
        """
        by_kind = {
            "resolution": resolution,
            "depth": depth,
            "kernel": kernel,
            "expand": expand,
            "width": width,
        }
        restricted = SearchSpace(self.family)
        restricted._choices = restricted_choices(
            self._choices, self.genes, by_kind, parameters or {}
        )
        return restricted

    # ------------------------------------------------------------------ subnets and matrices

    @checked
    def subnet(
        self,
        *,
        resolution: Positive | None = None,
        depth: Sequence[int] | int | None = None,
        kernel: Sequence[int] | int | None = None,
        expand: Sequence[float] | float | None = None,
        width: Sequence[int] | int | None = None,
    ) -> Subnet:
        """Build one subnet; arguments left out are those of the largest subnet.

        A single number applies to every stage or block.

        Raises:
            InvalidSubnetError: If an entry is not a choice of the family.
        """
        largest = self.largest()
        given = {"depth": depth, "kernel": kernel, "expand": expand, "width": width}
        entries = {
            name: _filled(name, value, getattr(largest, name)) for name, value in given.items()
        }
        # one number for all: stages of fixed depth keep theirs
        if depth is not None and not isinstance(depth, Sequence | np.ndarray):
            entries["depth"] = tuple(
                depth if len(choices) > 1 else choices[0] for choices in self.family.depth_choices
            )
        return Subnet(
            self.family, largest.resolution if resolution is None else resolution, **entries
        )

    @checked
    def to_matrix(self, subnets: Iterable[Subnet]) -> Matrix:
        """Encode subnets as a canonical genotype matrix.

        Returns:
            ``(n, n_genes)`` integers.

        Raises:
            InvalidSubnetError: If a subnet is of another family or outside the space.
        """
        subnets = list(subnets)
        for subnet in subnets:
            if subnet.family != self.family:
                raise InvalidSubnetError(
                    f"`subnets` must be of {self.family.name}, but got one of "
                    f"{other_family(subnet.family, self.family)}."
                )
        rows = [genotype_of(subnet) for subnet in subnets]
        return self.check(np.array(rows, dtype=np.int16).reshape(len(rows), len(self.genes)))

    @checked
    def from_matrix(self, matrix: ArrayLike) -> list[Subnet]:
        """Decode a genotype matrix.

        Raises:
            InvalidSubnetError: If a row does not belong to the space.
        """
        checked = self.canonicalize(self.check(matrix))
        return [subnet_of(self.family, row) for row in checked.tolist()]

    @checked
    def check(self, matrix: ArrayLike) -> Matrix:
        """Return the matrix as ``int16`` after checking that every row belongs to the space.

        Genes of absent blocks may have any value.

        Raises:
            InvalidSubnetError: With the row, the parameter, its choices and the value.
        """
        array = np.asarray(matrix)
        if array.ndim != 2 or array.shape[1] != len(self.genes):
            raise InvalidSubnetError(
                f"`matrix` must have shape (n, {len(self.genes)}) for {self.family.name}, "
                f"but got {array.shape}."
            )
        rows = array.astype(np.int16)
        if not np.array_equal(rows, array):
            raise InvalidSubnetError(f"`matrix` must hold integers, but got {array.dtype}.")
        invalid = self._rules.first_invalid(rows)
        if invalid is not None:
            i, j = invalid
            raise InvalidSubnetError(
                f"`matrix[{i}]` must have {self.genes[j].name!r} among "
                f"{self._choices[self.genes[j].name]}, but got {array[i, j]}."
            )
        return rows

    @cached_property
    def _rules(self) -> RowRules:
        return RowRules(self.family, self._choices)

    @cached_property
    def block_genes(self) -> NDArray[np.bool_]:
        """A mask of the genes of blocks, which are 0 where the block is absent, ``(n_genes,)``."""
        return np.array([gene.position >= 0 for gene in self.genes])

    def active_genes(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return which genes of each row have an effect: all except those of absent blocks."""
        return self._rules.active_genes(matrix)

    @checked
    def canonicalize(self, matrix: Matrix) -> Matrix:
        """Set the genes of absent blocks to 0, so that equal subnets are equal rows.

        An active gene that is 0 (a block that has just become active) gets the smallest choice.
        """
        return self._rules.canonicalize(matrix)

    # ------------------------------------------------------------------ particular subnets

    def smallest(self) -> Subnet:
        """Return the subnet with the smallest choice of every gene."""
        return self._extreme(0)

    def largest(self) -> Subnet:
        """Return the subnet with the largest choice of every gene."""
        return self._extreme(-1)

    @checked
    def stratified(self, n: Positive, rng: np.random.Generator) -> Matrix:
        """Return the smallest subnet, the largest one, and random ones of all sizes between them.

        In a small space some may be equal.

        Returns:
            A canonical ``(n, n_genes)`` matrix, the smallest and the largest subnet first.
        """
        return self._of_sizes(stratified_sizes(n, rng), rng)

    def _of_sizes(self, sizes: NDArray[np.float64], rng: np.random.Generator) -> Matrix:
        return self.canonicalize(draw_of_sizes(self._choices_by_gene, sizes, rng))

    @property
    def _choices_by_gene(self) -> list[tuple[int, ...]]:
        return [self._choices[gene.name] for gene in self.genes]

    def _extreme(self, index: int) -> Subnet:
        return subnet_of(self.family, [choices[index] for choices in self._choices_by_gene])

    @checked
    def sample(
        self,
        n: Count,
        *,
        seed: Seed | np.random.Generator | None = None,
        uniform_over: Literal["choices", "subnets", "sizes"] = "choices",
    ) -> Matrix:
        """Draw random subnets, with replacement.

        Args:
            n: Number of subnets.
            seed: Seed or generator.
            uniform_over: ``"choices"`` draws each gene uniformly, as the ``ofa`` package does, so
                that all depths are equally likely. ``"subnets"`` makes all distinct subnets
                equally likely; deep ones are then far more frequent, because there are more of
                them. ``"sizes"`` covers the range from the smallest to the largest, with small
                ones somewhat more frequent; the other two hardly ever come near the ends.

        Returns:
            A canonical ``(n, n_genes)`` matrix.

        Raises:
            InvalidArgumentError: If ``n`` is negative or ``uniform_over`` unknown.
        """
        rng = np.random.default_rng(seed)
        if uniform_over == "sizes":
            return self._of_sizes(rng.random(n), rng)
        weights: list[list[float] | None] = [None] * len(self.genes)
        if uniform_over == "subnets":
            for j, gene in enumerate(self.genes):
                if gene.kind == "depth" and gene.stage >= 0:
                    depths = self._choices[gene.name]
                    counts = [n_of_depth(self.family, self._choices, gene.stage, d) for d in depths]
                    weights[j] = [c / sum(counts) for c in counts]
        return self.canonicalize(draw_choices(self._choices_by_gene, weights, n, rng))

    def enumerate(self) -> Matrix:
        """Return every subnet of a small space once, ``(n_subnets, n_genes)``.

        Raises:
            InvalidArgumentError: If there are more than a million.
        """
        if self.n_subnets > MAX_LISTED:
            raise InvalidArgumentError(
                f"`space` must have at most a million subnets to be listed, but has "
                f"{self.n_subnets}."
            )
        return all_rows(self._choices_by_gene, self.active_genes)

    # ------------------------------------------------------------------ Optuna

    @checked
    def suggest(self, trial: BaseTrial) -> Subnet:
        """Suggest every parameter of the space from a trial, and build the subnet.

        All parameters are always suggested, even those of absent blocks: samplers such as
        Optuna's NSGA-II recombine only parameters that every trial has.
        """
        row = []
        for gene in self.genes:
            value: Any = trial.suggest_categorical(gene.name, self.distributions[gene.name].choices)
            row.append(gene.integer(value))
        return subnet_of(self.family, row)

    @checked
    def to_params(self, matrix: Matrix) -> list[dict[str, int | float]]:
        """Return the Optuna parameters of each row; absent blocks take their first choice."""
        first = np.array([choices[0] for choices in self._choices_by_gene], dtype=np.int16)
        return params_of(self.genes, np.where(self.active_genes(matrix), matrix, first))

    @checked
    def from_params(self, params: Iterable[Mapping[str, Any]]) -> Matrix:
        """Return the canonical matrix of trials' parameters, the inverse of `to_params`.

        Raises:
            InvalidSubnetError: If a parameter is missing or not in the space.
        """
        matrix = rows_of(self.genes, self._choices, params)
        return self.canonicalize(self.check(matrix))


def _filled(name: str, given: Sequence[Any] | Any | None, default: tuple[Any, ...]) -> Any:
    """Return one entry for every stage or block."""
    if given is None:
        return default
    if isinstance(given, Sequence | np.ndarray):
        return tuple(given)
    if not default:
        raise InvalidSubnetError(
            f"`{name}` must be None, because the family has no elastic {name}, but got {given!r}."
        )
    return (given,) * len(default)


def space_of_choices(family: Family, choices: Mapping[str, Sequence[int]]) -> SearchSpace:
    """Return the space with these ``choices``: the integers of each gene by its name."""
    resolution, *others = family.genes
    kept = {gene.name: [gene.value(c) for c in choices[gene.name]] for gene in others}
    return SearchSpace(family, resolution=choices[resolution.name]).restrict(parameters=kept)
