"""Latency of whole subnets, fitted to measured ones, with or without a table of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optuna_ofa._arguments import AnyPath, OutputFile, Positive, PositiveFloat, Seed, checked
from optuna_ofa._json_format import JsonFormat
from optuna_ofa._parsing import MAX_MB
from optuna_ofa._plausible import numbers, require_plausible, require_std
from optuna_ofa._rules import Instead, shown
from optuna_ofa._values import number
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    FamilyMismatchError,
    FormatError,
    ImplausibleValueWarning,
    InvalidArgumentError,
)
from optuna_ofa.predictors._base import Direction, LocalModel, Predictor
from optuna_ofa.predictors._sound import require_sound
from optuna_ofa.predictors._terms import Terms
from optuna_ofa.predictors.latency._design import chosen
from optuna_ofa.predictors.latency._features import (
    LEAST_ROWS,
    FeatureKind,
    Inputs,
    candidates,
    certainty,
    held_out,
    model_name,
    noise_of,
    require_kind,
)
from optuna_ofa.predictors.latency._known_devices import (
    MOST_RATIO,
    KnownDevice,
    KnownSource,
    is_clearly_better,
    known_devices,
    mixed,
    share_of_known,
    usable,
)
from optuna_ofa.predictors.latency._own_terms import (
    FeatureSource,
    OwnTerms,
    TermsError,
    TermsFunction,
    as_own,
    own_terms,
    require_terms,
)
from optuna_ofa.predictors.latency._predictor import LatencyPredictor
from optuna_ofa.predictors.latency._ridge import RelativeRidge
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.predictors.latency._table_files import table_dict, table_from_dict
from optuna_ofa.predictors.latency._target import AnyMetric, Target, target_of
from optuna_ofa.space import (
    ChoiceTable,
    Family,
    Matrix,
    SearchSpace,
    family_from_json,
    restored_space,
)

LATENCY = Target()
Deviations = Annotated[ArrayLike | None, Instead("numbers", lambda _: True)]
FORMAT = JsonFormat("optuna_ofa.latency_predictor", version=1)
# a simpler model is kept if its error is at most this factor larger
_TOLERANCE = 1.05


class NetworkLatencyPredictor(Predictor):
    """Regression of latencies on features of subnets, with relative errors.

    A few physical terms whose prices are not negative need ten measured subnets, the finer features
    about 100. With a table it is a hybrid: a scale and an offset for the table's sums, for which 10
    to 20 measured subnets are enough, plus features.

    Plain tables of choices have products of their numbers as terms, with non-negative prices, and
    any space has those that a function of yours counts. A metric that goes up, such as throughput,
    is the reciprocal of such a sum.

    Args:
        space: The subnets.
        features: ``"terms"`` (a few amounts with non-negative prices: blocks, multiply-adds, …),
            ``"physical"`` (multiply-adds, traffic and number of each type of operator),
            ``"onehot"``, or ``"none"`` for only scale and offset. ``"own"`` are `own`,
            ``"choices"`` the products of a plain table, ``"own + choices"`` both.
        model: The fitted weights.
        table: The table, or None.
        heldout_mape: Mean absolute error in percent on held-out rows, by name of each model
            that was compared.
        metadata: Other facts (JSON).
        known: The device that it was learned from, whose latencies are one of the terms; None if
            it was learned alone.
        own: The function that counts terms of your own, if any.
        target: What is predicted: latency, unless `fit` was given another metric.

    Attributes:
        metric: Name of the metric.
    """

    @checked
    def __init__(
        self,
        *,
        space: SearchSpace,
        features: FeatureKind,
        model: RelativeRidge,
        table: LatencyTable | None = None,
        heldout_mape: Mapping[str, float] | None = None,
        metadata: Mapping[str, Any] | None = None,
        known: KnownDevice | None = None,
        own: OwnTerms | None = None,
        target: Target = LATENCY,
    ) -> None:
        self.space = space
        self.own: OwnTerms | None = own
        self.target: Target = target
        self.metric: str = target.name
        self.known = known
        self.features = features
        self.table = table
        self.model = model
        self.heldout_mape: dict[str, float] = dict(heldout_mape or {})
        self.metadata: dict[str, Any] = dict(metadata or {})
        self._inputs = Inputs(
            space, features, table, None if known is None else known.predictor, own
        )

    @staticmethod
    @checked
    def choose(
        space: SearchSpace, n: Positive = 10, *, candidates: Matrix | None = None, seed: Seed = 0
    ) -> Matrix:
        """Return the subnets to measure for `fit`, chosen rather than drawn.

        They are spread over depth, multiply-adds, traffic and resolution so that predictions for
        all subnets of the space have a small mean variance (an I-optimal design on the terms of
        `fit`, with relative errors). Subnets that *judge* a predictor have to be random ones,
        `SearchSpace.sample`: errors on chosen ones are not those of a search.

        Args:
            space: The subnets to predict.
            n: How many to measure.
            candidates: ``(k, n_genes)`` the only subnets that can be measured, such as those of a
                published file; None chooses among random ones, and those at the ends of the space.
            seed: Seed of the random subnets.

        Returns:
            ``(n, n_genes)`` different canonical rows.

        Raises:
            InvalidArgumentError: If there are fewer than ``n`` different candidates, or subnets in
                the space.
            InvalidSubnetError: If a candidate does not belong to the space.
        """
        return chosen(space, n, candidates, seed)

    @classmethod
    @checked
    def fit(
        cls,
        space: SearchSpace,
        matrix: Matrix,
        latency_ms: ArrayLike,
        *,
        table: LatencyTable | None = None,
        like: Iterable[KnownSource] | KnownSource | None = None,
        features: FeatureSource | None = None,
        metric: AnyMetric = None,
        std: Deviations = None,
        penalty: PositiveFloat | None = None,
        metadata: Mapping[str, Any] | None = None,
        seed: Seed = 0,
    ) -> NetworkLatencyPredictor:
        """Fit to measured subnets.

        Args:
            space: The space of the matrix.
            matrix: ``(n, n_genes)`` genotypes.
            latency_ms: ``(n,)`` milliseconds; or values of another `metric`.
            table: A table of the same device, or of a similar one.
            like: Known devices, of which one is used if errors on held-out rows are clearly lower
                with it: tables, predictors, their files, or names of packaged tables. Its latency
                is a term beside the physical ones. None tries the packaged tables of the family,
                unless there is a `table`; an empty list none. With so many rows that finer features
                are better than terms, none is used.
                ``metadata["like"]`` says which was used, and both errors.
            features: None compares those for which ``n`` rows are enough, by their error on
                held-out rows, and takes the simplest that is about as good as the best. A function
                takes ``(n, n_genes)`` genotypes and returns ``(n, k)`` amounts of at least 0, such
                as layers, multiply-adds and bytes moved; `OwnTerms` names them.
            metric: A `Metric` with another quantity than latency in milliseconds, such as energy,
                or throughput, which is to be maximised: its reciprocal is fitted.
            std: ``(n,)`` standard deviations of the values, 0 or NaN where unknown: rows that
                were measured less surely count less.
            penalty: None takes the one with the lowest leave-one-out error; for terms, it averages
                over penalties by these errors.
            metadata: Other facts (JSON).
            seed: Seed of the folds.

        Raises:
            InvalidArgumentError: If a latency is not a positive number, there are too few rows or
                all are equal, a function in `features` does not count amounts, `metric` has no
                direction, the batch size in the metadata differs from the table's, or `like` has
                something else than latencies that are possible.
            FamilyMismatchError: If the table, or a device in `like`, is for another family.

        Warns:
            ImplausibleValueWarning: If the latencies seem to be in another unit than those of the
                table or of the devices in `like`.
        """
        target = target_of(metric)
        values = _checked(latency_ms, len(matrix), target)
        deviations = _checked_std(std, values)
        _require_different(matrix)
        _require_same_batch(table, metadata)
        is_latency = target == LATENCY and not isinstance(space.table, ChoiceTable)
        _require_latency(is_latency, table, like)
        own = own_terms(features, space, matrix)
        latency = target.costs(values)
        target = target.bounded(latency)
        if like is not None and (table is not None or features not in (None, "terms")):
            other = "`table`" if table is not None else f"`features` {shown(features)}"
            raise InvalidArgumentError(
                f"`like` must be left out with {other}: known devices are combined with terms."
            )
        possible = candidates(len(latency), space, table, target, own)
        kinds = [cast(FeatureKind, features)] if isinstance(features, str) else possible
        require_kind(features, space, table, target)
        by_kind = {kind: Inputs(space, kind, table, own=own) for kind in kinds}
        sure = None
        if std is not None:
            inputs = by_kind[kinds[0]]
            noise = inputs.fit(inputs(matrix), latency, penalty).noise
            sure = certainty(deviations / values, noise)
        errors: dict[str, float] = {}
        fits: dict[str, tuple[FeatureKind, RelativeRidge]] = {}
        rows: dict[str, NDArray[np.float64]] = {}
        for kind, inputs in by_kind.items():
            x = inputs(matrix)
            name = model_name(kind, table)
            found = held_out(inputs, x, latency, penalty, seed, sure)
            errors[name] = float(np.abs(found[:, 0]).mean() * 100)
            fits[name] = kind, inputs.fit(x, latency, penalty, sure)._replace(noise=noise_of(found))
            rows[name] = found
        if table is not None:
            _warn_of_another_unit(latency, LatencyPredictor(table=table, space=space), matrix)
        best = min(errors.values())
        name = next(name for name, error in errors.items() if error <= best * _TOLERANCE)
        kind, model = fits[name]
        devices, used, best_like = [], None, np.inf
        if like is not None or (is_latency and table is None and kind == "terms"):
            devices = usable(known_devices(like, space, _read), matrix, latency)
        for device in devices if kind == "terms" else []:
            inputs = by_kind["terms"].like(device.predictor)
            x = inputs(matrix)
            found = held_out(inputs, x, latency, penalty, seed, sure)
            share = share_of_known(found[:, 0], rows[name][:, 0])
            found = share * found + (1 - share) * rows[name]
            error = float(np.abs(found[:, 0]).mean() * 100)
            errors[f"terms, like {device.name}"] = error
            if error < best_like and is_clearly_better(found[:, 0], rows[name][:, 0]):
                used, best_like = device, error
                with_known = inputs.fit(x, latency, penalty, sure)
                model = mixed(fits[name][1], with_known, share)._replace(noise=noise_of(found))
        if devices:
            metadata = {
                **(metadata or {}),
                "like": _said(devices, used, name, errors[name], best_like),
            }
        rounded = {n: round(e, 3) for n, e in errors.items()}
        return cls(
            space=space,
            features=kind,
            model=model,
            table=table,
            heldout_mape=rounded,
            metadata={**(metadata or {}), "n_rows": len(latency)},
            known=used,
            own=own,
            target=target,
        )

    @property
    def direction(self) -> Direction:
        """``"maximize"`` if larger is better."""
        return self.target.direction

    @property
    def name(self) -> str:
        """``"table + affine"``, ``"terms"``, ``"terms, like cpu-torch"``, ``"physical"`` …."""
        name = model_name(self.features, self.table)
        return name if self.known is None else f"{name}, like {self.known.name}"

    def in_words(self) -> str:
        """Return what explains the device: ``"2.1 ms constant, 0.31 ms a block"``.

        Multiply-adds, activations and weights of a network have a price each, as have its blocks.
        Models of more than the terms have too many prices to be told: their number is returned.
        """
        if self.target != LATENCY:
            return f"a sum of {len(self.model.weights)} features"
        known = "" if self.known is None else self.known.name
        return self._inputs.in_words(self.model.weights, known)

    def __repr__(self) -> str:
        errors = ", ".join(f"{name} {error:.3g} %" for name, error in self.heldout_mape.items())
        held = f"; held-out error: {errors}" if errors else ""
        return f"NetworkLatencyPredictor({self.name}: {self.in_words()}{held})"

    @checked
    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return milliseconds, or values of the metric, ``(n,)``."""
        return self.target.values(self.model.predict(self._inputs(matrix)))

    @checked
    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations of a measurement in the unit of the metric, ``(n,)``."""
        x = self._inputs(matrix)
        if not self.target.is_reciprocal:
            return self.model.predict_std(x)
        # relative deviations of a reciprocal are, to first order, those of what it is 1 over
        values = self.target.values(self.model.predict(x))
        return values * self.model.noise * self.model.spread(x)

    def terms(self) -> Terms | str:
        """Return the sum: an offset, the table's sums, and the features, with their weights.

        If the known device's predictor is no sum, or this is not one, return why.
        """
        if self.target.is_reciprocal:
            return f"{self.metric} is the reciprocal of a sum, and no sum over genes and layers"
        return self._inputs.weighted(self.model.weights)

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the exact predictions, which are cheap sums over layers."""
        if self.known is not None and self.known.predictor.local_model(anchors) is None:
            return None
        return lambda matrix, _: self.predict(matrix)

    @checked
    def save(self, path: OutputFile) -> None:
        """Write JSON, including the table; an existing file is replaced as a whole.

        A function that counts terms of your own is not written: `load` takes it again.

        Raises:
            FormatError: If its predictions are impossible, so that `load` would refuse the file.
            InvalidArgumentError: If it was learned from a known device by a predictor of a class
                of your own.
        """
        require_sound(self, "The predictor")
        FORMAT.write(Path(path), self._content())

    def _content(self) -> dict[str, Any]:
        is_plain = isinstance(self.space.table, ChoiceTable)
        return {
            "family": None if is_plain else self.space.family.to_dict(),
            "choice_table": self.space.table.to_dict() if is_plain else None,
            "choices": self.space.choices,
            "metric": self.target.to_dict(),
            "features": self.features,
            "heldout_mape": self.heldout_mape,
            "metadata": self.metadata,
            "model": self.model.to_dict(),
            "table": None if self.table is None else table_dict(self.table.content),
            "known": None if self.known is None else _known_content(self.known),
            "terms": None if self.own is None else list(self._inputs.own_names),
        }

    @staticmethod
    def is_file(path: str | Path) -> bool:
        """Return whether a file was written by `save`, judging by its beginning."""
        if not Path(path).is_file():
            return False
        try:
            with open(path, "rb") as file:
                return f'"{FORMAT.name}"'.encode() in file.read(100)
        except OSError:  # `load` says why
            return False

    @classmethod
    @checked
    def load(
        cls, path: AnyPath, *, features: TermsFunction | None = None, max_mb: PositiveFloat = MAX_MB
    ) -> NetworkLatencyPredictor:
        """Read what `save` wrote.

        Args:
            path: The file.
            features: The function or `OwnTerms` that it was fitted with, if any.
            max_mb: The largest file to read, in megabytes of 10^6 bytes.

        Raises:
            FormatError: If it is not such a file, with the reason; or if its predictions are
                impossible, with the worst subnet.
            FamilyMismatchError: If its family has a published name but another table, or its
                latency table is of another family.
            InvalidArgumentError: If it was fitted with a function and `features` is None, or
                counts other terms.
        """
        path = Path(path)
        own = None if features is None else as_own(features)
        predictor = cls._of(FORMAT.read(path, max_mb=max_mb), path, own)
        require_sound(predictor, f"`path` {path}")
        return predictor

    @classmethod
    def _of(
        cls, data: Mapping[str, Any], path: Path, own: OwnTerms | None = None
    ) -> NetworkLatencyPredictor:
        """Read what `_content` returned."""
        try:
            plain = data.get("choice_table")
            of: Family | ChoiceTable
            if plain is None:
                of = family_from_json(data["family"], str(path))
            else:
                of = ChoiceTable.from_dict(plain)
            space = restored_space(of, data["choices"])
            target = Target.from_dict(data.get("metric"))
            features = data["features"]
            if features not in get_args(FeatureKind):
                raise ValueError(f"its features are {features!r}")
            held = data["table"]
            table = None if held is None else LatencyTable(table_from_dict(held, path))
            known = _known_of(data.get("known"), space, path)
            is_own = features.startswith("own")
            if is_own:
                require_terms(own, space, data["terms"], str(path))
            own = own if is_own else None
            n = Inputs(space, features, table, None if known is None else known.predictor, own)
            model = RelativeRidge.from_dict(data["model"], n.n_features)
            errors = dict(data["heldout_mape"])
            return cls(
                space=space,
                features=features,
                model=model,
                table=table,
                heldout_mape={
                    str(name): number(error, f"`heldout_mape` of {path}", least=0)
                    for name, error in errors.items()
                },
                metadata=data["metadata"],
                known=known,
                own=own,
                target=target,
            )
        except TermsError:
            raise
        except (FormatError, FamilyMismatchError):
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"`path` must be a latency predictor that `save` wrote, but {path} is not: "
                f"{error!r:.300}"
            ) from error


