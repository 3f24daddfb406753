"""From this device to a search: profile, measure a few subnets, check the errors, search.

    pip install "optuna-ofa[onnxruntime]"
    python examples/latency_of_this_device.py --folder runs/device

A table of layers takes half a minute. Twenty measured subnets calibrate it; others give the errors
of its predictions, beside those of a repeated measurement. Run it again to continue: nothing is
measured twice.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import optuna_ofa
from optuna_ofa import LatencyTable, NetworkLatencyPredictor, SearchSpace
from optuna_ofa.visualization import plot_macs_latency, plot_predicted_latency

N_FIT = 20


def main() -> None:
    """Profile, measure, fit, report, search."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/device"))
    parser.add_argument("--supernet", default="ofa_mbv3_w1.0")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--compared", type=int, default=20, help="subnets to test it on")
    parser.add_argument("--evaluations", type=int, default=5_000)
    arguments = parser.parse_args()
    folder, runtime = arguments.folder, arguments.runtime
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{runtime}.json"
    space = SearchSpace(arguments.supernet)
    settings = optuna_ofa.MeasurementSettings(runtime=runtime, n_rounds=arguments.rounds)

    if path.exists():
        table = LatencyTable.load(path)
    else:
        table = optuna_ofa.profile(space, settings, out=path)
    measured = optuna_ofa.measure(
        space,
        np.concatenate(
            [
                NetworkLatencyPredictor.choose(space, N_FIT),
                space.sample(arguments.compared, seed=0),  # random ones judge the predictions
            ]
        ),
        settings,
        storage=f"sqlite:///{folder / 'measurements.db'}",
        anchor_ms=table.metadata["anchor_ms"],
    )
    seen, fresh = measured.select(range(N_FIT)), measured.select(range(N_FIT, len(measured)))
    latency = NetworkLatencyPredictor.fit(
        space, seen.matrix, seen.latency_ms, table=table, metadata=seen.setup
    )
    latency.save(folder / f"{runtime}.predictor.json")
    report = optuna_ofa.latency_report({latency.name: latency}, fresh)
    print(report)
    plot_predicted_latency(report).write_html(folder / "predicted.html")
    plot_macs_latency(report).write_html(folder / "macs.html")

    study = optuna_ofa.study(
        space.restrict(resolution=max(space.resolutions)), hardware=latency, seed=0
    )
    study.search(n_trials=arguments.evaluations)
    largest = latency.predict(space.to_matrix([space.largest()]))[0]
    print(study.front().best(latency_ms=0.8 * largest))


if __name__ == "__main__":
    main()
