"""The main job, offline: the Pareto front of a supernet on one device, on packaged defaults.

Run with ``make quickstart``. Everything is predicted: the accuracies by a model fitted to about
1,300 subnets that were measured on ImageNet, the latencies by a table of layers that was measured
on a CPU; ``optuna_ofa/data/README.md`` says how good they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import optuna

import optuna_ofa

FOLDER = Path("runs")
FAMILY = "ofa_mbv3_w1.0"
N_EVALUATIONS = 5_000
N_PICKS = 5


def main() -> None:
    """Search, draw, and say what to do next."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    FOLDER.mkdir(exist_ok=True)
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


if __name__ == "__main__":
    main()
