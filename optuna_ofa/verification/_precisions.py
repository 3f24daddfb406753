"""The number format that subnets are measured in, which is one for all trials of a study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors import Conditions
from optuna_ofa.problem import MEASURED_BY
from optuna_ofa.verification._meter import Meter

Setups = Mapping[str, Mapping[str, Any]]


def require_precisions(meters: Mapping[str, Meter], notes: Iterable[Mapping[str, Any]]) -> None:
    """Refuse a meter of another precision than the measured trials of a study.

    Args:
        meters: The meters by metric.
        notes: The user attributes of the trials.

    Raises:
        InvalidArgumentError: If the precisions are known and differ.
    """
    wanted = {m: meter.precision for m, meter in meters.items() if meter.precision is not None}
    for note in notes if wanted else ():
        for metric, precision in wanted.items():
            known = Conditions.of(note.get(MEASURED_BY, {}).get(metric, {})).precision
            if known not in ("", precision):
                raise InvalidArgumentError(
                    f"`measure[{metric!r}]` must measure in {known}, as the measured trials of "
                    f"this study do, but measures in {precision}. Verify in another study: a "
                    f"measured front has values of one precision."
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
