"""The best predicted accuracy under each latency limit, beside the finder of Once-for-All.

    python benchmarks/search.py --data ../shared/data

One run of `study.search` answers all limits at once; the finder of the ``ofa`` package
(``ofa/tutorial/evolution_finder.py``) needs one run of 50,100 evaluations for each. Both use the
published accuracy predictor of MobileNetV3 w1.2 and the same table, so that only the search
differs. Everything is predicted.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import optuna

import optuna_ofa
from optuna_ofa.space import subnet_from_dialect

LIMITS_MS = {"note10": (15.0, 20.0, 25.0, 30.0), "i7-8700k": (10.0, 13.0, 16.0, 20.0)}
TABLES = {"note10": "note10_w1.2", "i7-8700k": "i7-8700k_w1.0/i7-8700K_lut.yaml"}
SEEDS = (0, 1, 2)
N_EVALUATIONS = 20_000
FAMILY = "ofa_mbv3_w1.2"


def main() -> None:
    """Print a table for each device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the published files")
    parser.add_argument("--evaluations", type=int, default=N_EVALUATIONS)
    parser.add_argument("--no-peer", action="store_true", help="leave the ofa package's finder out")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for device, limits in LIMITS_MS.items():
        words = ", ".join(f"{limit:g}" for limit in limits)
        print(f"\n{device}: top-1 % (predicted) under {words} ms")
        for seed in SEEDS:
            _row(f"optuna_ofa, seed {seed}", *ours(arguments, device, limits, seed))
        if arguments.no_peer:
            continue
        for seed in SEEDS:
            _row(f"ofa's finder, seed {seed}", *finder(arguments, device, limits, seed))


def _row(name: str, top1: list[float], n_evaluations: int, seconds: float) -> None:
    values = "  ".join(f"{x:5.2f}" for x in top1)
    print(f"  {name:22} {values}   {n_evaluations:7,} evaluations  {seconds:6.1f} s", flush=True)


def _study(arguments: argparse.Namespace, device: str, limit: float, seed: int) -> Any:
    return optuna_ofa.study(
        FAMILY,
        hardware=arguments.data / TABLES[device],
        accuracy=arguments.data / "ofa_mbv3_w1.2_acc_predictor.pth",
        constraints={"latency_ms": limit},
        seed=seed,
    )


def ours(
    arguments: argparse.Namespace, device: str, limits: tuple[float, ...], seed: int
) -> tuple[list[float], int, float]:
    """One search for all limits."""
    start = time.perf_counter()
    study = _study(arguments, device, max(limits), seed)
    study.search(n_evaluations=arguments.evaluations)
    front = study.front()
    seconds = time.perf_counter() - start
    best = [front.best(latency_ms=limit).values["top1"] for limit in limits]
    return best, arguments.evaluations, seconds


class _Latency:
    """Our table with the one method that the finder calls."""

    def __init__(self, study: Any) -> None:
        self._space, self._predictor = study.space, study.problem.predictors["latency_ms"]

    def predict_efficiency(self, spec: dict[str, Any]) -> float:
        row = self._space.to_matrix([subnet_from_dialect(spec, FAMILY)])
        return float(self._predictor.predict(row)[0])


class _Accuracy:
    """Our reading of the published predictor with the one method that the finder calls."""

    def __init__(self, study: Any) -> None:
        self._space, self._predictor = study.space, study.problem.predictors["top1"]

    def predict_accuracy(self, specs: list[dict[str, Any]]) -> Any:
        subnets = [subnet_from_dialect(spec, FAMILY) for spec in specs]
        return self._predictor.predict(self._space.to_matrix(subnets))


def finder(
    arguments: argparse.Namespace, device: str, limits: tuple[float, ...], seed: int
) -> tuple[list[float], int, float]:
    """The finder as it is, once for each limit."""
    module = _reference().import_reference("ofa.tutorial.evolution_finder")
    start = time.perf_counter()
    study = _study(arguments, device, max(limits), seed)
    best = []
    for limit in limits:
        random.seed(seed)
        np.random.seed(seed)
        search = module.EvolutionFinder(
            constraint_type="note10",
            efficiency_constraint=max(limit, 15.0),  # it asks at the keyboard below 15
            efficiency_predictor=_Latency(study),
            accuracy_predictor=_Accuracy(study),
        )
        search.set_efficiency_constraint(limit)
        _, info = search.run_evolution_search()
        best.append(float(info[0]))
    return best, 50_100 * len(limits), time.perf_counter() - start


def _reference() -> ModuleType:
    """The stubs that let ``ofa`` be imported without torchvision."""
    path = Path(__file__).resolve().parents[1] / "tests" / "_reference_ofa.py"
    spec = importlib.util.spec_from_file_location("_reference_ofa", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
