"""The precision and the runtime of measured subnets, the same for all trials of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import MEASURED_BY
from optuna_ofa.verification._meter import Meter

Setups = Mapping[str, Mapping[str, Any]]


def require_same_networks(meters: Mapping[str, Meter], notes: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a meter of another precision or runtime than the measured trials of a study.

    Args:
        meters: The meters by metric.
        notes: The user attributes of the trials.

    Raises:
        InvalidArgumentError: If the precisions or the runtimes are known and differ.
    """
    for note in notes:
        for metric, meter in meters.items():
            known = Conditions.of(note.get(MEASURED_BY, {}).get(metric, {}))
            for name in ("precision", "runtime"):
                _require_same(metric, name, getattr(known, name), getattr(meter, name))


def _require_same(metric: str, name: str, known: str, wanted: str | None) -> None:
    if wanted is not None and known not in ("", wanted):
        raise InvalidArgumentError(
            f"`measure[{metric!r}]` must measure in {known}, as the measured trials of this study "
            f"do, but measures in {wanted}. Verify in another study: a measured front has values "
            f"of one {name}."
        )


def precisions_note(metrics: Sequence[str], measured_by: Iterable[Setups]) -> str | None:
    """Return that metrics were measured in different precisions, in a sentence; None if not.

    Args:
        metrics: The metrics that were measured.
        measured_by: The setups of each subnet by metric.
    """
    found: dict[str, set[str]] = {}
    for setups in measured_by:
        for metric in metrics:
            precision = Conditions.of(setups.get(metric, {})).precision
            found.setdefault(metric, set()).update({precision} - {""})
    if len(set().union(*found.values())) < 2:
        return None
    words = [f"{m} in {' and '.join(sorted(of))}" for m, of in found.items() if of]
    return f"{', '.join(words)}: values of different precisions are not those of one network"
