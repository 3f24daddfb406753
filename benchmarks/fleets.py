"""Searching for several devices together, beside searching for each alone.

    python benchmarks/fleets.py --data FOLDER --evaluations 1000 --seeds 3

Hypervolume of each device's trials over 75 % and 95 ms (Note10) or 50 ms, mean over seeds.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import optuna
from _head import print_head

import optuna_ofa
from optuna_ofa.fleets import Fleet
from optuna_ofa.fronts._pareto import hypervolume

FAMILY = "ofa_mbv3_w1.2"
SLOWEST_MS = {"Note10": 95.0, "i7-8700K": 50.0, "cpu-onnxruntime": 50.0}
LEAST_TOP1 = 75.0


def make_fleet(data: Path, seed: int) -> Fleet:
    """The three devices."""
    tables = {
        "Note10": data / "note10_w1.2",
        "i7-8700K": data / "i7-8700k_w1.0" / "i7-8700K_lut.yaml",
        "cpu-onnxruntime": "cpu-onnxruntime",
    }
    accuracy = data / "ofa_mbv3_w1.2_acc_predictor.pth"
    return optuna_ofa.fleet(FAMILY, hardware=tables, accuracy=accuracy, seed=seed)


def volumes(fleet: Fleet) -> list[float]:
    """The hypervolume of each device."""
    return [
        hypervolume(
            study.results().values,
            {"top1": LEAST_TOP1, "latency_ms": SLOWEST_MS[device]},
            study.problem.objective_metrics,
        )
        for device, study in fleet.items()
    ]


def main() -> None:
    """Print both, and how much more the first is."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with published files")
    parser.add_argument("--evaluations", type=int, default=1_000, help="for each device")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()

    found: dict[str, list[list[float]]] = {"together": [], "alone": []}
    seconds = dict.fromkeys(found, 0.0)
    for seed in range(arguments.seeds):
        for how, rows in found.items():
            fleet = make_fleet(arguments.data, seed)
            start = time.process_time()
            if how == "together":
                fleet.search(arguments.evaluations)
            else:
                for study in fleet.values():
                    study.search(arguments.evaluations)
            seconds[how] += time.process_time() - start
            rows.append(volumes(fleet))
    means = {how: np.mean(rows, axis=0) for how, rows in found.items()}
    print(f"{'':10}" + "".join(f"{device:>17}" for device in SLOWEST_MS) + f"{'CPU s':>9}")
    for how, mean in means.items():
        numbers = "".join(f"{value:17.2f}" for value in mean)
        print(f"{how:10}{numbers}{seconds[how] / arguments.seeds:9.1f}")
    gain = 100 * (means["together"] / means["alone"] - 1)
    print(f"{'more':10}" + "".join(f"{value:+16.2f}%" for value in gain))


if __name__ == "__main__":
    main()