def _read(path: Path) -> LatencyTable | NetworkLatencyPredictor:
    fitted = NetworkLatencyPredictor.is_file(path)
    return (NetworkLatencyPredictor if fitted else LatencyTable).load(path)


def _known_content(known: KnownDevice) -> dict[str, Any]:
    of = known.predictor
    if isinstance(of, LatencyPredictor):
        return {"name": known.name, "table": table_dict(of.table.content)}
    if isinstance(of, NetworkLatencyPredictor):
        return {"name": known.name, "predictor": of._content()}
    raise InvalidArgumentError(
        f"`like` must have been tables or predictors of this package for the predictor to be "
        f"saved, but was a {type(of).__name__}."
    )


def _known_of(data: Any, space: SearchSpace, path: Path) -> KnownDevice | None:
    if data is None:
        return None
    if "table" in data:
        table = LatencyTable(table_from_dict(data["table"], path))
        return KnownDevice(str(data["name"]), LatencyPredictor(table=table, space=space))
    known = NetworkLatencyPredictor._of(data["predictor"], path)
    known.require(space)
    return KnownDevice(str(data["name"]), known)


def _said(
    devices: Iterable[KnownDevice], used: KnownDevice | None, own: str, without: float, best: float
) -> dict[str, Any]:
    """Return which devices were compared, and what the choice changed, for the metadata."""
    named = ", ".join(device.name for device in devices)
    text = f"no known device was used: none of {named} lowers the held-out error clearly"
    if own != "terms":
        text = f"no known device was used: with so many subnets {own} features are better"
    found: dict[str, Any] = {"used": None, "heldout_mape_without": round(without, 3)}
    if used is not None:
        found |= {"used": used.name, "heldout_mape": round(best, 3)}
        text = (
            f"learned from {used.name}: the held-out error is {best:.1f} %, without it "
            f"{without:.1f} %"
        )
    return {**found, "compared": [device.name for device in devices], "text": text}


