"""The finder of the ``ofa`` package with a budget split over several latency limits."""

from __future__ import annotations

import contextlib
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
from _fronts import FAMILY, Matrix
from _peer import Note10, accuracy_predictor, import_ofa

from optuna_ofa.space import SearchSpace, subnet_from_dialect

LIMITS_MS = tuple(np.geomspace(15, 60, 8).round(1).tolist())  # the range that it accepts


class Finder:
    """`ofa.tutorial.evolution_finder.EvolutionFinder` as it is, with its own predictors.

    Everything whose accuracy it asks for counts as evaluated; what its latency limit refuses
    before does not.

    Args:
        data: Folder of the published files.
    """

    def __init__(self, data: Path) -> None:
        self._latency, self._accuracy = Note10(data), accuracy_predictor(data)
        self._finder = import_ofa("ofa.tutorial.evolution_finder").EvolutionFinder
        self._specs: list[dict[str, Any]] = []

    def predict_accuracy(self, specs: list[dict[str, Any]]) -> Any:
        """Its accuracy predictor, remembering what it is asked for."""
        self._specs += specs
        return self._accuracy.predict_accuracy(specs)

    def search(self, n_trials: int, seed: int) -> None:
        """Run it once for each limit with an equal share; a bit less than that is evaluated."""
        random.seed(seed)
        np.random.seed(seed)
        share = n_trials // len(LIMITS_MS)
        size = min(100, share // 2)  # its own population, or what leaves it a generation
        for limit in LIMITS_MS:
            finder = self._finder(
                constraint_type="note10",
                efficiency_constraint=limit,
                efficiency_predictor=self._latency,
                accuracy_predictor=self,
                population_size=size,
                max_time_budget=share // size - 1,
            )
            with contextlib.redirect_stderr(io.StringIO()):  # its progress bars
                finder.run_evolution_search()

    def evaluated(self, space: SearchSpace) -> Matrix:
        """The subnets in the order of their evaluation."""
        return space.to_matrix([subnet_from_dialect(spec, FAMILY) for spec in self._specs])
