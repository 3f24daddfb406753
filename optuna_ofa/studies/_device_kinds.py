"""Devices of several kinds in one study, told by what they measure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._warnings import warn
from optuna_ofa.exceptions import ImplausibleValueWarning
from optuna_ofa.problem import (
    MEASURED,
    MEASURED_BY,
    MEASURED_ON,
    PREDICTION,
    Evaluated,
    Kind,
    Problem,
    numbers_by_name,
    significant,
)

# Two devices are of different kinds if their costs, relative to the predictions for the same
# subnets, differ by this factor and by this many standard errors, over as many subnets of each.
_FACTOR, _ERRORS, _LEAST = 1.2, 5.0, 3


class Told(Protocol):
    """The study that the devices have measured for."""

    @property
    def problem(self) -> Problem:
        """What is searched for."""

    def results(self, *, kind: Kind | None = None) -> Evaluated:
        """Return all finished trials of a kind."""

    def notes(self, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the user attributes of trials."""


def warn_of_other_kinds(study: Told, names: Set[str]) -> None:
    """Warn if a device measures other costs than the others of the study, also of other calls.

    Args:
        study: The study.
        names: The devices of this call.

    Warns:
        ImplausibleValueWarning: It does. The slowest and the fastest of all devices are named.
    """
    costs = [m for m, of in study.problem.objective_metrics.items() if not of.maximize]
    measured = study.results(kind=MEASURED)
    notes = study.notes(measured.numbers.tolist())
    for metric in costs:
        values = measured.values[:, study.problem.objectives.index(metric)]
        by_device = _by_device(notes, metric, values.tolist())
        ends = _of_other_kinds(by_device)
        if ends is not None and not names.isdisjoint(ends):
            slow, fast = ends
            factor = float(np.exp(by_device[slow].mean() - by_device[fast].mean()))
            warn(
                f"{metric} of the device {slow!r} is {significant(factor)} times that of {fast!r}, "
                f"each relative to the predictions for the same subnets, so they are of different "
                f"kinds, and the front mixes them: use a study for each kind.",
                ImplausibleValueWarning,
            )


def _by_device(
    notes: Sequence[Mapping[str, Any]], metric: str, values: Sequence[float]
) -> dict[str, NDArray[np.float64]]:
    """Return the logarithms of measured over predicted values of devices that have enough."""
    found: dict[str, list[float]] = {}
    for note, value in zip(notes, values, strict=True):
        device = note.get(MEASURED_BY, {}).get(metric, {}).get(MEASURED_ON)
        predicted = numbers_by_name(note.get(PREDICTION)).get(metric, 0.0)
        if isinstance(device, str) and predicted > 0 and 0 < value < math.inf:
            found.setdefault(device, []).append(math.log(value / predicted))
    return {name: np.array(of) for name, of in found.items() if len(of) >= _LEAST}


def _of_other_kinds(by_device: Mapping[str, NDArray[np.float64]]) -> tuple[str, str] | None:
    """Return the slowest and the fastest device if they differ by more than chance."""
    if len(by_device) < 2:
        return None
    means = {name: float(of.mean()) for name, of in by_device.items()}
    slow, fast = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    # the spread of one device, of all of them
    squares = sum(((of - of.mean()) ** 2).sum() for of in by_device.values())
    n_free = sum(map(len, by_device.values())) - len(by_device)
    error = np.sqrt(squares / n_free * sum(1 / len(by_device[name]) for name in (slow, fast)))
    differs = means[slow] - means[fast] > max(math.log(_FACTOR), _ERRORS * float(error))
    return (slow, fast) if differs else None
