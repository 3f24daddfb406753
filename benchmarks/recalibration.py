"""How far packaged tables are off on this device, and how far once a few subnets correct them.

For each table a front is searched, subnets along it are measured and correct the table; then
random subnets, which nothing was fitted to, are measured too. Prints the mean absolute error in
percent: before, as stated (each subnet left out once), and of the random ones before and after.

    python benchmarks/recalibration.py
    python benchmarks/recalibration.py --families ofa_mbv3_fashion --runtimes torch --repeats 1
"""

from __future__ import annotations

import argparse
import os
import warnings

import optuna
from _head import print_head

import optuna_ofa
from optuna_ofa import LatencyMeter, MeasurementSettings
from optuna_ofa.exceptions import NoisyDeviceWarning
from optuna_ofa.predictors import Predictor, prediction_errors

HEAD = ("family", "runtime", "before", "stated", "before", "after", "scale", "offset", "load")


def compared(
    family: str, settings: MeasurementSettings, n: int, seed: int, n_trials: int
) -> list[str]:
    """Return a line of the table."""
    study = optuna_ofa.study(family, hardware=f"cpu-{settings.runtime}", seed=seed)
    study.search(n_trials=n_trials)
    found = study.verify({"latency_ms": LatencyMeter(settings)}, points=n, progress=False)
    corrected: optuna_ofa.NetworkLatencyPredictor = found.recalibrate()  # type: ignore[assignment]
    history = corrected.metadata["recalibrated"]
    matrix = study.space.sample(n, seed=100 + seed)
    level = corrected.metadata["anchor_ms"]
    fresh = optuna_ofa.measure(study.space, matrix, settings, anchor_ms=level, progress=False)

    def mape(predictor: Predictor) -> float:
        return prediction_errors("", predictor.predict(matrix), fresh.latency_ms).mape

    errors = (
        found.errors["latency_ms"].mape,
        history["mape_left_out"],
        mape(study.problem.predictors["latency_ms"]),
        mape(corrected),
    )
    line = [f"{history['scale']:.3f}", f"{history['offset_ms']:.3f}", f"{os.getloadavg()[0]:.1f}"]
    return [family, str(settings.runtime), *(f"{e:.1f}" for e in errors), *line]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", default=["ofa_mbv3_fashion", "ofa_mbv3_w1.0"])
    parser.add_argument("--runtimes", nargs="+", default=["torch", "onnxruntime"])
    parser.add_argument("--n", type=int, default=12, help="measured subnets (default: 12)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--n-rounds", type=int, default=20)
    parser.add_argument("--n-trials", type=int, default=500)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NoisyDeviceWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print_head()
    print("".join(f"{head:>18}" for head in HEAD))
    for family in arguments.families:
        for runtime in arguments.runtimes:
            settings = MeasurementSettings(runtime=runtime, n_rounds=arguments.n_rounds)
            for seed in range(arguments.repeats):
                line = compared(family, settings, arguments.n, seed, arguments.n_trials)
                print("".join(f"{cell:>18}" for cell in line), flush=True)


if __name__ == "__main__":
    main()
