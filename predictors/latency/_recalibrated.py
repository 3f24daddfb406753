"""Latency predictors corrected by measurements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optuna_ofa.exceptions import InvalidArgumentError
from optuna_ofa.predictors._base import LocalModel, Predictor
from optuna_ofa.predictors.latency._conditions import Conditions
from optuna_ofa.predictors.latency._correction import Correction, fit_correction
from optuna_ofa.predictors.latency._network import NetworkLatencyPredictor
from optuna_ofa.predictors.latency._predictor import LatencyPredictor
from optuna_ofa.predictors.latency._ridge import RelativeRidge
from optuna_ofa.space import Matrix

LEAST_MEASURED = 3
# metadata of a table that are replaced by those of the measurements, or become unknown
_OF_THE_DEVICE = ("processor", "platform", "runtime", "versions", "settings", "clock", "anchor_ms")


def facts_of(predictor: Predictor) -> dict[str, Any]:
    """Return the metadata of a predictor and of its table (JSON)."""
    sources = (getattr(predictor, "table", None), predictor)
    facts: dict[str, Any] = {}
    for metadata in (getattr(source, "metadata", None) for source in sources):
        facts |= metadata if isinstance(metadata, Mapping) else {}
    errors = getattr(predictor, "heldout_mape", None)
    return {**facts, "heldout_mape": errors} if errors else facts


def correction_of(
    predictor: Predictor, matrix: Matrix, latency_ms: NDArray[np.float64]
) -> Correction:
    """Return the line from a predictor's latencies to ``(n,)`` measured ones."""
    predicted = np.asarray(predictor.predict(matrix), dtype=float)
    return fit_correction(predicted, latency_ms, lowest=lowest_of(predictor))


def lowest_of(predictor: Predictor) -> float:
    """Return the prediction of the smallest subnet of a predictor's space."""
    space = predictor.space
    return float(predictor.predict(space.to_matrix([space.smallest()]))[0])


def recalibrated(
    predictor: Predictor,
    matrix: Matrix,
    latency_ms: NDArray[np.float64],
    *,
    setup: Mapping[str, Any],
) -> Predictor:
    """Return a latency predictor that is corrected by a few measurements.

    Args:
        predictor: The predictor.
        matrix: ``(n, n_genes)`` the measured subnets.
        latency_ms: ``(n,)`` their milliseconds.
        setup: The conditions of the measurements: processor, runtime, settings.

    Returns:
        A `NetworkLatencyPredictor`, which `save` writes to a file; for a custom predictor, a
        wrapper around it. Its metadata are those of the measurements; ``recalibrated`` there says
        what was corrected, and how well.

    Raises:
        InvalidArgumentError: If fewer than three subnets were measured, or a prediction is not
            positive.
    """
    if len(latency_ms) < LEAST_MEASURED:
        raise InvalidArgumentError(
            f"A recalibration must have at least {LEAST_MEASURED} measured latencies, but has "
            f"{len(latency_ms)}."
        )
    if not (np.asarray(predictor.predict(matrix)) > 0).all():
        raise InvalidArgumentError(
            "A recalibration must have a predictor whose latencies are positive, but this one "
            "predicts 0 or less."
        )
    line = correction_of(predictor, matrix, latency_ms)
    facts = facts_of(predictor)
    history = {
        "predictor_of": str(Conditions.of(facts)),
        **line.to_dict(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),  # noqa: UP017 (3.10)
    }
    metadata = {**dict.fromkeys(_OF_THE_DEVICE), **setup, "recalibrated": history}
    if isinstance(predictor, NetworkLatencyPredictor):
        return _of_networks(predictor, line, metadata)
    if isinstance(predictor, LatencyPredictor):
        return NetworkLatencyPredictor(
            space=predictor.space,
            features="none",
            table=predictor.table,
            model=RelativeRidge(
                np.array([line.offset_ms, line.scale]), line.rmse, np.zeros((2, 2)), 0.0
            ),
            heldout_mape=_left_out(line),
            metadata=metadata,
        )
    return CorrectedPredictor(predictor, line, metadata)


def _of_networks(
    predictor: NetworkLatencyPredictor, line: Correction, metadata: Mapping[str, Any]
) -> NetworkLatencyPredictor:
    weights = predictor.model.weights * line.scale
    weights[0] += line.offset_ms  # the first column is constant
    nothing = np.zeros_like(predictor.model.covariance)
    return NetworkLatencyPredictor(
        space=predictor.space,
        features=predictor.features,
        table=predictor.table,
        model=RelativeRidge(weights, line.rmse, nothing, predictor.model.penalty),
        heldout_mape=_left_out(line),
        metadata=metadata,
        known=predictor.known,
    )


def _left_out(line: Correction) -> dict[str, float]:
    return {"recalibrated, each subnet left out once": round(line.mape, 3)}


class CorrectedPredictor(Predictor):
    """The latencies of a custom predictor, corrected by a line fitted to measurements.

    Args:
        predictor: The predictor.
        line: The line.
        metadata: What it was corrected with (JSON).
    """

    metric = "latency_ms"

    def __init__(self, predictor: Predictor, line: Correction, metadata: Mapping[str, Any]) -> None:
        self.predictor, self.line, self.space = predictor, line, predictor.space
        self.metadata = dict(metadata)
        self.heldout_mape = _left_out(line)

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return milliseconds, ``(n,)``."""
        return self.line.apply(np.asarray(self.predictor.predict(matrix), dtype=float))

    def predict_std(self, matrix: Matrix) -> NDArray[np.float64]:
        """Return standard deviations of a measurement in milliseconds, ``(n,)``."""
        return np.abs(self.predict(matrix)) * self.line.rmse

    def extrapolates(self, matrix: Matrix) -> NDArray[np.bool_]:
        """Return where the corrected predictor extrapolates, ``(n,)``."""
        return self.predictor.extrapolates(matrix)

    def extrapolation_reasons(self, matrix: Matrix) -> list[str]:
        """Return those of the corrected predictor."""
        return self.predictor.extrapolation_reasons(matrix)

    def local_model(self, anchors: Matrix) -> LocalModel | None:
        """Return the predictor's local model, corrected by the same line."""
        own = self.predictor.local_model(anchors)
        return None if own is None else lambda matrix, which: self.line.apply(own(matrix, which))
