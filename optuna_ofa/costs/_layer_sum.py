"""Costs that add up over layers, for whole matrices of subnets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import MissingEntryError
from optuna_ofa.space import Layer, Matrix, SearchSpace, Slot, Subnet, slots

# Rows priced at a time: their indices stay in the processor's cache.
_CHUNK = 4096
# Products of up to this many rows stay on one thread: OpenBLAS's threads wait for each other for
# as long as the product takes, and ten times as long if other programs use the processor too.
_GEMM_ROWS = 128
_FEW = 32


@dataclass(frozen=True)
class _Index:
    """The map from a genotype to one position per slot in a flat array of prices.

    ``position = genes @ radices + offsets``; the resolution is replaced by its rank first. Done
    in float32, because BLAS has no integer matrix products; exact below 2^24. Values above a
    gene's limit, and negative ones, are replaced by the limit, which has no price.
    """

    limits: NDArray[np.uint16]
    radices: NDArray[np.float32]
    offsets: NDArray[np.int32]
    resolution_rank: NDArray[np.int16]
    entries: tuple[_Entry, ...]
    size: int

    def positions(self, rows: Matrix) -> NDArray[np.int32]:
        """Return the ``(n_slots, n)`` positions of rows, canonical or not."""
        clipped = np.minimum(rows.view(np.uint16), self.limits)  # negative ones become large
        genes = clipped.astype(np.float32)
        genes[:, 0] = self.resolution_rank[clipped[:, 0]]
        positions = np.empty((len(self.offsets), len(rows)), dtype=np.int32)
        for start in range(0, len(rows), _GEMM_ROWS):
            part = slice(start, start + _GEMM_ROWS)
            positions[:, part] = (genes[part] @ self.radices).T
        positions += self.offsets[:, None]
        return positions


class _Entry(NamedTuple):
    """One layer that a slot can hold, and a setting of the slot's genes that puts it there."""

    position: int
    slot: Slot
    values: tuple[int, ...]
    layer: Layer | None


