"""What a predictor was fitted on, and which subnets lie outside of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._json_format import decode_array, encode_array
from optuna_ofa._values import array, number
from optuna_ofa.costs import LayerSum, layer_macs
from optuna_ofa.exceptions import FormatError
from optuna_ofa.predictors._products import RowProduct, padded
from optuna_ofa.predictors._thermometer import Thermometer
from optuna_ofa.predictors._triangle import packed, unpacked
from optuna_ofa.predictors._widening import Widening, resolution_distance
from optuna_ofa.space import Gene, Matrix, SearchSpace

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
_PENALTY = 1.0  # keeps the distance finite where features were constant
_PIECE = 8192  # subnets whose features are in memory at once
# a size may be this much beyond the fitted ones, as a share of their logarithmic range
_MARGIN = 0.05
_MOST_LOG = 100.0  # of multiply-adds
_RESOLUTION = 0  # its column
# Resolutions between two fitted ones with at most this ratio are not outside.
_NEAR = 1.3
_OF_BLOCKS = ("kernel", "expand")  # kinds of genes that are 0 where their block is absent


class Outside(NamedTuple):
    """Which subnets are outside, by reason; each ``(n,)``.

    Args:
        resolution: Their resolution was never fitted, nor is it between two near ones that were.
        choice: Another of their choices was never fitted.
        size: They have fewer or more multiply-adds than all fitted subnets.
        value: Their predicted value is below or above all fitted ones.
        distance: Their combination of choices is unlike all fitted ones.
    """

    resolution: Mask
    choice: Mask
    size: Mask
    value: Mask
    distance: Mask

    @property
    def any(self) -> Mask:
        """Which subnets are outside for any reason, ``(n,)``."""
        return np.asarray(np.logical_or.reduce(self), dtype=bool)


class Support:
    """What a predictor was fitted on, without the rows themselves.

    Args:
        space: The space of the matrices.
        seen: The fitted choices of each gene, ascending, in the order of the genes.
        sizes: Smallest and largest logarithm of the multiply-adds.
        values: Smallest and largest fitted value, in the unit of the predictor's metric.
        mean: ``(n_features,)`` mean of the `Thermometer` features.
        root: ``(n_features, n_features)`` lower Cholesky factor of the inverse Gram matrix.
        limit: Largest squared distance of a fitted subnet from all others.
        widening: How much less certain predictions are outside; None if unknown.
    """

    def __init__(
        self,
        *,
        space: SearchSpace,
        seen: tuple[tuple[int, ...], ...],
        sizes: tuple[float, float],
        values: tuple[float, float],
        mean: Array,
        root: Array,
        limit: float,
        widening: Widening | None = None,
    ) -> None:
        self.space: SearchSpace = space
        self.seen: tuple[tuple[int, ...], ...] = seen
        self.sizes: tuple[float, float] = sizes
        self.values: tuple[float, float] = values
        self._mean, self._root, self._limit = mean, root, limit
        self.widening = widening
        self._product = RowProduct(root)
        self._features = Thermometer(space)
        self._tables = {
            j: _lookup(gene, seen[j])
            for j, gene in enumerate(space.genes)
            if len(seen[j]) < len(space.choices[gene.name])
        }

    @cached_property
    def _macs(self) -> LayerSum:  # takes a tenth of a second where there are many resolutions
        return LayerSum(self.space, lambda layer, _: layer_macs(layer))

    @classmethod
    def of(cls, space: SearchSpace, matrix: Matrix, values: Array) -> Support:
        """Return the support of fitted rows.

        Args:
            space: The space of the rows.
            matrix: ``(n, n_genes)`` canonical genotypes.
            values: Values that are inside: measured ones, and those predicted for the rows.
        """
        features = Thermometer(space)(matrix)
        # as in the file, so that a predictor is the same before and after it is saved
        mean = features.mean(axis=0).astype(np.float32).astype(np.float64)
        centred = features - mean
        gram = centred.T @ centred + _PENALTY * np.eye(len(mean))
        root = np.linalg.cholesky(np.linalg.inv(gram)).astype(np.float32).astype(np.float64)
        leverage = _squared(centred, RowProduct(root))
        sizes = np.log(LayerSum(space, lambda layer, _: layer_macs(layer))(matrix))
        return cls(
            space=space,
            seen=tuple(
                _choices(g, column) for g, column in zip(space.genes, matrix.T, strict=True)
            ),
            sizes=(float(sizes.min()), float(sizes.max())),
            values=(float(values.min()), float(values.max())),
            mean=mean,
            root=root,
            # the distance of a row from all others, by the Sherman-Morrison formula
            limit=float(np.max(leverage / np.maximum(1 - leverage, 1e-9))),
        )

    def outside(self, matrix: Matrix, predicted: Array) -> Outside:
        """Return which subnets are outside, and why.

        Args:
            matrix: ``(n, n_genes)`` genotypes, canonical or not.
            predicted: ``(n,)`` their predicted values.
        """
        parts = [self._piece(matrix[i : i + _PIECE]) for i in range(0, len(matrix), _PIECE)]
        parts = parts or [self._piece(matrix)]
        unseen, sizes, distances = (np.concatenate(part) for part in zip(*parts, strict=True))
        low, high = self.sizes
        margin = _MARGIN * (high - low)
        resolution = unseen[:, _RESOLUTION] & ~self._between(matrix[:, _RESOLUTION])
        unseen[:, _RESOLUTION] = False
        return Outside(
            resolution,
            np.asarray(unseen.any(axis=1), dtype=bool),
            _beyond(sizes, low - margin, high + margin),
            _beyond(predicted, *self.values),
            distances > self._limit,
        )

    def reasons(self, matrix: Matrix, predicted: Array) -> list[str]:
        """Return why subnets are outside, with the number of subnets; empty if all are inside."""
        outside = self.outside(matrix, predicted)
        rows = self.space.canonicalize(self.space.check(matrix))
        found = []
        if outside.resolution.any():
            found.append(self._resolutions(rows[outside.resolution, _RESOLUTION]))
        if outside.choice.any():
            found.append(self._choices(rows[outside.choice]))
        for which, what, (low, high) in (
            (outside.size, "million multiply-adds", np.exp(self.sizes) / 1e6),
            (outside.value, "predicted", self.values),
        ):
            if which.any():
                found.append(
                    f"{what} outside of the fitted {low:.4g} to {high:.4g} ({which.sum()})"
                )
        if outside.distance.any() and not found:
            found.append(f"choices combined unlike any fitted subnet ({outside.distance.sum()})")
        return found

    def sizes_of(self, matrix: Matrix) -> Array:
        """Return logarithms of multiply-adds, ``(n, 2)``.

        The first are those at the largest resolution of the space, the others at the subnets' own.
        """
        own = self.space.canonicalize(self.space.check(matrix))
        alike = np.array(own)
        alike[:, _RESOLUTION] = self.space.resolutions[-1]
        return np.log(np.stack([self._macs(alike), self._macs(own)], axis=1))

    def widened(self, std: Array, matrix: Matrix, predicted: Array) -> Array:
        """Return standard deviations that are larger outside, ``(n,)``.

        Args:
            std: ``(n,)`` those of the model.
            matrix: ``(n, n_genes)`` genotypes.
            predicted: ``(n,)`` their predicted values.
        """
        if self.widening is None:
            return std
        rows = self.space.canonicalize(self.space.check(matrix))
        unseen = self._unseen(rows)
        unseen[:, _RESOLUTION] = False
        variances = self.widening.variances(
            predicted,
            sizes=self.sizes_of(rows),
            distances=resolution_distance(rows[:, _RESOLUTION], self.seen[_RESOLUTION]),
            n_unseen=unseen.sum(axis=1),
        )
        return np.sqrt(std**2 + variances)

    def _between(self, pixels: Matrix) -> Mask:
        """Return which resolutions are between two fitted ones that are near each other.

        Accuracy is smooth in the resolution.
        """
        fitted = np.array([0, *self.seen[_RESOLUTION], np.inf])
        above = np.searchsorted(fitted, pixels)
        below = np.maximum(fitted[above - 1], 1e-9)
        return np.asarray(fitted[above] <= _NEAR * below, dtype=bool)

    def _resolutions(self, pixels: Matrix) -> str:
        fitted = self.seen[_RESOLUTION]
        low, high = fitted[0], fitted[-1]
        fitted_range = f"{low} to {high}" if low < high else f"{low}"
        unseen = np.unique(pixels)
        words = []
        for which, where in (
            (unseen < low, f"below the fitted {fitted_range}"),
            ((unseen > low) & (unseen < high), f"between the fitted {', '.join(map(str, fitted))}"),
            (unseen > high, f"above the fitted {fitted_range}"),
        ):
            found = unseen[which].tolist()
            if found:
                several = "s" if len(found) > 1 else ""
                sizes = ", ".join(map(str, found[:3])) + (", ..." if len(found) > 3 else "")
                words.append(f"resolution{several} {sizes} {'are' if several else 'is'} {where}")
        return f"{', '.join(words)} ({len(pixels)})"

    def _choices(self, rows: Matrix) -> str:
        unseen = self._unseen(rows)
        unseen[:, _RESOLUTION] = False
        j = int(unseen.sum(axis=0).argmax())
        gene = self.space.genes[j]
        value = gene.value(int(rows[unseen[:, j], j][0]))
        others = int(unseen.any(axis=0).sum()) - 1
        more = f" and choices of {others} more parameters were" if others else " was"
        return f"{gene.name} = {value}{more} never fitted ({len(rows)})"

    def _piece(self, matrix: Matrix) -> tuple[Mask, Array, Array]:
        """Return unseen choices, ``(n, n_genes)``, logarithms of MACs, and squared distances."""
        rows = self.space.canonicalize(self.space.check(matrix))
        distances = _squared(self._features(rows) - self._mean, self._product)
        return self._unseen(rows), np.log(self._macs(rows)), distances

    def _unseen(self, rows: Matrix) -> Mask:
        unseen = np.zeros(rows.shape, dtype=bool)
        for j, table in self._tables.items():
            unseen[:, j] = ~table[rows[:, j]]
        return unseen

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready numbers."""
        return {
            "seen": {g.name: list(s) for g, s in zip(self.space.genes, self.seen, strict=True)},
            "sizes": list(self.sizes),
            "values": list(self.values),
            "limit": self._limit,
            "mean": encode_array(self._mean.astype(np.float32)),
            "root": encode_array(packed(self._root).astype(np.float32)),
            "widening": None if self.widening is None else self.widening.to_dict(),
        }

    @classmethod
    def from_dict(cls, space: SearchSpace, data: Mapping[str, Any]) -> Support:
        """Read what `to_dict` wrote.

        Raises:
            FormatError: If something is missing or does not fit the space.
        """
        n = Thermometer(space).n_features
        try:
            seen = tuple(_seen(space, gene, data["seen"][gene.name]) for gene in space.genes)
            widening = data["widening"]
            return cls(
                space=space,
                seen=seen,
                sizes=_ends(data["sizes"], "`sizes` of `support`", _MOST_LOG),
                values=_ends(data["values"], "`values` of `support`"),
                mean=decode_array(data, "mean", np.float32, (n,)).astype(np.float64),
                root=unpacked(decode_array(data, "root", np.float32, (n * (n + 1) // 2,)), n),
                limit=number(data["limit"], "`limit` of `support`", least=0),
                widening=None if widening is None else Widening.from_dict(widening),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise FormatError(
                f"`support` must hold what the predictor was fitted on, but: {error!r:.300}."
            ) from error


def _squared(centred: Array, root: RowProduct) -> Array:
    """Return squared lengths of ``(n, n_features)`` rows times a matrix, ``(n,)``."""
    return np.asarray(np.square(root(padded(centred))).sum(1)[: len(centred)])


def _beyond(values: Array, low: float, high: float) -> Mask:
    return np.asarray((values < low) | (values > high), dtype=bool)


def _choices(gene: Gene, column: Matrix) -> tuple[int, ...]:
    return tuple(v for v in np.unique(column).tolist() if v or gene.kind not in _OF_BLOCKS)


def _lookup(gene: Gene, choices: tuple[int, ...]) -> Mask:
    """Return whether each value of a gene was seen; an absent block has none."""
    table = np.zeros(max(gene.choices) + 1, dtype=bool)
    table[list(choices)] = True
    table[0] |= gene.kind in _OF_BLOCKS
    return table


def _seen(space: SearchSpace, gene: Gene, values: Any) -> tuple[int, ...]:
    known = space.choices[gene.name]
    whole = isinstance(values, list) and all(type(v) is int and v in known for v in values)
    if not whole or values != sorted(set(values)) or not (values or gene.kind in _OF_BLOCKS):
        raise FormatError(
            f"`seen` of {gene.name} must be some of {known}, ascending, but is {values!r:.100}."
        )
    return tuple(values)


def _ends(values: Any, where: str, most: float = math.inf) -> tuple[float, float]:
    low, high = array(values, where, (2,)).tolist()
    if low > high or max(-low, high) > most:
        raise FormatError(f"{where} must be two ascending numbers, but is {values!r:.100}.")
    return low, high
