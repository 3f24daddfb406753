"""The features that explain the latency of a network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.costs import LayerSum, layer_operators, placements
from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.predictors.latency._choice_products import ChoiceProducts
from optuna_ofa.predictors.latency._device_terms import DeviceTerms
from optuna_ofa.predictors.latency._in_words import prices_in_words
from optuna_ofa.predictors.latency._nonnegative import averaged_nonnegative, fit_nonnegative
from optuna_ofa.predictors.latency._own_terms import CountedTerms, OwnTerms
from optuna_ofa.predictors.latency._predictor import LatencyPredictor
from optuna_ofa.predictors.latency._ridge import RelativeRidge, fit_relative_ridge
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.predictors.latency._target import Target
from optuna_ofa.space import ChoiceTable, Layer, Matrix, SearchSpace

FeatureKind = Literal["none", "terms", "physical", "own", "choices", "own + choices", "onehot"]
# those whose prices are not negative
_PRICED = ("terms", "own", "choices", "own + choices")
Array = NDArray[np.float64]
Features = Callable[[Matrix], Array]


def latency_features(
    kind: FeatureKind, space: SearchSpace, own: OwnTerms | None = None
) -> Features:
    """Return the function from ``(n, n_genes)`` genotypes to ``(n, n_features)`` numbers."""
    parts: list[Features] = []
    if own is not None and kind.startswith("own"):
        parts.append(CountedTerms(space, own))
    if kind.endswith("choices"):
        parts.append(ChoiceProducts(space))
    if parts:
        return lambda matrix: np.concatenate([part(matrix) for part in parts], axis=1)
    match kind:
        case "terms":
            return DeviceTerms(space)
        case "physical":
            return PhysicalFeatures(space)
        case "onehot":
            return OneHotFeatures(space)
        case _:
            return no_features


def no_features(matrix: Matrix) -> NDArray[np.float64]:
    """Return ``(n, 0)``."""
    return np.empty((len(matrix), 0))


class PhysicalFeatures:
    """Sums over layers: multiply-adds, memory traffic and number of each type of operator.

    Depthwise convolutions of different kernel sizes are different types, because runtimes have
    a fast kernel for some of them and none for others.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        layers = {place.layer: _quantities(place.layer) for place in placements(space)}
        self.names = sorted({name for found in layers.values() for name in found})
        self.sums = [
            LayerSum(space, lambda layer, _, name=name: layers[layer].get(name, 0.0))  # type: ignore[misc]
            for name in self.names
        ]

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)``: multiply-adds and numbers in millions, and counts."""
        return np.stack([total(matrix) for total in self.sums], axis=1)


def _quantities(layer: Layer) -> dict[str, float]:
    found: dict[str, float] = {}
    for op in layer_operators(layer):
        kind = f"{op.name}{layer.kernel}" if op.name in ("depthwise", "conv") else op.name
        amounts = {
            "macs": op.n_macs / 1e6,
            "moved": (op.n_read + op.n_written) / 1e6,
            "weights": op.n_weights / 1e6,
            "n": 1.0,
        }
        for name, amount in amounts.items():
            if amount:
                key = f"{kind}.{name}"
                found[key] = found.get(key, 0.0) + amount
    return found


class OneHotFeatures:
    """One column for each choice of each gene; all zero if a block is absent.

    Args:
        space: The space of the matrices.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        pairs = [(j, c) for j, gene in enumerate(space.genes) for c in space.choices[gene.name]]
        self._columns = np.array([j for j, _ in pairs])
        self._values = np.array([c for _, c in pairs], dtype=np.int16)

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` zeros and ones."""
        rows = self._space.canonicalize(self._space.check(matrix))
        return np.asarray(rows[:, self._columns] == self._values, dtype=float)

    def weighted(self, weights: NDArray[np.float64]) -> Features:
        """Return a function from canonical genotypes to the weight of each gene's choice."""

        def of_genes(matrix: Matrix) -> NDArray[np.float64]:
            found = np.zeros(matrix.shape)
            chosen = weights * (matrix[:, self._columns] == self._values)
            np.add.at(found.T, self._columns, chosen.T)
            return found

        return of_genes


# Least numbers of rows at which the features improve a prediction.
_LEAST = {"none": 3, "terms": 5, "physical": 40, "onehot": 150}
_LEAST_OF_CHOICES = {"own": 5, "choices": 5, "own + choices": 20, "onehot": 150}
LEAST_ROWS = 5
# up to this many rows are left out one by one
_ONE_BY_ONE = 40
_Z95 = 1.6449
# of a model, whose residuals may all be 0
_LEAST_NOISE = 0.01


class Inputs:
    """The columns of the regression: a constant, the table's sums, the features.

    Args:
        space: The space of the matrices.
        kind: The features.
        table: The table, or None.
        known: The predictor of a known device, whose sums take the place of a table's.
        own: The function that counts the terms of your own.
    """

    def __init__(
        self,
        space: SearchSpace,
        kind: FeatureKind,
        table: LatencyTable | None,
        known: Predictor | None = None,
        own: OwnTerms | None = None,
    ) -> None:
        self.kind, self._has_table = kind, not (table is None and known is None)
        self._space, self._own = space, own
        self._features = latency_features(kind, space, own)
        self._table = known if table is None else LatencyPredictor(table=table, space=space)
        self.n_features = self(space.to_matrix([space.smallest()])).shape[1]

    def like(self, known: Predictor) -> Inputs:
        """Return the columns with those of a known device, if these are without a table."""
        other = copy.copy(self)
        other._table, other._has_table = known, True
        other.n_features = self.n_features + 1
        return other

    @property
    def _free(self) -> NDArray[np.bool_]:
        """Which columns have no penalty in a ridge: the constant and a table."""
        return np.arange(self.n_features) < 1 + self._has_table

    def __call__(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return ``(n, n_features)`` numbers."""
        columns = [np.ones((len(matrix), 1))]
        if self._table is not None:
            columns.append(self._table.predict(matrix)[:, None])
        return np.concatenate([*columns, self._features(matrix)], axis=1)

    def fit(
        self, x: Array, latency: Array, penalty: float | None, sure: Array | None = None
    ) -> RelativeRidge:
        """Return the model of these columns; the table and, in a ridge, the constant are free.

        Factors of the errors of rows, ``sure``, are for models with non-negative prices alone.
        """
        if self.kind not in _PRICED:
            return fit_relative_ridge(x, latency, self._free.tolist(), penalty)
        strength = np.ones(self.n_features)
        strength[1] = 0.0 if self._has_table else 1.0
        if not isinstance(self._features, DeviceTerms):
            found = fit_nonnegative(x, latency, penalty=penalty, strength=strength, certainty=sure)
            return found.model
        alone = np.eye(1 + self._has_table)
        merges = [_beside(alone, merge) for merge in self._features.merges]
        return averaged_nonnegative(
            x, latency, merges, penalty=penalty, strength=strength, certainty=sure
        ).model

    @property
    def own_names(self) -> tuple[str, ...]:
        """Names of the terms of your own; empty without any."""
        return () if self._own is None else CountedTerms(self._space, self._own).names

    def weighted(self, weights: NDArray[np.float64]) -> Terms | str:
        """Return the columns times ``(n_features,)`` weights, as a sum.

        If the predictor of the known device is no sum, return why.
        """
        if self.kind.startswith("own"):
            return "its terms are counted by a function, which is not known to be a sum over genes"
        if self.kind == "choices":
            return "its terms are products of several parameters, and no sum over genes"
        constant, *others = weights.tolist()
        known = Terms()
        if self._table is not None:
            found, factor = self._table.terms(), others.pop(0)
            if isinstance(found, str):
                return found
            known = found.scaled(factor)
        sums: list[tuple[float, LayerSum]] = []
        of_genes = None
        if isinstance(self._features, DeviceTerms | PhysicalFeatures):
            sums += zip(others, self._features.sums, strict=True)
        elif isinstance(self._features, OneHotFeatures):
            of_genes = self._features.weighted(np.array(others))
        own = Terms(lambda pixels: np.full(len(pixels), constant), of_genes, tuple(sums))
        return known.plus(own)

    def in_words(self, weights: NDArray[np.float64], known: str) -> str:
        """Return what the weights of terms mean, or what the model is if they are too many.

        Args:
            weights: ``(n_features,)``.
            known: Name of the known device, if there is one.
        """
        if not isinstance(self._features, DeviceTerms):
            return f"a sum of {len(weights)} features"
        constant, *others = weights.tolist()
        times = others.pop(0) if self._has_table else 0.0
        text = prices_in_words(constant, zip(others, self._features.units, strict=True))
        parts = [text] if text else []
        if times:
            parts.append(
                f"{times:.3g} times the latency {f'on {known}' if known else 'of the table'}"
            )
        return ", ".join(parts)


def _beside(first: Array, second: Array) -> Array:
    """Return a matrix with two blocks on its diagonal."""
    (n, k), (m, j) = first.shape, second.shape
    return np.block([[first, np.zeros((n, j))], [np.zeros((m, k)), second]])


def model_name(kind: str, table: LatencyTable | None) -> str:
    """Return the name of a model in reports."""
    if table is None:
        return kind
    return "table + affine" if kind == "none" else f"table + {kind}"


def candidates(
    n: int, space: SearchSpace, table: LatencyTable | None, target: Target, own: OwnTerms | None
) -> list[FeatureKind]:
    """Return the features for which ``n`` rows are enough, from the simplest to the richest."""
    kinds = list(get_args(FeatureKind))
    if isinstance(space.table, ChoiceTable):
        least = _LEAST_OF_CHOICES
        # a ridge may predict costs of 0 and less, which have no reciprocal
        kinds = kinds[: -1 if target.is_reciprocal else None]
        kinds = [k for k in kinds if k.startswith("own") == (own is not None) or k == "onehot"]
    else:
        least = _LEAST if own is None else {"own": 5}
        kinds = [k for k in kinds if k != "none" or table is not None]
        if target.is_reciprocal and own is None:
            kinds = [k for k in kinds if k == "terms"]
    return [k for k in kinds if n >= least.get(k, n + 1)]


def held_out(
    inputs: Inputs,
    x: Array,
    latency: Array,
    penalty: float | None,
    seed: int,
    sure: Array | None = None,
) -> Array:
    """Return the errors of rows that the fit has not seen, the choice of a penalty included.

    Up to 40 rows each is left out once, of more a tenth at a time.

    Returns:
        ``(n, 2)`` relative errors, and by how much each should exceed the noise.
    """
    n = len(latency)
    folds = np.arange(n) if n <= _ONE_BY_ONE else np.random.default_rng(seed).permutation(n) % 10
    found = np.empty((n, 2))
    for fold in np.unique(folds):
        out = folds == fold
        model = inputs.fit(x[~out], latency[~out], penalty, None if sure is None else sure[~out])
        found[out, 0] = model.predict(x[out]) / latency[out] - 1
        found[out, 1] = model.spread(x[out])
    return found


def noise_of(errors: Array) -> float:
    """Return the relative noise from what `held_out` returns.

    Few errors tell little of their own spread: so it is widened by the ratio of Student's t to the
    normal distribution at 95 %, of which this is the expansion (Abramowitz and Stegun, 26.7.5).
    """
    z, freedom = _Z95, len(errors) - 1
    widened = 1 + (z**2 + 1) / (4 * freedom) + (5 * z**4 + 16 * z**2 + 3) / (96 * freedom**2)
    return float(np.sqrt(np.mean((errors[:, 0] / errors[:, 1]) ** 2)) * widened)


def certainty(relative: Array, noise: float) -> Array:
    """Return factors of the errors of rows, ``(n,)`` above 0 and at most 1.

    A row's error is that of the model and that of its measurement.

    Args:
        relative: ``(n,)`` relative standard deviations of the measurements.
        noise: Relative standard deviation of the model's residuals.
    """
    model = max(noise, _LEAST_NOISE)
    return np.asarray(model / np.hypot(model, relative))


def require_kind(features: object, space: SearchSpace, table: object, target: Target) -> None:
    """Refuse features by name that a space or a metric cannot have.

    Raises:
        InvalidArgumentError: With those that it can have.
    """
    if not isinstance(features, str):
        return
    if isinstance(space.table, ChoiceTable):
        known = ["choices", "onehot"][: 1 if target.is_reciprocal else 2]
    else:
        known = ["terms", "physical", "onehot"][: 1 if target.is_reciprocal else 3]
    if features not in [*known, *["none"] * (table is not None)]:
        listed = ", ".join(map(repr, known[:-1]))
        listed = f"{listed} or {known[-1]!r}" if listed else repr(known[-1])
        or_none = "" if isinstance(space.table, ChoiceTable) else ", or 'none' with a table"
        raise InvalidArgumentError(
            f"`features` must be {listed}{or_none}, or a function that counts amounts, but got "
            f"{features!r}."
        )
