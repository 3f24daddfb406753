"""The main job, offline: the Pareto front of a supernet on one device, on packaged defaults.

Run with ``make quickstart``. First everything is predicted: the accuracies by a model fitted to
about 1,300 subnets that were measured on ImageNet, the latencies by a table of layers that was
measured on a CPU; ``optuna_ofa/data/README.md`` says how good they are. Then a small supernet that
comes with the package is searched, and what was found is measured: its latency on this machine,
and its accuracy where the images of Fashion-MNIST are here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import optuna

import optuna_ofa
from optuna_ofa import AccuracyMeter, EvaluationSettings, LatencyMeter, MeasurementSettings
from optuna_ofa.data import fashion_mnist, halves, packaged_supernet
from optuna_ofa.verification import Meter
from optuna_ofa.visualization import plot_verification

FOLDER = Path("runs")
FAMILY, SMALL = "ofa_mbv3_w1.0", "ofa_mbv3_fashion"
N_EVALUATIONS = 5_000
N_PICKS, N_MEASURED = 5, 12
N_CALIBRATION = 1_000


def main() -> None:
    """Predict a front, then measure one."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.environ.setdefault("OPTUNA_OFA_OFFLINE", "1")
    FOLDER.mkdir(exist_ok=True)
    predict()
    measure()


def predict() -> None:
    """Search, draw, and say what to do next."""
    storage = f"sqlite:///{FOLDER / 'quickstart.db'}"
    study = optuna_ofa.study(
        FAMILY, storage=storage, study_name="quickstart", load_if_exists=True, seed=0
    )
    print(f"Searching {study.space} on packaged predictors ...")
    study.search(n_trials=N_EVALUATIONS)

    front = study.front()
    print(f"\n{len(front)} subnets on the Pareto front of {len(study.results().numbers):,} trials.")
    print(f"\nThe best predicted subnet under each of {N_PICKS} latencies:")
    fastest, slowest = front[0].values["latency_ms"], front[-1].values["latency_ms"]
    for i in range(1, N_PICKS + 1):
        limit = fastest + (slowest - fastest) * i / N_PICKS
        print(f"  under {limit:5.1f} ms: {front.best(latency_ms=limit)}")

    figure = study.plot_front()
    figure.write_html(FOLDER / "front.html")
    print(f"\nThe front as a page:    {FOLDER / 'front.html'}")
    try:
        figure.write_image(FOLDER / "front.png", width=1000, height=650, scale=2)
        print(f"The front as a picture: {FOLDER / 'front.png'}")
    except (RuntimeError, ValueError) as error:  # what kaleido raises without a browser
        print(f"No picture, because plotly needs Chrome or Chromium for it: {error}".split("\n")[0])
    dashboard = Path(sys.executable).parent / "optuna-dashboard"
    print(f"\nAll trials in Optuna Dashboard:\n  {dashboard} {storage}")


def measure() -> None:
    """Search the small supernet, and measure what was found."""
    storage = f"sqlite:///{FOLDER / 'measured.db'}"
    study = optuna_ofa.study(
        SMALL, storage=storage, study_name="quickstart", load_if_exists=True, seed=0
    )
    print(f"\nSearching {study.space} ...")
    study.search(n_trials=N_EVALUATIONS)
    print(f"Measuring {N_MEASURED} subnets of its front ...")
    verification = study.verify(meters(), points=N_MEASURED)
    print(verification)
    figure = plot_verification(verification)
    figure.write_html(FOLDER / "measured.html")
    print(f"\nPredicted beside measured: {FOLDER / 'measured.html'}")


def meters() -> dict[str, Meter]:
    """What measures latencies and, where the images are here, accuracies."""
    latency = LatencyMeter(MeasurementSettings(runtime="torch"))
    try:
        data = fashion_mnist()
    except optuna_ofa.exceptions.DownloadError as error:
        print(f"Accuracies are not measured: {error}")
        return {"latency_ms": latency}
    accuracy = AccuracyMeter(
        packaged_supernet(),
        halves(data.test)[1],  # nothing was fitted to these
        EvaluationSettings(calibration=data.train[:N_CALIBRATION][0]),
    )
    return {"top1": accuracy, "latency_ms": latency}


if __name__ == "__main__":
    main()
