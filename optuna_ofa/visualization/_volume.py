"""The hypervolume of points over a reference point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from optuna_ofa._errors import InvalidArgumentError
from optuna_ofa.studies import METRICS

Values = NDArray[np.float64]


def beyond(fronts: Sequence[Values], objectives: Sequence[str]) -> dict[str, float]:
    """A reference point for some fronts: their worst values and a tenth of the range beyond.

    So the ends of the fronts count, and bad subnets that a search tried early have no influence.

    Args:
        fronts: Arrays of ``(n, n_objectives)`` values.
        objectives: Names of the objectives.
    """
    joined = np.concatenate(fronts)
    low, high = joined.min(axis=0), joined.max(axis=0)
    margin = (high - low) / 10
    maximize = [METRICS[m].maximize for m in objectives]
    ends = np.where(maximize, low - margin, high + margin)
    return dict(zip(objectives, ends.tolist(), strict=True))


def checked_reference(
    reference: Mapping[str, float], objectives: Sequence[str]
) -> dict[str, float]:
    """A reference point in the order of the objectives.

    Raises:
        InvalidArgumentError: If it is not exactly of the objectives.
    """
    if set(reference) != set(objectives):
        raise InvalidArgumentError(
            f"`reference` must have a value for each of {', '.join(objectives)}, but got "
            f"{dict(reference)}."
        )
    return {m: float(reference[m]) for m in objectives}


def signs_of(objectives: Sequence[str]) -> Values:
    """``(n_objectives,)`` factors that make smaller better everywhere."""
    return np.array([-1.0 if METRICS[m].maximize else 1.0 for m in objectives])


def hypervolume(values: Values, reference: Mapping[str, float]) -> float:
    """Hypervolume in the product of the objectives' units, 0 without points.

    Args:
        values: ``(n, n_objectives)``, in the order of ``reference``.
        reference: The reference point; points that are not better everywhere count nothing.
    """
    if len(values) == 0:
        return 0.0
    maximise = [METRICS[m].maximize for m in reference]
    return float(moocore.hypervolume(values, ref=[*reference.values()], maximise=maximise))


def unit(objectives: Sequence[str]) -> str:
    """Unit of a hypervolume: ``% x ms``."""
    return " x ".join(METRICS[m].unit or METRICS[m].title.lower() for m in objectives)


def reference_words(reference: Mapping[str, float]) -> str:
    """A reference point in words: ``top1 70 %, latency_ms 30 ms``."""
    return ", ".join(f"{m} {METRICS[m].amount(float(f'{v:.4g}'))}" for m, v in reference.items())
