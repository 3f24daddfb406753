"""The transfer matrix: the best subnets of each device on every other one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import EmptyFrontError, InvalidArgumentError
from optuna_ofa.fronts._findings import Findings
from optuna_ofa.fronts._front import Front
from optuna_ofa.fronts._point import FrontPoint
from optuna_ofa.problem import METRICS
from optuna_ofa.space import Subnet


@dataclass(frozen=True, eq=False)
class TransferMatrix:
    """The best subnet of each of ``n`` devices, on all of them; all numbers are predicted.

    Args:
        devices: Names of the devices.
        limits_ms: ``(n,)`` latency limit for each device's best subnet.
        subnets: The best subnet of each.
        top1: ``(n,)`` its accuracy in percent.
        latency_ms: ``(n, n)``; row ``i`` is the best subnet of device ``i``, column ``j`` its
            latency on device ``j``.
        loss: ``(n, n)`` points of top-1 by which the best subnet for device ``j`` within that
            latency is more accurate: the best of the front of ``j`` and of the subnets of the
            matrix, so at least 0.
        facts: Metadata of the latency predictor of each device.
        finished: When the last trial of all studies finished.
        extrapolated: Devices whose best subnet has an extrapolated accuracy.
    """

    devices: tuple[str, ...]
    limits_ms: NDArray[np.float64]
    subnets: tuple[Subnet, ...]
    top1: NDArray[np.float64]
    latency_ms: NDArray[np.float64]
    loss: NDArray[np.float64]
    facts: tuple[Mapping[str, Any], ...] = ()
    finished: datetime.datetime | None = None
    extrapolated: tuple[str, ...] = ()

    def cells(self) -> list[list[tuple[str, str]]]:
        """Return the latency and the loss in points of top-1 of each pair of devices, as text."""
        ms, points = METRICS["latency_ms"], METRICS["top1"]
        of_device = [ms.decimals(column) for column in self.latency_ms.T.tolist()]
        n = points.decimals(self.loss.ravel().tolist())
        return [
            [
                (ms.text(latency, n=digits), points.number(0.0 - loss, n=n, sign="+"))
                for latency, loss, digits in zip(*row, of_device, strict=True)
            ]
            for row in zip(self.latency_ms.tolist(), self.loss.tolist(), strict=True)
        ]

    def __str__(self) -> str:
        width = max(len("best of"), *map(len, self.devices))
        cell = max(22, *(len(name) + 2 for name in self.devices))
        head = f"{'best of':{width}}{'limit ms':>10}{'top-1 %':>9}"
        lines = [head + "".join(f"{'on ' + name:>{cell}}" for name in self.devices)]
        columns = (
            METRICS["latency_ms"].column(self.limits_ms.tolist()),
            METRICS["top1"].column(self.top1.tolist()),
        )
        for name, limit, top1, row in zip(self.devices, *columns, self.cells(), strict=True):
            cells = "".join(f"{f'{ms} ({loss})':>{cell}}" for ms, loss in row)
            lines.append(f"{name:{width}}{limit:>10}{top1:>9}{cells}")
        lines.append("In brackets: points of top-1 against that device's own best at this latency.")
        if self.extrapolated:
            lines.append(f"Top-1 is extrapolated for the best of {', '.join(self.extrapolated)}.")
        return "\n".join(lines)


_NEEDED = {"top1", "latency_ms"}


def can_transfer(found: Findings) -> bool:
    """Return whether a study has the objectives of a transfer matrix."""
    return set(found.problem.objectives) >= _NEEDED


def transfer_matrix(
    studies: Mapping[str, Findings], latency_ms: float | Mapping[str, float] | None
) -> TransferMatrix:
    """Return the matrix of some studies by device; see `Fleet.transfer_matrix`."""
    for name, found in studies.items():
        if not can_transfer(found):
            raise InvalidArgumentError(
                f"`objectives` must have top1 and latency_ms to compare devices, but {name!r} has "
                f"{', '.join(found.problem.objectives)}."
            )
    limits = _limits(list(studies), latency_ms)
    fronts = {name: found.front(kind="predicted") for name, found in studies.items()}
    picks = {name: _pick(name, front, limits[name]) for name, front in fronts.items()}
    subnets = tuple(point.subnet for point in picks.values())
    latency = np.stack([_latencies(found, subnets) for found in studies.values()], axis=1)
    top1 = np.array([point.values["top1"] for point in picks.values()])
    best = [_best_top1(front, latency[:, j], top1) for j, front in enumerate(fronts.values())]
    at = [
        point.values["latency_ms"] if limits[name] is None else limits[name]
        for name, point in picks.items()
    ]
    loss = np.stack(best, axis=1) - top1[:, None]
    return TransferMatrix(
        tuple(studies),
        np.array(at, dtype=float),
        subnets,
        top1,
        latency,
        loss,
        tuple(found.problem.facts("latency_ms") for found in studies.values()),
        max(filter(None, (of.snapshot().finished for of in studies.values())), default=None),
        tuple(name for name, point in picks.items() if "top1" in (point.extrapolated or ())),
    )


def _limits(
    devices: list[str], latency_ms: float | Mapping[str, float] | None
) -> dict[str, float | None]:
    given = latency_ms if isinstance(latency_ms, Mapping) else dict.fromkeys(devices, latency_ms)
    unknown = [name for name in given if name not in devices]
    if unknown:
        raise InvalidArgumentError(
            f"`latency_ms` must be of the devices {', '.join(devices)}, but got {unknown[0]!r}."
        )
    bad = [(name, v) for name, v in given.items() if v is not None and not v > 0]
    if bad:
        raise InvalidArgumentError(
            f"`latency_ms` must be positive, but got {bad[0][1]} for {bad[0][0]!r}."
        )
    return {name: given.get(name) for name in devices}


def _pick(name: str, front: Front, limit: float | None) -> FrontPoint:
    if limit is None:
        return front.knee()
    try:
        return front.best(latency_ms=limit)
    except EmptyFrontError as error:
        raise EmptyFrontError(f"There is no subnet for {name!r}: {error}") from error


def _latencies(found: Findings, subnets: tuple[Subnet, ...]) -> NDArray[np.float64]:
    return found.problem.predictors["latency_ms"].predict(found.space.to_matrix(subnets))


def _best_top1(
    front: Front, latency_ms: NDArray[np.float64], top1: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the best accuracy within each latency, of a front and of the subnets themselves."""
    there = np.array([[p.values["latency_ms"], p.values["top1"]] for p in front])
    known_ms, known_top1 = np.concatenate([there, np.stack([latency_ms, top1], axis=1)]).T
    inside = known_ms[None, :] <= latency_ms[:, None]
    return np.asarray(np.where(inside, known_top1[None, :], -np.inf).max(axis=1))
