"""How to draw the subnets to measure, where the truth is known of every subnet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _accuracy_rivals import Matrix
from _peer import ACCURACY, RESOLUTIONS

from optuna_ofa import AccuracyPredictor, SearchSpace
from optuna_ofa.predictors._rows import MeasuredRows

FRONT = Path(__file__).parent / "reference_fronts" / "note10.json"
N_TEST = 1_000
NOISE = 0.02  # points, as measured subnets scatter

Draw = Callable[[SearchSpace, int, np.random.Generator], Matrix]

DRAWS: dict[str, Draw] = {
    "uniform over genes": lambda space, n, rng: space.sample(n, seed=rng),
    "uniform over subnets": lambda space, n, rng: space.sample(n, seed=rng, uniform_over="subnets"),
    "uniform over sizes": lambda space, n, rng: space.sample(n, seed=rng, uniform_over="sizes"),
}


class Drawn:
    """The published predictor of MobileNetV3 w1.2 as the truth, with the noise of a measurement.

    Args:
        data: Folder of the published files.
    """

    def __init__(self, data: Path) -> None:
        self._truth = AccuracyPredictor.load(data / ACCURACY)
        self.space = self._truth.space.restrict(resolution=RESOLUTIONS)
        points = np.array(json.loads(FRONT.read_text())["points"])
        self.tests = {
            "random genes": self._rows(self.space.sample(N_TEST, seed=0)),
            "best front": self._rows(points[:, 2:].astype(np.int16)),
        }

    def train(self, draw: Draw, n: int, rng: np.random.Generator) -> MeasuredRows:
        """``n`` different subnets and their noisy accuracies."""
        matrix = np.unique(draw(self.space, 2 * n, rng), axis=0)
        rows = self._rows(rng.permutation(matrix)[:n])
        return rows._replace(top1=rows.top1 + rng.normal(0, NOISE, len(rows.top1)))

    def _rows(self, matrix: Matrix) -> MeasuredRows:
        top1 = self._truth.predict(matrix)
        return MeasuredRows(matrix, top1, np.ones(len(matrix), dtype=np.int64))