class LayerSum:
    """The sum of a price over the layers of each subnet.

    A slot of a supernet holds few distinct layers (Note10, MobileNetV3: 1,900 in all), so each
    is priced once here, and pricing a subnet takes one look-up per slot.

    Args:
        space: The search space whose subnets are priced.
        price: Takes a layer and the network's resolution; called once for each possible pair in
            the space.

    Raises:
        MissingEntryError: If ``price`` raises it; a subnet that has the layer is added to the
            message.
    """

    @checked
    def __init__(self, space: SearchSpace, price: Callable[[Layer, int], float]) -> None:
        self.space = space
        self._index = _build_index(space)
        self._prices = np.full(self._index.size, np.nan)
        priced = cache(price)
        for entry in self._index.entries:
            try:
                self._prices[entry.position] = (
                    0.0 if entry.layer is None else priced(entry.layer, entry.values[0])
                )
            except MissingEntryError as error:
                raise MissingEntryError(f"{error} Needed by {self._example(entry)}.") from error

    def __getstate__(self) -> dict[str, Any]:  # the index has functions, and is the space's
        return {key: value for key, value in self.__dict__.items() if key != "_index"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._index = _build_index(self.space)

    def _example(self, entry: _Entry) -> Subnet:
        """Return the largest subnet that has a layer."""
        row = self.space.to_matrix([self.space.largest()])
        row[0, list(entry.slot.columns)] = entry.values
        return self.space.from_matrix(row)[0]

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Price subnets.

        Args:
            matrix: ``(n, n_genes)`` genotypes, canonical or not.

        Returns:
            ``(n,)`` sums, bit-identical regardless of the other rows.

        Raises:
            InvalidSubnetError: If a row does not belong to the space.
        """
        matrix = np.asarray(matrix)
        if matrix.dtype != np.int16 or matrix.ndim != 2 or matrix.shape[1] != len(self.space.genes):
            matrix = self.space.check(matrix)
        total = self._sum(matrix)
        unpriced = np.isnan(total)
        if unpriced.any():  # outside the space, or invalid choices in genes of absent blocks
            rows = self.space.canonicalize(self.space.check(matrix))
            total[unpriced] = self._sum(rows[unpriced])
        return total

    def parts(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return what each slot of the family adds, ``(n_slots, n)``, for canonical genotypes."""
        return np.asarray(self._prices[self._index.positions(matrix)])

    # adds the price of one more layer to the total of the previous ones
    _join: np.ufunc = np.add

    def _sum(self, matrix: Matrix) -> NDArray[np.float64]:
        if len(matrix) < _FEW:  # one call of numpy, in the same order
            prices = self._prices[self._index.positions(matrix)]
            return np.asarray(self._join.accumulate(prices, axis=0)[-1])
        total = np.zeros(len(matrix))
        for start in range(0, len(matrix), _CHUNK):
            part = total[start : start + _CHUNK]
            # slot by slot: numpy's own sum uses another order for a single row
            for positions in self._index.positions(matrix[start : start + _CHUNK]):
                self._join(part, self._prices[positions], out=part)
        return total


class Placement(NamedTuple):
    """A layer at its position.

    Args:
        slot: The position.
        values: Values of the slot's genes, the resolution first: ``slot.build(*values)`` is the
            layer, and with another resolution its counterpart there.
        layer: The layer.
    """

    slot: Slot
    values: tuple[int, ...]
    layer: Layer


def placements(space: SearchSpace) -> tuple[Placement, ...]:
    """Return every layer at every position in a space; a layer may occur at several."""
    return tuple(
        Placement(entry.slot, entry.values, entry.layer)
        for entry in _build_index(space).entries
        if entry.layer is not None
    )


class LayerMax(LayerSum):
    """The largest price among the layers of each subnet; prices must not be negative."""

    _join = np.maximum


@cache
def _build_index(space: SearchSpace) -> _Index:
    all_slots = slots(space.family)
    resolutions = space.resolutions
    ranks = np.full(max(resolutions) + 2, len(resolutions), dtype=np.int16)
    ranks[list(resolutions)] = range(len(resolutions))
    limits = [max(gene.choices) + 1 for gene in space.genes]
    limits[0] = len(ranks) - 1
    radices = np.zeros((len(space.genes), len(all_slots)), dtype=np.float32)
    offsets = np.zeros(len(all_slots), dtype=np.int32)
    entries: list[_Entry] = []
    start = 0
    for s, slot in enumerate(all_slots):
        # column `i` takes `sizes[i]` values; only valid choices are priced
        sizes = [len(resolutions) + 1 if j == 0 else limits[j] + 1 for j in slot.columns]
        strides = [int(np.prod(sizes[i + 1 :])) for i in range(len(sizes))]
        for column, stride in zip(slot.columns, strides, strict=True):
            radices[column, s] = stride
        offsets[s] = start
        for position, values in _settings(space, slot, strides, ranks):
            entries.append(_Entry(start + position, slot, values, slot.build(*values)))
        start += int(np.prod(sizes))
    return _Index(np.array(limits, np.uint16), radices, offsets, ranks, tuple(entries), start)


def _settings(
    space: SearchSpace, slot: Slot, strides: Sequence[int], ranks: NDArray[np.int16]
) -> list[tuple[int, tuple[int, ...]]]:
    """Return every setting of a slot's genes with its position, including absent blocks (0)."""
    choices = []
    for j in slot.columns:
        gene = space.genes[j]
        absent = (0,) if gene.position >= 0 else ()
        choices.append(absent + space.choices[gene.name])
    settings = []
    for values in itertools.product(*choices):
        if not _is_consistent(slot, values, space):
            continue
        ints = (int(ranks[values[0]]), *values[1:])
        position = sum(i * stride for i, stride in zip(ints, strides, strict=True))
        settings.append((position, values))
    return settings


def _is_consistent(slot: Slot, values: tuple[int, ...], space: SearchSpace) -> bool:
    """Return whether a setting can occur: 0 is valid only for an absent block."""
    if all(values[i] for i, j in enumerate(slot.columns) if space.genes[j].position >= 0):
        return True
    return slot.build(*values) is None