def _checked(latency_ms: ArrayLike, n: int, target: Target) -> NDArray[np.float64]:
    values = numbers(latency_ms, "`latency_ms`")
    if values.shape != (n,) or np.isnan(values).any():
        raise InvalidArgumentError(
            f"`latency_ms` must be {n} positive numbers, one for each row, but got "
            f"{np.array2string(values, threshold=8)}."
        )
    require_plausible(target.name, values, "`latency_ms`")
    if not (values > 0).all():
        raise InvalidArgumentError(
            f"`latency_ms` must be positive, but got {target.name} {values[values <= 0][0]:g}."
        )
    if n < LEAST_ROWS:
        raise InvalidArgumentError(
            f"`matrix` must have {LEAST_ROWS} rows or more to fit to, but has {n}."
        )
    return values


def _checked_std(std: ArrayLike | None, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if std is None:
        return np.zeros(len(values))
    found = numbers(std, "`std`")
    if found.shape != values.shape:
        raise InvalidArgumentError(
            f"`std` must be {len(values)} numbers, one for each row, but got {found.size}."
        )
    require_std(found, "`std`")
    return np.nan_to_num(found)


def _require_latency(is_latency: bool, table: LatencyTable | None, like: Any) -> None:
    if not is_latency and (table is not None or like is not None):
        raise InvalidArgumentError(
            f"`{'like' if table is None else 'table'}` must be left out for another metric than "
            f"latency, and for plain tables of choices: it is about latencies of the layers of "
            f"subnets."
        )


def _require_different(matrix: Matrix) -> None:
    if (matrix == matrix[:1]).all():
        raise InvalidArgumentError(
            f"`matrix` must have different subnets, but its {len(matrix)} rows are equal."
        )


def _warn_of_another_unit(
    latency: NDArray[np.float64], table: LatencyPredictor, matrix: Matrix
) -> None:
    factor = float(np.median(latency / np.maximum(table.predict(matrix), 1e-12)))
    if not 1 / MOST_RATIO <= factor <= MOST_RATIO:
        warn(
            f"`latency_ms` must be in milliseconds, but is {factor:.3g} times the latency of "
            f"`table`; is it in another unit?",
            ImplausibleValueWarning,
        )


def _require_same_batch(table: LatencyTable | None, metadata: Mapping[str, Any] | None) -> None:
    batches = [
        (source or {}).get("settings", {}).get("batch")
        for source in (metadata, table.metadata if table else None)
    ]
    if None not in batches and batches[0] != batches[1]:
        raise InvalidArgumentError(
            f"`table` must have the batch size of the measurements, {batches[0]}, but has "
            f"{batches[1]}."
        )
