"""Search spaces: the subnets that a search may choose, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from optuna.distributions import CategoricalDistribution

from optuna_ofa._arguments import AnyPath, Count, Positive, PositiveFloat, Seed, Text, checked
from optuna_ofa.exceptions import InvalidArgumentError, InvalidSubnetError
from optuna_ofa.space._choice_checks import checked_choices, checked_conditions
from optuna_ofa.space._choice_gene import Value
from optuna_ofa.space._choice_table import ChoiceTable, no_architecture
from optuna_ofa.space._choices import (
    RowRules,
    as_list,
    depths_of,
    n_subnets,
    restricted_choices,
    weights_of,
)
from optuna_ofa.space._configuration import Configuration
from optuna_ofa.space._drawing import all_rows, draw_choices, draw_of_sizes, stratified_sizes
from optuna_ofa.space._family import Family, Gene
from optuna_ofa.space._family_table import other_family
from optuna_ofa.space._find_family import find_family
from optuna_ofa.space._genotype import AnySubnet, genotype_of, subnet_of, table_of, value_of
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
        self._set_table(find_family(family, "family"))
        if resolution is not None:
            values = as_list(resolution)
            if not values:
                raise InvalidArgumentError("`resolution` must be at least one, but got [].")
            self._choices["resolution"] = tuple(sorted({int(r) for r in values}))

    @classmethod
    @checked
    def of_choices(
        cls,
        choices: Mapping[str, Iterable[Value]],
        *,
        name: Text = "choices",
        active: Mapping[str, tuple[str, Iterable[Value] | Value]] | None = None,
    ) -> SearchSpace:
        """Return the space of a plain table of choices, without a network behind it.

        A row of it is a `Configuration`, a mapping from the names of its active parameters to their
        values, in place of a `Subnet`. Samplers, studies, fronts, plots and pages work on it, with
        metrics of your own (`Metric`, `FunctionPredictor`). What needs an architecture is refused:
        multiply-adds, latency tables, weights, exports and drawings.

        In a genotype matrix the integer of a value is its index, and of a conditional parameter 1
        more, because 0 means that it is inactive.

        Args:
            choices: The values of each parameter by its name: numbers, strings or truth values, in
                their order. The order of numbers is used by models and by `smallest` and `largest`,
                strings are taken to have none.
            name: Name of the table, which studies, pages and plots show.
            active: For each parameter that is not always active, its parent and those of the
                parent's values with which it is: ``{"kernel": ("op", ["conv"])}``. Parents may
                depend on others.

        Raises:
            InvalidArgumentError: If there is no parameter or no value; a name or a value is not
                printable, a value is given twice, or values of one parameter are of different
                kinds; there are more than 1,000 parameters or values of one; or a condition names
                something unknown, or leads back to its own parameter.
        """
        found = checked_choices(choices)
        return cls.of_table(ChoiceTable(name, found, checked_conditions(active or {}, found)))

    @classmethod
    def of_table(cls, table: Family | ChoiceTable) -> SearchSpace:
        """Return the space of all that a family or a plain table offers."""
        space = cls.__new__(cls)
        space._set_table(table)
        return space

    def _set_table(self, table: Family | ChoiceTable) -> None:
        self.table = table
        self._choices = {gene.name: gene.choices for gene in table.genes}

    # ------------------------------------------------------------------ description

    @property
    def family(self) -> Family:
        """The supernet family.

        Raises:
            InvalidArgumentError: If the space is a plain table of choices, which has no network.
        """
        if isinstance(self.table, Family):
            return self.table
        raise InvalidArgumentError(no_architecture("space", self.name))

    @property
    def name(self) -> str:
        """The name of the family or of the plain table."""
        return self.table.name

    @property
    def noun(self) -> str:
        """What a row is called in pages and figures: a subnet, or a configuration."""
        return self.table.noun

    @property
    def has_network(self) -> bool:
        """Whether the space is of a supernet, and no plain table of choices."""
        return isinstance(self.table, Family)

    @property
    def genes(self) -> Sequence[Gene]:
        """The columns of a genotype matrix; their names are the names of the parameters."""
        return self.table.genes

    @property
    def choices(self) -> Mapping[str, tuple[int, ...]]:
        """The integers that each parameter may take in a genotype matrix, ascending."""
        return dict(self._choices)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Input sizes in pixels, ascending."""
        return self._choices[self.family.genes[0].name]

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
        return n_subnets(self.table, self._choices)

    @checked
    def depths_of(self, stage: Count) -> tuple[int, ...]:
        """Return the depths that a stage (counted from 0) may have."""
        return depths_of(self.family, self._choices, stage)

    def __repr__(self) -> str:
        return f"SearchSpace({self.name}, {self.n_subnets:.3g} {self.noun}s)"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SearchSpace)
            and self.table == other.table
            and self._choices == other._choices
        )

    def __hash__(self) -> int:
        return hash((self.table, tuple(self._choices.values())))

    def __contains__(self, item: object) -> bool:
        """Return whether a subnet belongs to the space, or all subnets of another space do."""
        if isinstance(item, SearchSpace):
            return item.table == self.table and all(
                set(choices) <= set(self._choices[name]) for name, choices in item._choices.items()
            )
        if not isinstance(item, Subnet | Configuration) or table_of(item) != self.table:
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
        parameters: Mapping[str, Iterable[Value] | Value] | None = None,
    ) -> SearchSpace:
        """Return the same space with fewer choices.

        Args:
            resolution: Input sizes to keep.
            depth: Depths to keep, in every stage.
            kernel: Kernel sizes to keep, in every block that offers several.
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
        restricted = SearchSpace.of_table(self.table)
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

        A single number applies to every stage or block; those that do not offer a kernel or depth
        that others do take the next smaller one, or their smallest.

        Raises:
            InvalidSubnetError: If an entry is not a choice of the family.
        """
        largest = subnet_of(self.family, [choices[-1] for choices in self._choices_by_gene])
        given = {"depth": depth, "kernel": kernel, "expand": expand, "width": width}
        entries = {
            name: _filled(name, value, getattr(largest, name)) for name, value in given.items()
        }
        offered = {"depth": self.family.depth_choices, "kernel": self.family.kernel_choices}
        for name, choices in offered.items():
            value = given[name]
            if any(value in of_one for of_one in choices if isinstance(value, int)):
                entries[name] = tuple(map(_nearest_below, entries[name], choices))
        return Subnet(
            self.family, largest.resolution if resolution is None else resolution, **entries
        )

    @checked
    def to_matrix(self, subnets: Iterable[Subnet | Configuration]) -> Matrix:
        """Encode subnets as a canonical genotype matrix.

        Returns:
            ``(n, n_genes)`` integers.

        Raises:
            InvalidSubnetError: If a subnet is of another family or outside the space.
        """
        subnets = list(subnets)
        for subnet in subnets:
            if table_of(subnet) != self.table:
                raise InvalidSubnetError(
                    f"`subnets` must be of {self.name}, but got one of "
                    f"{other_family(table_of(subnet), self.table)}."
                )
        rows = [genotype_of(subnet) for subnet in subnets]
        return self.check(np.array(rows, dtype=np.int16).reshape(len(rows), len(self.genes)))

    @checked
    def from_matrix(self, matrix: ArrayLike) -> list[AnySubnet]:
        """Decode a genotype matrix.

        Raises:
            InvalidSubnetError: If a row does not belong to the space.
        """
        checked = self.canonicalize(self.check(matrix))
        return [value_of(self.table, row) for row in checked.tolist()]

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
                f"`matrix` must have shape (n, {len(self.genes)}) for {self.name}, "
                f"but got {array.shape}."
            )
        rows = array.astype(np.int16)
        if array.dtype != np.int16 and not np.array_equal(rows, array):
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
        return RowRules(self.table, self._choices)

    @cached_property
    def block_genes(self) -> NDArray[np.bool_]:
        """A mask of the genes that are 0 where they have no effect, ``(n_genes,)``."""
        return np.array([gene.is_conditional for gene in self.genes])

    @property
    def n_levels(self) -> int:
        """How many genes at most depend on each other in a row; 0 where all are always active."""
        return self._rules.active_genes.n_levels

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

    def smallest(self) -> AnySubnet:
        """Return the subnet with the smallest choice of every gene."""
        return self._extreme(0)

    def largest(self) -> AnySubnet:
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

    def _extreme(self, index: int) -> AnySubnet:
        return value_of(self.table, [choices[index] for choices in self._choices_by_gene])

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
            weights = weights_of(self.table, self._choices)
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
        return all_rows(self._choices_by_gene, self._rules.active_genes.order, self.active_genes)

    # ------------------------------------------------------------------ Optuna

    @checked
    def suggest(self, trial: BaseTrial) -> AnySubnet:
        """Suggest every parameter of the space from a trial, and build the subnet.

        All parameters are always suggested, even those of absent blocks: samplers such as
        Optuna's NSGA-II recombine only parameters that every trial has.
        """
        row = []
        for gene in self.genes:
            value: Any = trial.suggest_categorical(gene.name, self.distributions[gene.name].choices)
            row.append(gene.integer(value))
        return value_of(self.table, row)

    @checked
    def to_params(self, matrix: Matrix) -> list[dict[str, Any]]:
        """Return the Optuna parameters of each row; absent blocks take their first choice."""
        first = np.array([choices[0] for choices in self._choices_by_gene], dtype=np.int16)
        return params_of(self.genes, np.where(self.active_genes(matrix), matrix, first))

    @checked
    def from_params(self, params: Iterable[Mapping[str, Any]]) -> Matrix:
        """Return the canonical matrix of trials' parameters, the inverse of `to_params`.

        Raises:
            InvalidSubnetError: If a parameter is missing or not in the space.
        """
        matrix = rows_of(self.genes, self._choices, self.active_genes, params)
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


def _nearest_below(entry: int, choices: tuple[int, ...]) -> int:
    """Return the largest choice up to an entry, the smallest where there is none."""
    return max((choice for choice in choices if choice <= entry), default=choices[0])


def restored_space(
    table: Family | ChoiceTable, choices: Mapping[str, Sequence[int]]
) -> SearchSpace:
    """Return the space with these ``choices``: the integers of each gene by its name."""
    if isinstance(table, ChoiceTable):
        space = SearchSpace.of_table(table)
        genes: Sequence[Gene] = table.genes
    else:
        resolution, *genes = table.genes
        space = SearchSpace(table, resolution=choices[resolution.name])
    kept = {gene.name: [gene.value(c) for c in choices[gene.name]] for gene in genes}
    return space.restrict(parameters=kept)
