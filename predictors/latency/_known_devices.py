"""Known devices from which a new one is learned."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import argument_called
from optuna_ofa._packaged_tables import packaged_tables
from optuna_ofa._rules import shown
from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import (
    ExtrapolationWarning,
    ImplausibleValueWarning,
    InvalidArgumentError,
)
from optuna_ofa.predictors._base import Predictor
from optuna_ofa.predictors.latency._conditions import UNKNOWN, Conditions
from optuna_ofa.predictors.latency._predictor import LatencyPredictor
from optuna_ofa.predictors.latency._ridge import RelativeRidge
from optuna_ofa.predictors.latency._table import LatencyTable
from optuna_ofa.space import Family, Matrix, SearchSpace, known_families, require_family

KnownSource = str | Path | LatencyTable | Predictor
Array = NDArray[np.float64]
ReadSource = Callable[[Path], LatencyTable | Predictor]
# no other device of the kind that runs such networks is slower or faster by this factor
MOST_RATIO = 300
# a prediction with a known device must be this much better on held-out rows, and beyond chance
_CLEARLY = 0.95
_BEYOND_DOUBT = 1 / 5


class KnownDevice(NamedTuple):
    """A device that was measured or fitted before.

    Args:
        name: Name in reports.
        predictor: Its latencies on the space of the new device.
    """

    name: str
    predictor: Predictor


def known_devices(
    like: Iterable[KnownSource] | KnownSource | None, space: SearchSpace, read: ReadSource
) -> list[KnownDevice]:
    """Return the devices that were given; None means the packaged tables of the family.

    Args:
        like: Tables, predictors of ``latency_ms``, paths of either, or names of packaged tables.
        space: The space of the new device. Resolutions that a table lacks are filled in, with a
            warning; a predictor that lacks some is left out, with a warning.
        read: Reads the file of a predictor, and refuses others.

    Raises:
        InvalidArgumentError: If there is no such file or name, or one predicts another metric.
        FamilyMismatchError: If one is of another family.
    """
    if like is None:
        return [device for device in _packaged(space) if device is not None]
    if isinstance(like, str | Path | LatencyTable | Predictor):
        like = [like]
    found = [_device(source, i, space, read) for i, source in enumerate(like)]
    return [device for device in found if device is not None]


def _packaged(space: SearchSpace) -> Iterator[KnownDevice | None]:
    if not isinstance(space.table, Family) or space.table not in known_families():
        return
    for name, path in packaged_tables(space.family.name).items():
        table = LatencyTable.load(path)
        if set(table.covered(space.resolutions)) == set(space.resolutions):
            yield KnownDevice(name, LatencyPredictor(table=table, space=space))


def _device(
    source: KnownSource, i: int, space: SearchSpace, read: ReadSource
) -> KnownDevice | None:
    name = ""
    if isinstance(source, str | Path):
        name, source = Path(source).name, _read(source, space, read)
    if isinstance(source, LatencyTable):
        with argument_called("like", "hardware"), argument_called("like", "space"):
            source = LatencyPredictor(table=_filled(source, space), space=space)
    if source.metric != "latency_ms":
        raise InvalidArgumentError(
            f"`like` must have predictors of latency_ms, but got one of {source.metric}."
        )
    facts = getattr(getattr(source, "table", None) or source, "metadata", None) or {}
    words = str(Conditions.of(facts))
    name = name or (f"device {i + 1}" if words == UNKNOWN else words)
    with argument_called("like", "latency_ms"):
        return KnownDevice(name, source) if _covers(source, name, space) else None


def _filled(table: LatencyTable, space: SearchSpace) -> LatencyTable:
    """Return a table with all resolutions of the space; refuse one of another family first."""
    covered = table.covered(space.resolutions)
    if covered:
        table.require(space.restrict(resolution=covered))
    elif table.family is not None:
        require_family(table.family, space.table, "like", "this table", "in the table")
    return table if len(covered) == len(space.resolutions) else table.fill(space)


def _read(source: str | Path, space: SearchSpace, read: ReadSource) -> LatencyTable | Predictor:
    named = {}
    if isinstance(space.table, Family) and space.table in known_families():
        named = packaged_tables(space.family.name)
    if os.path.exists(source):
        with argument_called("like", "path"):
            return read(Path(source))
    if str(source) in named:
        return LatencyTable.load(named[str(source)])
    raise InvalidArgumentError(
        f"`like` must have files that exist, or packaged tables of this family "
        f"({', '.join(named) or 'there is none'}), but got {shown(str(source))}."
    )


def _covers(predictor: Predictor, name: str, space: SearchSpace) -> bool:
    """Return whether a predictor covers the resolutions; refuse other differences."""
    lacking = sorted(set(space.resolutions) - set(predictor.space.resolutions))
    wanted = [r for r in space.resolutions if r not in lacking]
    if predictor.space.table == space.table and lacking:
        warn(
            f"`like`: {name} is left out, because it does not cover {lacking} pixels.",
            ExtrapolationWarning,
        )
        if not wanted:
            return False
    predictor.require(space.restrict(resolution=wanted) if lacking and wanted else space)
    return not lacking


def usable(devices: Iterable[KnownDevice], matrix: Matrix, latency: Array) -> list[KnownDevice]:
    """Return the devices without those whose predictions equal, or are a multiple of, others'.

    Raises:
        InvalidArgumentError: If a prediction is not a positive number.

    Warns:
        ImplausibleValueWarning: If the latencies are in another unit than those of all devices.
    """
    kept: list[KnownDevice] = []
    shapes: list[Array] = []
    ratios = []
    for device in devices:
        predicted = np.asarray(device.predictor.predict(matrix), dtype=float)
        if predicted.shape != latency.shape or not ((predicted > 0) & (predicted < np.inf)).all():
            raise InvalidArgumentError(
                f"`like` must predict {len(latency)} positive numbers, but {device.name} predicts "
                f"{np.array2string(predicted, threshold=8)}."
            )
        ratios.append(float(np.median(latency / predicted)))
        shape = predicted / predicted.mean()
        if np.ptp(predicted) > 0 and not any(np.allclose(shape, s, rtol=1e-9) for s in shapes):
            shapes.append(shape)
            kept.append(device)
    factors = np.array(ratios)
    if len(factors) and ((factors > MOST_RATIO).all() or (factors < 1 / MOST_RATIO).all()):
        factor = float(np.median(factors))
        warn(
            f"`latency_ms` must be in milliseconds, but is {factor:.3g} times the latency of "
            f"{', '.join(device.name for device in kept)} in `like`; is it in another unit?",
            ImplausibleValueWarning,
        )
    return kept


def share_of_known(errors: Array, without: Array) -> float:
    """Return the share of the model with a known device in the prediction.

    The mean of both models is safer than either, because few rows tell little of which is better;
    but a model whose error is at most a fifth of the other's is better beyond doubt.

    Args:
        errors: ``(n,)`` held-out errors with the known device.
        without: Those without it.
    """
    return 1.0 if np.abs(errors).mean() <= _BEYOND_DOUBT * np.abs(without).mean() else 0.5


def is_clearly_better(errors: Array, without: Array) -> bool:
    """Return whether a known device helps, from ``(n,)`` held-out errors with and without it.

    Among few rows and several devices one is better by chance: the mean error must be 5 % lower,
    and the mean difference larger than its standard error.
    """
    gain = np.abs(without) - np.abs(errors)
    chance = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(np.abs(errors).mean() <= _CLEARLY * np.abs(without).mean() and gain.mean() > chance)


def mixed(alone: RelativeRidge, known: RelativeRidge, share: float) -> RelativeRidge:
    """Return the model whose prediction is the mean of two, weighted by the share of the second.

    Args:
        alone: A model of the constant and the terms.
        known: One of the constant, the known device, and the terms.
        share: Share of the second model.
    """
    n = len(known.weights)
    others = np.arange(n) != 1
    weights, covariance = np.zeros(n), np.zeros((n, n))
    weights[others], covariance[np.ix_(others, others)] = alone.weights, alone.covariance
    return known._replace(
        weights=share * known.weights + (1 - share) * weights,
        covariance=share * known.covariance + (1 - share) * covariance,
    )
