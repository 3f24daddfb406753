"""Descriptions of measurements under other conditions than predictions were made for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.predictors import LEAST_MEASURED, Conditions, Predictor, differences, fit_correction
from optuna_ofa.problem import significant
from optuna_ofa.profiling._runtimes import RUNTIMES
from optuna_ofa.profiling._settings import MeasurementSettings
from optuna_ofa.profiling.on_device import describe_setup
from optuna_ofa.space import Family, known_families

Array = NDArray[np.float64]
CORRECT = (
    "to correct the predictions: `recalibrate()` of this result, on the command line "
    "`--recalibrate FILE`"
)


class Elsewhere(NamedTuple):
    """Measurements under other conditions than latencies were predicted for.

    Args:
        finding: ``table of another processor (..., measured on ...): measured times are 0.55 of
            predicted, after correction MAPE 3.1 % ...``.
        remedies: Remedies, one sentence each.
    """

    finding: str
    remedies: tuple[str, ...]


def elsewhere(
    facts: Mapping[str, Any],
    setups: Sequence[Mapping[str, Any]],
    predicted: Array,
    measured: Array,
    *,
    of_table: bool,
    family: Family,
    lowest: float,
) -> Elsewhere | None:
    """Compare the conditions of predictions with those of measurements; None for the same.

    Args:
        facts: Metadata of the predictor.
        setups: Setups of the measurements, one for each subnet or one for all.
        predicted: ``(n,)`` milliseconds.
        measured: ``(n,)`` milliseconds.
        of_table: Whether the predictor has a table.
        family: The family of the subnets.
        lowest: The lowest prediction of the space.
    """
    conditions = list(dict.fromkeys(map(Conditions.of, setups)))
    words = " and ".join(differences(Conditions.of(facts), conditions))
    if not words:
        return None
    words = f"{'table' if of_table else 'predictor'} {words}"
    if len(measured) and (predicted > 0).all():
        ratio = float(np.median(measured / predicted))
        words += f": measured times are {significant(ratio, 2)} of predicted"
    if len(conditions) > 1:
        return Elsewhere(f"{words}; measured under {len(conditions)} different conditions", ())
    remedies = [f"measure {LEAST_MEASURED} subnets or more to correct the predictions"]
    if len(measured) >= LEAST_MEASURED and (predicted > 0).all():
        line = fit_correction(predicted, measured, lowest=lowest)
        words += f", after correction MAPE {significant(line.mape)} % (leave-one-out)"
        remedies = [CORRECT]
    command = profile_command(conditions[0], setups[0], family)
    if command is not None:
        remedies.append(f"to measure a table of this device: `{command}`")
    return Elsewhere(words, tuple(remedies))


def profile_command(conditions: Conditions, setup: Mapping[str, Any], family: Family) -> str | None:
    """Return the command that measures a table under some conditions; None if there is none."""
    if conditions.runtime not in RUNTIMES or family not in known_families():
        return None
    words = ["optuna-ofa", "profile", "--supernet", family.name, "--runtime", conditions.runtime]
    words += ["--threads", str(conditions.threads)] if conditions.threads > 1 else []
    words += ["--batch", str(conditions.batch)] if conditions.batch > 1 else []
    words += _unless("--precision", conditions.precision, "float32")
    words += _unless("--device", conditions.device, "cpu")
    settings = setup.get("settings")
    pin: Iterable[Any] = (settings.get("pin") or ()) if isinstance(settings, Mapping) else ()
    words += ["--pin", *map(str, pin)] if pin else []
    return shlex.join([*words, "--out", "here.json"])


def _unless(flag: str, value: str, default: str) -> list[str]:
    return [flag, value] if value not in ("", default) else []


def is_of_device(facts: Mapping[str, Any], settings: MeasurementSettings) -> bool:
    """Return whether a predictor is for this device, its runtime and these settings.

    Args:
        facts: Metadata of the predictor.
        settings: The runtime and its settings.
    """
    here = Conditions.of(describe_setup(settings.open_runtime(), settings))
    return not any(differences(Conditions.of(facts), [here]))


def is_of_table(predictor: Predictor | None) -> bool:
    """Return whether a predictor has a latency table."""
    return getattr(predictor, "table", None) is not None
