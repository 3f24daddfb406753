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
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import optuna
import plotly.graph_objects as go
from numpy.typing import NDArray

import optuna_ofa
from optuna_ofa.data import fashion_mnist, halves, packaged_supernet
from optuna_ofa.studies import FrontPoint

FOLDER = Path("runs")
FAMILY, SMALL = "ofa_mbv3_w1.0", "ofa_mbv3_fashion"
N_EVALUATIONS = 5_000
N_PICKS, N_MEASURED = 5, 12
N_CALIBRATION = 1_000
Matrix = NDArray[np.int16]


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
    study.search(n_evaluations=N_EVALUATIONS)

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
    study = optuna_ofa.study(SMALL, seed=0)
    print(f"\nSearching {study.space} ...")
    study.search(n_evaluations=N_EVALUATIONS)
    front = study.front()
    points = [front[i] for i in np.linspace(0, len(front) - 1, N_MEASURED).round().astype(int)]
    matrix = study.space.to_matrix([point.subnet for point in points])
    storage = f"sqlite:///{FOLDER / 'measured.db'}"
    latency = optuna_ofa.measure(study.space, matrix, runtime="torch", storage=storage)
    top1 = accuracies(matrix, storage)
    print(f"{N_MEASURED} of {len(front)} subnets on its front, predicted and measured here:")
    for i, point in enumerate(points):
        measured = "not measured" if top1 is None else f"{top1[i]:.2f} %"
        print(f"  top1 {point.values['top1']:.2f} % / {measured}, latency "
              f"{point.values['latency_ms']:.2f} / {latency.latency_ms[i]:.2f} ms: "
              f"{point.subnet}")  # fmt: skip
    figure = drawing(points, latency.latency_ms, top1)
    figure.write_html(FOLDER / "measured.html")
    print(f"\nPredicted beside measured: {FOLDER / 'measured.html'}")


def accuracies(matrix: Matrix, storage: str) -> NDArray[np.float64] | None:
    """Top-1 on test images that nothing was fitted to, None where the images are not here."""
    try:
        data = fashion_mnist()
    except optuna_ofa.DownloadError as error:
        print(f"Accuracies are not measured: {error}")
        return None
    return optuna_ofa.evaluate(
        packaged_supernet(), matrix, halves(data.test)[1],
        calibration=data.train[:N_CALIBRATION][0], storage=storage,
    ).top1  # fmt: skip


def drawing(
    points: Sequence[FrontPoint], latency_ms: NDArray[np.float64], top1: NDArray[np.float64] | None
) -> go.Figure:
    """Predicted and measured points, joined by a line for each subnet."""
    predicted = [(p.values["latency_ms"], p.values["top1"]) for p in points]
    heights = [y for _, y in predicted] if top1 is None else top1.tolist()
    measured = list(zip(latency_ms.tolist(), heights, strict=True))
    joins = [xy for pair in zip(predicted, measured, strict=True) for xy in (*pair, (None, None))]
    figure = go.Figure()
    figure.add_scatter(x=[x for x, _ in joins], y=[y for _, y in joins], mode="lines",
                       line={"color": "#BBBBBB"}, showlegend=False)  # fmt: skip
    for name, xy, colour, symbol in (
        ("predicted", predicted, "#0072B2", "circle-open"),
        ("measured", measured, "#D55E00", "circle"),
    ):
        figure.add_scatter(
            x=[x for x, _ in xy], y=[y for _, y in xy], mode="markers", name=name,
            marker={"color": colour, "symbol": symbol, "size": 9},
            hovertext=[str(p.subnet) for p in points],
        )  # fmt: skip
    return figure.update_layout(
        title=f"{SMALL}: predicted and measured", template="plotly_white",
        xaxis_title="Latency (ms)", yaxis_title="Top-1 accuracy (%)",
    )  # fmt: skip


if __name__ == "__main__":
    main()
