"""Errors of predicted latencies, beside those of repeated measurements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa._arguments import checked
from optuna_ofa.exceptions import FamilyMismatchError, InvalidArgumentError
from optuna_ofa.predictors import (
    Conditions,
    CostPredictor,
    PredictionErrors,
    Predictor,
    facts_of,
    lowest_of,
    prediction_errors,
    recalibrated,
)
from optuna_ofa.profiling._elsewhere import Elsewhere, elsewhere, is_of_table
from optuna_ofa.profiling._latencies import Latencies
from optuna_ofa.space import other_family

MACS = "MACs"
RETEST = "measured again"
_HEAD = ("", "n", "MAPE %", "within 5 %", "within 10 %", "mean error %", "Kendall", "Spearman")


@dataclass(frozen=True, eq=False)
class LatencyReport:
    """Predictions against measurements of subnets that no prediction was fitted to.

    Args:
        measurements: The measured latencies.
        predicted_ms: ``(n,)`` predictions by name, multiply-adds among them.
        rows: Errors of each predictor, of multiply-adds, and of repeated measurements.
        predictors: The predictors by name.
    """

    measurements: Latencies
    predicted_ms: Mapping[str, NDArray[np.float64]]
    rows: tuple[PredictionErrors, ...]
    predictors: Mapping[str, Predictor]

    def __getitem__(self, name: str) -> PredictionErrors:
        """Return the errors of one predictor, of ``"MACs"`` or of ``"measured again"``."""
        return next(row for row in self.rows if row.name == name)

    def __str__(self) -> str:
        setup = self.measurements.setup
        title = f"{Conditions.of(setup)}, {setup.get('clock')} clock"
        title += "; errors are measured minus predicted"
        width = max(len(row.name) for row in self.rows)
        lines = [title, f"{_HEAD[0]:{width}}" + "".join(f"{h:>13}" for h in _HEAD[1:])]
        lines += [
            f"{row.name:{width}}{row.n:13}{row.mape:13.2f}{row.within_5:13.1f}"
            f"{row.within_10:13.1f}{row.mpe:+13.2f}{row.kendall:13.3f}{row.spearman:13.3f}"
            for row in self.rows
        ]
        lines += [*self.notes, *(f"  {remedy}" for remedy in self.remedies)]
        return "\n".join(lines)

    @property
    def notes(self) -> tuple[str, ...]:
        """The predictors that are for another device than was measured, in sentences."""
        return tuple(f"{name}: {found.finding}" for name, found in self._elsewhere.items())

    @property
    def remedies(self) -> tuple[str, ...]:
        """Remedies for such predictors."""
        return tuple(dict.fromkeys(r for f in self._elsewhere.values() for r in f.remedies))

    @cached_property
    def _elsewhere(self) -> dict[str, Elsewhere]:
        found = {name: self._compared(name, p) for name, p in self.predictors.items()}
        return {name: one for name, one in found.items() if one is not None}

    def _compared(self, name: str, predictor: Predictor) -> Elsewhere | None:
        return elsewhere(
            facts_of(predictor),
            [self.measurements.setup],
            self.predicted_ms[name],
            self.measurements.latency_ms,
            of_table=is_of_table(predictor),
            family=self.measurements.space.family,
            lowest=lowest_of(predictor),
        )

    def recalibrate(self, name: str | None = None) -> Predictor:
        """Return a predictor, corrected by what was measured, as `Verification.recalibrate` does.

        Args:
            name: The predictor; None is the first one.

        Raises:
            InvalidArgumentError: If there is no predictor of that name.
        """
        if name is not None and name not in self.predictors:
            raise InvalidArgumentError(
                f"`name` must be one of {', '.join(self.predictors)}, but got {name!r}."
            )
        of = self.measurements
        predictor = next(iter(self.predictors.values())) if name is None else self.predictors[name]
        setup = {**of.setup, "anchor_ms": of.anchor_ms}
        return recalibrated(predictor, of.matrix, of.latency_ms, setup=setup)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "setup": dict(self.measurements.setup),
            "rows": [r._asdict() for r in self.rows],
            "notes": list(self.notes),
            "remedies": list(self.remedies),
        }


@checked
def latency_report(
    predictors: Predictor | Mapping[str, Predictor],
    measurements: Latencies,
    *,
    retest: Latencies | None = None,
) -> LatencyReport:
    """Compare predicted with measured latencies.

    Args:
        predictors: One predictor, or several by name. They should not have seen the subnets.
        measurements: Measured subnets; those that the runtime failed on are ignored.
        retest: The same subnets, measured once more, which gives the error of a measurement.

    Returns:
        The errors; `optuna_ofa.visualization` draws them. Multiply-adds are among the
        predictors: scale and offset for each subnet are fitted to all other measurements.

    Raises:
        FamilyMismatchError: If a predictor is for another family.
        InvalidArgumentError: If fewer than three subnets were measured, a predictor does not
            cover them, or ``retest`` has other subnets.
    """
    named = {"predicted": predictors} if isinstance(predictors, Predictor) else dict(predictors)
    good = measurements.measured
    if retest is not None:
        _require_same(measurements, retest)
        good = good & retest.measured
        retest = retest.select(good)
    kept = measurements.select(good)
    if len(kept) < 3:
        raise InvalidArgumentError(
            f"`measurements` must have three measured subnets or more, but has {len(kept)}."
        )
    for predictor in named.values():
        predictor.require(kept.space)
    predicted = {name: p.predict(kept.matrix) for name, p in named.items()}
    predicted[MACS] = _from_macs(kept)
    rows = [prediction_errors(name, values, kept.latency_ms) for name, values in predicted.items()]
    if retest is not None:
        rows.append(prediction_errors(RETEST, retest.latency_ms, kept.latency_ms))
    return LatencyReport(kept, predicted, tuple(rows), named)


def _require_same(first: Latencies, second: Latencies) -> None:
    if first.space.family != second.space.family:
        raise FamilyMismatchError(
            f"`retest` must be of {first.space.family.name}, but is of "
            f"{other_family(second.space.family, first.space.family)}."
        )
    if first.matrix.shape != second.matrix.shape or (first.matrix != second.matrix).any():
        raise InvalidArgumentError(
            f"`retest` must have the same {len(first)} subnets in the same order, but has "
            f"{len(second)} that differ."
        )


def _from_macs(measurements: Latencies) -> NDArray[np.float64]:
    """Predict each latency from multiply-adds by relative least squares on all other subnets."""
    latency = measurements.latency_ms
    macs = CostPredictor("n_macs", measurements.space).predict(measurements.matrix)
    x = np.stack([macs / macs.mean(), np.ones(len(macs))], axis=1)
    rows = x / latency[:, None]
    hat = rows @ np.linalg.pinv(rows)
    left_out = (1 - hat.sum(axis=1)) / (1 - np.diag(hat))
    return np.asarray(latency * (1 - left_out))
